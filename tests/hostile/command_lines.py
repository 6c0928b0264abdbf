"""Command lines: absurd numbers, flags that say nothing, unknown names, templates that do harm."""

from collections.abc import Iterator
from random import Random

from hostile.case import (
    CHAT,
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
KWARGS = (
    "",
    "x",
    "[]",
    "null",
    "5",
    '"a"',
    '{"a": 1, "a": 2}',
    '{"a":' * 100_000,
    f'{{"a": {DIGITS}}}',
    '{"a": 1',
)
KWARGS += ("{'a': 1}", '{"a": 1} and more', '{"\x1b[31m": 1', LONG)
OTHERS = (
    '{"messages": []}',
    '{"add_generation_prompt": true}',
    '{"nobody": 1}',
    '{"\x1b[31m": 1}',
    '{"tools": []}',
)
TEMPLATES: dict[str, bytes | str | None] = {
    "a folder": None,
    "torn": "{% for m in messages",
    "not UTF-8": b"\xff\xfe{{ messages }}",
    "empty": "",
    "without end": "{% for i in range(9**5) %}{% for j in range(9**5) %}{% endfor %}{% endfor %}",
    "a long range": "{% for i in range(10**9) %}x{% endfor %}",
    "itself": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a terabyte": "{{ 'x' * 10**12 }}",
    "reads a file": "{% include '/etc/passwd' %}",
    "imports": "{% import 'os' as os %}{{ os.system('touch ran') }}",
    "climbs out": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "calls globals": "{{ raise_exception.__globals__['os'].system('touch ran') }}",
    "refuses with ANSI": "{{ raise_exception('\x1b[31mno') }}",
    "refuses at length": "{{ raise_exception('x' * 100000) }}",
    "divides by 0": "{{ 1 / 0 }}",
    "says nothing of the reply": "{{ messages[0].content }}",
    "writes control characters": "\x1b[31m{{ messages[0].content }}",
}


def cases(rng: Random) -> Iterator[Case]:
    """All of them."""
    for command, make in (("train", train), ("inspect", inspect)):
        for flag, values in NUMBERS[command].items():
            for value in values:
                named = flag if value != str(2**64) else "seed"
                name = f"{command} {flag} {value[:24]!a}"
                slow = value == str(10**18)
                yield Case("flags: numbers", name, make(flag, value), GOOD, REFUSED, named, slow=slow)
        for flag, values in TAKEN[command].items():
            for value in values:
                yield Case("flags: numbers", f"{command} {flag} {value}", make(flag, value), GOOD, (0,))
    yield from _broken_runs()
    yield from _unused()
    yield from _names()
    yield from _kwargs()
    yield from _templates()
    yield from _others()


def _broken_runs() -> Iterator[Case]:
    """Numbers that are numbers, and with which a run cannot end well."""
    for named, *more in (
        ("lr", "--lr", "1e300"),
        ("step", "--beta", "1e308"),
        ("step", "--lr", "1e30", "--epochs", "9"),
    ):
        name = f"train {' '.join(more)}"
        yield Case("flags: numbers", name, train(*more), GOOD, (1,), named, leaves=True)
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


def _names() -> Iterator[Case]:
    """Names that name nothing, empty ones, long ones."""
    kind = "flags: names"
    odd = {"empty": "", "of 5000 letters": LONG, "with ANSI": "\x1b[2Jx", "with a newline": "a\nb"}
    odd |= {
        "of a hub": "nobody/nothing",
        "a URL": "https://example.org/x",
        "bidi": "\u202ex",
        "a file": "pairs.jsonl",
    }
    for name, value in odd.items():
        shown = "" if not value or not value.isprintable() else value[:9]
        for what, argv in {
            "model": train(model=value),
            "reference": train("--reference", value),
            "policy": inspect(policy=value),
            "inspect's reference": inspect(reference=value),
            "check's model": ["check", "pairs.jsonl", "--model", value],
            "template": train("--chat-template", value),
            "preset": train("--preset", value),
            "prompt field": ["check", "pairs.jsonl", "--prompt-field", value],
            "held-out pairs": ["check", "pairs.jsonl", "--held-out", value],
        }.items():
            if name == "a file" and what in ("held-out pairs", "template"):
                continue
            yield Case(kind, f"{what} {name}", argv, GOOD, REFUSED, shown, slow=name == "of a hub")
    for argv in (
        ["nonsense"],
        ["check"],
        ["train"],
        ["inspect", "--policy", "tiny"],
        ["--nonsense"],
        ["study"],
    ):
        yield Case(kind, " ".join(argv), argv, files({}), MISUSE)
    for argv in (
        ["study", "nonsense", "--out", "out"],
        ["study", "credit", "--out", "out", "--preset", "gpux"],
    ):
        yield Case(
            kind, " ".join(argv), argv, files({}), MISUSE, argv[1] if argv[1] == "nonsense" else "gpux"
        )
    yield Case(
        kind,
        "study --seeds 0",
        ["study", "credit", "--out", "out", "--seeds", "0"],
        files({}),
        MISUSE,
        "--seeds",
    )
    yield Case(kind, "doctor more", ["doctor", "more"], files({}), MISUSE, "more")
    yield Case(kind, "doctor --json", ["doctor", "--json"], files({}), (0,), says="python")
    yield Case(
        kind,
        "inspect without reference",
        ["inspect", "--policy", "tiny", "--pairs", "p", "--out", "out"],
        files({}),
        MISUSE,
        "--reference",
    )


def _kwargs() -> Iterator[Case]:
    for value in KWARGS:
        name = f"not an object: {value[:24]!a}"
        argv = ["check", "pairs.jsonl", "--model", "../a", "--chat-template-kwargs", value]
        yield Case("flags: templates", name, argv, CHAT, MISUSE, "--chat-template-kwargs")
    for value in OTHERS:
        argv = ["check", "pairs.jsonl", "--model", "../a", "--chat-template-kwargs", value]
        yield Case("flags: templates", f"no variable: {value!a}", argv, CHAT, REFUSED, "argument")


def _templates() -> Iterator[Case]:
    for name, text in TEMPLATES.items():
        lay, more = several(CHAT, files({"t.jinja": text})), ["--chat-template", "t.jinja"]
        slow = name == "without end"
        for argv in (["check", "pairs.jsonl", "--model", "../a", *more], inspect(*more), train(*more)):
            asked = EITHER if "control" in name else (1,)
            yield Case("flags: templates", f"{argv[0]}, {name}", argv, lay, asked, "template", slow=slow)
    good = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    lay = several(CHAT, files({"t.jinja": good + "{% if add_generation_prompt %}<|assistant|>{% endif %}"}))
    yield Case("flags: templates", "a good one", train("--chat-template", "t.jinja"), lay, (0,))


def _others() -> Iterator[Case]:
    for field in ("--prompt-field", "--chosen-field", "--rejected-field"):
        for argv in (["check", "pairs.jsonl", field, "nope"], train(field, "nope"), inspect(field, "nope")):
            yield Case("flags: names", f"{argv[0]} {field} nope", argv, GOOD, (1,), "nope")

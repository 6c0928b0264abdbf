"""Command lines with names that name nothing, and templates that do harm."""

from collections.abc import Iterator
from random import Random

from hostile.case import CHAT, EITHER, GOOD, MISUSE, REFUSED, Case, files, inspect, several, train
from hostile.command_lines import DIGITS, LONG

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
    yield from _names()
    yield from _incomplete()
    yield from _kwargs()
    yield from _templates()
    yield from _fields()


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


def _incomplete() -> Iterator[Case]:
    """Commands that lack an argument, or have one that nobody knows."""
    out = ["--out", "out"]
    for named, line in {
        "nonsense": "nonsense",
        "PAIRS": "check",
        "--pairs": "train",
        "--out": "inspect --policy tiny",
        "--nonsense": "--nonsense",
        "NAME": "study",
        "more": "doctor more",
    }.items():
        yield Case("flags: names", line, line.split(), files({}), MISUSE, named)
    for named, more in {"nope": ["nope"], "gpux": ["credit", "--preset", "gpux"]}.items():
        yield Case("flags: names", f"study {more[0]}", ["study", *more, *out], files({}), MISUSE, named)
    none = ["study", "credit", "--seeds", "0", *out]
    yield Case("flags: names", "study of no seed", none, files({}), MISUSE, "--seeds")
    alone = ["inspect", "--policy", "tiny", "--pairs", "p", *out]
    yield Case("flags: names", "inspect without reference", alone, files({}), MISUSE, "--reference")
    yield Case("flags: names", "doctor --json", ["doctor", "--json"], files({}), (0,), says="python")


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


def _fields() -> Iterator[Case]:
    for field in ("--prompt-field", "--chosen-field", "--rejected-field"):
        for argv in (["check", "pairs.jsonl", field, "nope"], train(field, "nope"), inspect(field, "nope")):
            yield Case("flags: names", f"{argv[0]} {field} nope", argv, GOOD, (1,), "nope")

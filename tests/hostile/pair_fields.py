"""Pair files that are JSON lines, with one record whose fields are wrong: line 3 of twelve."""

from collections.abc import Iterator
from random import Random

from hostile.case import CHATS, FAILS, PAIRS, Case, files, inspect, lines, train

KIND = "pairs: fields"
USER, ASSISTANT = {"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Me."}
LONG, DEEP = "x" * 1_000_000, "[" * 100_000
WRONG = {
    "null": None,
    "empty": "",
    "blank": " \t\n",
    "number": 5,
    "real": 1.5,
    "true": True,
    "empty list": [],
    "empty object": {},
    "list of numbers": [1],
    "list of null": [None],
    "NaN": float("nan"),
    "minus infinity": float("-inf"),
    "lone surrogate": "\ud83d",
}
CHAT_WRONG = {
    "role unknown": ("chosen[0].role", {"chosen": [{"role": "judge", "content": "x"}]}),
    "role missing": ("chosen[0].role", {"chosen": [{"content": "x"}]}),
    "role null": ("prompt[0].role", {"prompt": [{"role": None, "content": "x"}]}),
    "role of a megabyte": ("prompt[0].role", {"prompt": [{"role": LONG, "content": "x"}]}),
    "role with ANSI": ("prompt[0].role", {"prompt": [{"role": "\x1b[2J", "content": "x"}]}),
    "role a list": ("prompt[0].role", {"prompt": [{"role": ["user"], "content": "x"}]}),
    "content missing": ("chosen[0].content", {"chosen": [{"role": "assistant"}]}),
    "content null": ("rejected[0].content", {"rejected": [{"role": "assistant", "content": None}]}),
    "content a number": ("chosen[0].content", {"chosen": [{"role": "assistant", "content": 3}]}),
    "content an object": ("chosen[0].content", {"chosen": [{"role": "assistant", "content": {}}]}),
    "content a surrogate": ("chosen[0].content", {"chosen": [{"role": "assistant", "content": "\udc00"}]}),
    "content a picture": (
        "prompt[0].content[0]",
        {"prompt": [{"role": "user", "content": [{"type": "image", "url": "x"}]}]},
    ),
    "message a string": ("prompt[0]", {"prompt": ["Who?"]}),
    "message a list": ("chosen[0]", {"chosen": [["assistant", "x"]]}),
    "field unknown": ("prompt[0].weight", {"prompt": [{**USER, "weight": 0}]}),
    "field with ANSI": ("prompt[0].", {"prompt": [{**USER, "\x1b[31m": "x"}]}),
    "name a number": ("prompt[0].name", {"prompt": [{**USER, "name": 3}]}),
    "call without name": ("chosen[0].tool_calls[0]", {"chosen": [{**ASSISTANT, "tool_calls": [{}]}]}),
    "calls a string": ("chosen[0].tool_calls", {"chosen": [{**ASSISTANT, "tool_calls": "get()"}]}),
    "ends with the user": ("chosen", {"chosen": [ASSISTANT, USER]}),
    "begins with the user": ("chosen", {"chosen": [USER, ASSISTANT]}),
    "prompt ends with the assistant": ("chosen", {"prompt": [USER, ASSISTANT]}),
    "a tool speaks first": ("", {"prompt": [{"role": "tool", "content": "x"}]}),
    "a late system message": ("", {"prompt": [USER, {"role": "system", "content": "x"}]}),
    "one side text": ("rejected", {"rejected": "No."}),
    "tools not JSON": ("tools", {"tools": "[{"}),
    "tools a number": ("tools", {"tools": 5}),
    "tools of numbers": ("tools[0]", {"tools": [5]}),
    "tools nested deeply": ("tools", {"tools": DEEP}),
    "kwargs not JSON": ("chat_template_kwargs", {"chat_template_kwargs": "{"}),
    "kwargs a list": ("chat_template_kwargs", {"chat_template_kwargs": [1]}),
    "kwargs nested deeply": ("chat_template_kwargs", {"chat_template_kwargs": DEEP}),
    "kwargs of 4300 digits": ("chat_template_kwargs", {"chat_template_kwargs": '{"a":' + "9" * 5000 + "}"}),
}
PLAIN_WRONG = {
    **{
        f"flaws {value!r}": ("chosen_flaws", {"chosen_flaws": value})
        for value in (
            *("x", 5, {}, [3], [[0]], [[5, 2]], [[0, 9999]], [["a", "b"]], [[0, 1.5]], [[-1, 3]]),
            *([[True, 2]], [[0, 10**30]], [[None, None]]),
        )
    },
    "flaws of a megabyte": ("chosen_flaws", {"chosen_flaws": [[0] * 300_000]}),
    "flaws with ANSI": ("rejected_flaws", {"rejected_flaws": [["\x1b[2J", 1]]}),
    "same replies": ("rejected", {"rejected": PAIRS[2]["chosen"]}),
    "system a number": ("system", {"system": 5}),
    "pictures": ("images", {"images": ["x.png"]}),
    "tools beside text": ("tools", {"tools": [{"name": "get"}]}),
    "a second prompt": ("question", {"question": "Another?"}),
    "history": ("history", {"history": "earlier"}),
    "history of one": ("history", {"history": [["only"]]}),
    "context as text": ("context", {"context": "Some text."}),
}
RECORDS = {
    "chosen is missing": ("chosen", {"prompt": "a", "rejected": "b"}),
    "rejected is missing": ("rejected", {"prompt": "a", "chosen": "b"}),
    "nothing shared, no prompt": ("rejected", {"chosen": "One.", "rejected": "Two."}),
    "one reply with a label": ("completion", {"prompt": "a", "completion": "b", "label": True}),
    "a winner nobody knows": ("winner", {"prompt": "a", "response_a": "b", "response_b": "c", "winner": "d"}),
    "a winner of a megabyte": (
        "winner",
        {"prompt": "a", "response_a": "b", "response_b": "c", "winner": LONG},
    ),
    "ranks that tie": ("completions", {"prompt": "a", "completions": [{"rank": 0}, {"rank": 0}]}),
    "ranks not comparable": (
        "completions",
        {
            "prompt": "a",
            "completions": [{"rank": 0, "completion": "x"}, {"rank": "b", "completion": "y"}],
        },
    ),
    "names of a megabyte": ("chosen", {LONG: "a", "prompt": "b"}),
    "names with ANSI": ("chosen", {"\x1b[31mred": "a", "prompt": "b"}),
    "an empty object": ("chosen", {}),
    "a number": ("a number", 5),
    "a string": ("a string", "chosen"),
    "null": ("null", None),
    "a list": ("a list", [PAIRS[0]]),
}
TAKEN = {  # nothing is wrong with these
    "column unknown": ("column mystery is not read", {"mystery": "text"}),
    "column unknown with ANSI": ("is not read", {"\x1b[31mmystery": "text"}),
    "column unknown with bidi": ("is not read", {"mystery\u202e\u2066": "text"}),
    "NUL in a text": ("12 usable", {"chosen": " a\0b"}),
    "ANSI in a text": ("12 usable", {"chosen": " \x1b[2J\x1b]0;title\x07"}),
    "bidi in a text": ("12 usable", {"rejected": " \u202eabc\u2066"}),
    "C1 in a text": ("12 usable", {"rejected": " \x9b31mabc"}),
    "line separators in a text": ("12 usable", {"rejected": " a\u2028b\u2029c\x85d"}),
    "a text of a megabyte": ("12 usable", {"rejected": " ab" * 300_000}),
    "an id": ("12 usable", {"id": 7, "source": "x"}),
    "nulls beside": ("12 usable", {"system": None, "tools": None, "images": None}),
    "a good flaw": ("1 with marked flaws", {"rejected_flaws": [[1, 3]]}),
}


def _with(rows: list, bad: object, line: int = 3) -> str:
    return lines([*rows[: line - 1], bad, *rows[line:]])


def cases(rng: Random) -> Iterator[Case]:
    """Every field, wrong in every way; a seeded third is also trained on or inspected without the record."""
    for name, (field, bad, rows) in _wrong().items():
        file, named = files({"pairs.jsonl": _with(rows, bad)}), f"pairs.jsonl:3: {field}"
        named = "pairs.jsonl:3" if bad is None or not isinstance(bad, dict) else named
        yield Case(KIND, f"check, {name}", ["check", "pairs.jsonl"], file, FAILS, named)
        if rng.random() < 0.3:
            command = rng.choice([train, inspect])
            says = "pairs.jsonl:3"
            yield Case(KIND, f"{command.__name__}, {name}", command(), file, (0,), says=says)
    for name, (says, extra) in TAKEN.items():
        for line in (1, 3):
            file = files({"pairs.jsonl": _with(PAIRS, PAIRS[2] | extra, line)})
            label = f"check, line {line}, {name}"
            yield Case(KIND, label, ["check", "pairs.jsonl"], file, (0,), says=says)


def _wrong() -> dict[str, tuple[str, object, list]]:
    """By name: the field to be named, the record, and those around it."""
    found = {}
    for field in ("prompt", "chosen", "rejected"):
        for what, value in WRONG.items():
            named = field if not isinstance(value, list | dict) else ""  # or the other reply is
            found[f"{field} {what}"] = (named, PAIRS[2] | {field: value}, PAIRS)
    for what, (field, changes) in PLAIN_WRONG.items():
        found[what] = (field, PAIRS[2] | changes, PAIRS)
    for what, (field, changes) in CHAT_WRONG.items():
        found[what] = (field, CHATS[2] | changes, CHATS)
    for what, (field, record) in RECORDS.items():
        found[f"record: {what}"] = (field, record, PAIRS)
    return found

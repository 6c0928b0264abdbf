"""Pair files under names that a terminal, a page or a message could stumble over."""

import os
from collections.abc import Iterator
from random import Random

from hostile.case import EITHER, FAILS, PAIRS, Case, files, inspect, lines, nothing, train

KIND = "pairs: names"
NAMES = {
    "ANSI": "\x1b[31mred\x1b[0m.jsonl",
    "a title": "\x1b]0;owned\x07.jsonl",
    "a newline": "a\nb.jsonl",
    "a carriage return": "a\rok.jsonl",
    "a tab": "a\tb.jsonl",
    "bidi": "\u202elnosj.jsonl",
    "isolates": "a\u2066b\u2069.jsonl",
    "C1": "a\x9b31mb.jsonl",
    "200 letters": "x" * 200 + ".jsonl",
    "spaces": " a  b .jsonl",
    "quotes": "a'\"`b.jsonl",
    "accents": "d\u00e9j\u00e0 vu \U0001f600.jsonl",
    "bytes that are no text": os.fsdecode(b"a\xff\xfeb.jsonl"),
    "percent signs": "%s%n{0}{x}.jsonl",
    "tags": "<script>alert(1)<_script>.jsonl",
    "a protocol": "file:pairs.jsonl",
}


def cases(rng: Random) -> Iterator[Case]:
    """A good file is read under any name; a bad one, or none, is told without control characters."""
    good, bad = lines(PAIRS), lines([*PAIRS, "{oops"])
    for name, file in NAMES.items():
        with_good, with_bad = files({file: good}), files({file: bad})
        yield Case(KIND, f"check, {name}", ["check", file], with_good, (0,), says="12 usable")
        yield Case(KIND, f"check, {name}, bad", ["check", file], with_bad, FAILS, "jsonl")
        yield Case(KIND, f"check, {name}, missing", ["check", file], nothing, FAILS, "jsonl")
        command = rng.choice([train, inspect])
        yield Case(KIND, f"{command.__name__}, {name}", command(pairs=file), with_bad, (0,), says="jsonl")
    for name, file in {"300 letters": "x" * 300 + ".jsonl", "5000 letters": "x" * 5000}.items():
        yield Case(KIND, f"check, {name}", ["check", file], nothing, FAILS, "xxx")
        yield Case(KIND, f"train, {name}", train(pairs=file), nothing, FAILS, "xxx")
    yield Case(KIND, "check, empty", ["check", ""], nothing, (1, 2))
    yield Case(KIND, "check, a dash", ["check", "-"], nothing, EITHER)

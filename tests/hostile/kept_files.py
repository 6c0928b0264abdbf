"""What stands already where results are written: nothing of it is lost."""

from collections.abc import Iterator
from random import Random

from hostile.case import GOOD, Case, copied, files, inspect, several
from hostile.log_files import CSV, TABLE


def cases(rng: Random) -> Iterator[Case]:
    """What is there already is not written over, and what fails leaves it as it is."""
    kind, seen = "outputs: kept", copied("../seen", "out")
    for name in ("report.html", "summary.json", "tokens.jsonl"):
        lay = several(GOOD, files({f"out/{name}": "mine"}))
        yield Case(kind, f"inspect, the user's {name}", inspect(), lay, (1,), name)
    for name, content in {
        "a note": {"out/note.txt": "mine"},
        "a folder unfinished of the user": {"out/unfinished/thesis.txt": "mine"},
        "a file unfinished": {"out/unfinished": "mine"},
    }.items():
        lay = several(GOOD, files(content))
        writes = ("out/report", "out/summary", "out/tokens")
        yield Case(kind, f"inspect, {name}", inspect(), lay, (0, 1), "out", writes=writes)
    chunk = {"out/unfinished/chunk-000000.jsonl": '{"problems": []}\n'}
    for name, held in {
        "settings a list": "[]",
        "settings torn": "{",
        "settings null": "null",
        "settings of another": '{"beta": 5}',
        "settings nested deeply": "[" * 100_000,
    }.items():
        lay = several(GOOD, files(chunk | {"out/unfinished/settings.json": held}))
        yield Case(kind, f"inspect, unfinished {name}", inspect(), lay, (1,), "unfinished")
    for name, text in {
        "torn": '{"problems"',
        "empty": "",
        "a list": "[]\n",
        "of other names": '{"a": 1}\n',
    }.items():
        lay = several(GOOD, copied("../begun", "out"), files({"out/unfinished/chunk-000000.jsonl": text}))
        yield Case(kind, f"inspect, a chunk {name}", inspect(), lay, (1,), "unfinished")
    lay = several(GOOD, copied("../begun", "out"))
    yield Case(kind, "inspect, goes on", inspect(), lay, (0,), says="pair accuracy")
    for name, asked in {
        "pairs missing": inspect(pairs="gone.jsonl"),
        "policy missing": inspect(policy="gone"),
        "reference missing": inspect(reference="gone"),
        "no pair usable": inspect(pairs="bad.jsonl"),
    }.items():
        lay = several(GOOD, seen, files({"bad.jsonl": "{oops\n"}))
        named = "bad.jsonl" if "usable" in name else "gone"
        yield Case(kind, f"inspect, {name}, over an earlier one", asked, lay, (1,), named)
    yield from _over_reports()


def _over_reports() -> Iterator[Case]:
    kind, log = "outputs: kept", files({TABLE: CSV})
    for name in ("report.html", "diagnosis.json"):
        lay = several(log, files({f"out/{name}": "mine"}))
        yield Case(kind, f"diagnose, the user's {name}", ["diagnose", TABLE, "--out", "out"], lay, (1,), name)
    lay = several(log, files({"diagnosis": "mine"}))
    yield Case(kind, "diagnose, a file called diagnosis", ["diagnose", TABLE], lay, (1,), "diagnosis")
    lay = several(log, files({"out/note.txt": "mine"}))
    asked = ["diagnose", TABLE, "--out", "out"]
    writes = ("out/report.html", "out/diagnosis.json")
    yield Case(kind, "diagnose, a note", asked, lay, (0,), says="verdict", writes=writes)

"""Where results cannot be written, and what stands there already: nothing of it is lost."""

from collections.abc import Iterator
from random import Random

from hostile.case import EITHER, GOOD, REFUSED, Case, Lay, copied, files, inspect, several, train
from hostile.log_files import CSV, TABLE

PLACES: dict[str, tuple[str, Lay]] = {
    "a file": ("out", files({"out": "mine"})),
    "inside a file": ("file.txt/out", files({"file.txt": "mine"})),
    "a name of 300 letters": ("x" * 300, files({})),
    "a path of 5000 letters": ("x/" * 2500, files({})),
    "where nothing can be made": ("/proc/out", files({})),
    "a device": ("/dev/null", files({})),
    "below a device": ("/dev/null/out", files({})),
    "a link to nothing": ("out", lambda here: (here / "out").symlink_to("nowhere/at/all")),
    "a link to itself": ("out", lambda here: (here / "out").symlink_to("out")),
    "empty": ("", files({})),
}
FULL: dict[str, Lay] = {
    "the user's files": files({"out/thesis.txt": "mine"}),
    "a hidden file": files({"out/.hidden": "mine"}),
    "a model": copied("../a", "out"),
    "a folder in it": files({"out/sub": None}),
    "what was inspected": files({"out/summary.json": "{}", "out/tokens.jsonl": ""}),
}
BESIDE = {
    "a note": {"out/note.txt": "mine"},
    "a folder unfinished of the user": {"out/unfinished/thesis.txt": "mine"},
    "a file unfinished": {"out/unfinished": "mine"},
}
SETTINGS = {
    "a list": "[]",
    "torn": "{",
    "null": "null",
    "of another": '{"beta": 5}',
    "nested deeply": "[" * 100_000,
}
CHUNK = "out/unfinished/chunk-000000.jsonl"
CHUNKS = {"torn": '{"problems"', "empty": "", "a list": "[]\n", "of other names": '{"a": 1}\n'}
FAILING = {
    "pairs missing": inspect(pairs="gone.jsonl"),
    "policy missing": inspect(policy="gone"),
    "reference missing": inspect(reference="gone"),
    "no pair usable": inspect(pairs="bad.jsonl"),
}


def cases(rng: Random) -> Iterator[Case]:
    """Places, then what is there already: not written over, and left as it is by what fails."""
    yield from _places()
    yield from _full()
    yield from _inspected()
    yield from _diagnosed()


def _places() -> Iterator[Case]:
    """Folders that cannot be written to."""
    kind, study = "outputs: places", ["study", "solver-speed", "--seeds", "1", "--out"]
    for name, (out, change) in PLACES.items():
        lay, named = several(GOOD, change), out[:20]
        yield Case(kind, f"train, {name}", train(out=out), lay, REFUSED, named)
        yield Case(kind, f"inspect, {name}", inspect(out=out), lay, REFUSED, named)
        lay = several(copied("../stopped", "."), change)
        yield Case(kind, f"diagnose, {name}", ["diagnose", "run", "--out", out], lay, REFUSED, named)
        yield Case(kind, f"study, {name}", [*study, out], change, REFUSED, named, slow=True)


def _full() -> Iterator[Case]:
    """Folders that a run would mix with what is not its own, and some that it may have."""
    kind = "outputs: places"
    for name, change in FULL.items():
        yield Case(kind, f"train, {name}", train(), several(GOOD, change), (1,), "out")
    yield Case(kind, "train, a folder of folders", train(out="out/a/b"), GOOD, (0,), says="trained on")
    empty = several(GOOD, files({"out": None}))
    yield Case(kind, "train, an empty folder", train(), empty, (0,), says="trained on")
    onto = several(GOOD, files({"run/run.json": '{"finished": true}'}))
    yield Case(kind, "train, a finished run", train(out="run"), onto, (1,), "run")
    yield Case(kind, "train, beside the pairs", train(out="."), GOOD, EITHER)


def _inspected() -> Iterator[Case]:
    kind, writes = "outputs: kept", ("out/report", "out/summary", "out/tokens")
    for name in ("report.html", "summary.json", "tokens.jsonl"):
        lay = several(GOOD, files({f"out/{name}": "mine"}))
        yield Case(kind, f"inspect, the user's {name}", inspect(), lay, (1,), name)
    for name, content in BESIDE.items():
        lay = several(GOOD, files(content))
        yield Case(kind, f"inspect, {name}", inspect(), lay, (0, 1), "out", writes=writes)
    for name, held in SETTINGS.items():
        there = files({CHUNK: '{"problems": []}\n', "out/unfinished/settings.json": held})
        yield Case(kind, f"inspect, settings {name}", inspect(), several(GOOD, there), (1,), "unfinished")
    begun = several(GOOD, copied("../begun", "out"))
    for name, text in CHUNKS.items():
        lay = several(begun, files({CHUNK: text}))
        yield Case(kind, f"inspect, a chunk {name}", inspect(), lay, (1,), "unfinished")
    yield Case(kind, "inspect, goes on", inspect(), begun, (0,), says="pair accuracy")
    for name, asked in FAILING.items():
        lay = several(GOOD, copied("../seen", "out"), files({"bad.jsonl": "{oops\n"}))
        yield Case(kind, f"inspect, {name}, over an earlier one", asked, lay, (1,))


def _diagnosed() -> Iterator[Case]:
    kind, log = "outputs: kept", files({TABLE: CSV})
    for name in ("report.html", "diagnosis.json"):
        lay = several(log, files({f"out/{name}": "mine"}))
        yield Case(kind, f"diagnose, the user's {name}", ["diagnose", TABLE, "--out", "out"], lay, (1,), name)
    lay = several(log, files({"diagnosis": "mine"}))
    yield Case(kind, "diagnose, a file called diagnosis", ["diagnose", TABLE], lay, (1,), "diagnosis")
    lay = several(log, files({"out/note.txt": "mine"}))
    asked = ["diagnose", TABLE, "--out", "out"]
    writes = ("out/report.html", "out/diagnosis.json")
    yield Case(kind, "diagnose, a note", asked, lay, (0, 1), says="out/report.html", writes=writes)

"""Folders of `inspect` that are torn, of another version or of another run, beside the run to diagnose."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from hostile.case import REFUSED, Case, Lay, copied, cut, edited_json, files, removed, several
from hostile.log_files import BIG

KIND, TOLD, TOKENS = "logs: inspected", "seen/summary.json", "seen/tokens.jsonl"


def _swapped(here: Path) -> None:
    """Lines of the rejected replies before the chosen."""
    path = here / "seen/tokens.jsonl"
    path.write_text("".join(path.read_text().splitlines(True)[::-1]))


BAD: dict[str, Lay] = {
    "missing": removed("seen"),
    "empty": several(removed("seen"), files({"seen": None})),
    "a file": several(removed("seen"), files({"seen": "x"})),
    "summary torn": cut(TOLD, 0.5),
    "summary a list": files({TOLD: "[]"}),
    "summary null": files({TOLD: "null"}),
    "summary empty": files({TOLD: "{}"}),
    "summary nested deeply": files({TOLD: "[" * 100_000}),
    "summary of 5000 digits": files({TOLD: f'{{"beta": {BIG}}}'}),
    "summary of an earlier version": edited_json(TOLD, {"along": ...}),
    **{
        f"{key} {value!r}": edited_json(TOLD, {key: value})
        for key, values in {
            "beta": ("x", None, -1, []),
            "facts": ([], None, 5, {"chosen": "x"}, {"chosen": None}, {}),
            "plane": (5, [[1]], None),
            "along": ("x", 5, {}),
            "pair_accuracy": ("x", {"pairs": 99}, ...),
        }.items()
        for value in values
    },
    "of another policy": several(copied("../a", "run"), edited_json(TOLD, {"policy": "../b"})),
    "tokens missing": removed(TOKENS),
    "tokens empty": files({TOKENS: ""}),
    "tokens torn": cut(TOKENS, 0.6),
    "tokens of lists": files({TOKENS: "[]\n[]\n"}),
    "tokens of other names": files({TOKENS: '{"a": 1}\n{"a": 1}\n'}),
    "tokens turned round": _swapped,
    "tokens not UTF-8": files({TOKENS: b"\xff\xfe\n"}),
    "tokens of 5000 digits": files({TOKENS: BIG + "\n" + BIG + "\n"}),
    "tokens nested deeply": files({TOKENS: "[" * 100_000 + "\n"}),
}


def cases(rng: Random) -> Iterator[Case]:
    """Each is refused by the name of its folder."""
    start = several(copied("../seen", "seen"), copied("../stopped", "."))
    asked = ["diagnose", "run", "--inspected", "seen", "--out", "out"]
    for name, change in BAD.items():
        yield Case(KIND, name, asked, several(start, change), REFUSED, "b" if "policy" in name else "seen")
    yield Case(KIND, "as it is", asked, start, (0,), says="verdict")
    yield Case(KIND, "with another beta", [*asked, "--beta", "5"], start, (0,), says="by beta 0.1, those of")

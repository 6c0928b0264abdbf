"""One malformed input: how it is laid into a folder, the command that reads it, and what is expected."""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

Lay = Callable[[Path], None]
FAILS, MISUSE, REFUSED, EITHER = (1,), (2,), (1, 2), (0, 1, 2)


@dataclass(frozen=True)
class Case:
    """`argv` runs in the folder that `lay` filled, beside the models `../a` and `../b` (one layer each).

    `status` are the exit statuses that are right. An error is one line that holds `named`; a success prints
    `says`. `writes` are the starts of the paths that a success may add, or change; a failure changes nothing,
    unless `leaves` (a run that broke in the middle). `slow` cases are not in the tests' subset.
    """

    kind: str
    name: str
    argv: list[str]
    lay: Lay
    status: tuple[int, ...] = REFUSED
    named: str = ""
    says: str = ""
    writes: tuple[str, ...] = ("out",)
    leaves: bool = False
    lines: tuple[str, int] | None = None  # after a success a file has so many
    slow: bool = False


def files(content: Mapping[str, bytes | str | None]) -> Lay:
    """Files by name; None is an empty folder."""

    def lay(here: Path) -> None:
        for name, data in content.items():
            path = here / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if data is None:
                path.mkdir()
            else:
                path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))

    return lay


def nothing(here: Path) -> None:
    """An empty folder."""


def several(*lays: Lay) -> Lay:
    """One after the other."""

    def lay(here: Path) -> None:
        for each in lays:
            each(here)

    return lay


def copied(source: str, name: str) -> Lay:
    """A copy of a folder that lies beside the case's, as `../a`."""
    return lambda here: shutil.copytree(here / source, here / name, symlinks=True, dirs_exist_ok=True)


def edited_json(path: str, changes: Mapping) -> Lay:
    """A JSON object with other values; a value `...` takes the key out."""

    def lay(here: Path) -> None:
        held = json.loads((here / path).read_text(encoding="utf-8")) | changes
        kept = {key: value for key, value in held.items() if value is not ...}
        (here / path).write_text(json.dumps(kept), encoding="utf-8")

    return lay


def removed(*paths: str) -> Lay:
    """Without these files or folders."""

    def lay(here: Path) -> None:
        for path in (here / each for each in paths):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return lay


def cut(path: str, keep: float) -> Lay:
    """A file torn after a share of its bytes."""

    def lay(here: Path) -> None:
        data = (here / path).read_bytes()
        (here / path).write_bytes(data[: int(len(data) * keep)])

    return lay


def lines(rows: Iterable) -> str:
    """Rows as JSON lines; a string is a line already."""
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


PAIRS = [
    {"prompt": f"Name {n}?", "chosen": f" It is {n}, thanks.", "rejected": f" No {n} here."}
    for n in range(12)
]
CHATS = [
    {
        "prompt": [{"role": "user", "content": f"Name {n}?"}],
        "chosen": [{"role": "assistant", "content": f"It is {n}, thanks."}],
        "rejected": [{"role": "assistant", "content": f"No {n} here."}],
    }
    for n in range(6)
]
GOOD, CHAT = files({"pairs.jsonl": lines(PAIRS)}), files({"pairs.jsonl": lines(CHATS)})


def train(*more: str, pairs: str = "pairs.jsonl", model: str = "../a", out: str = "out") -> list[str]:
    """`train` in seconds."""
    return ["train", "--preset", "ci", "--model", model, "--pairs", pairs, "--out", out, *more]


def inspect(
    *more: str, pairs: str = "pairs.jsonl", policy: str = "../a", reference: str = "../b", out: str = "out"
) -> list[str]:
    """`inspect` of a few pairs."""
    models = ["--policy", policy, "--reference", reference]
    return ["inspect", *models, "--pairs", pairs, "--out", out, *more]

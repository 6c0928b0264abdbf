"""Records: JSON read strictly, and files that are written whole or not at all."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def read_json(text: str) -> Any:
    """JSON in which a key stands once. Raises ValueError, for numbers and depths that are too large too."""
    try:
        return json.loads(text, object_pairs_hook=once)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises ValueError if a key stands twice, where the parser would drop the first."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {max(names, key=names.count)!r} stands twice in one object")
    return found


def one_line(error: Exception, most: int = 200) -> str:
    """What an error says, on one line of at most `most` characters; its kind, if it says nothing."""
    return " ".join(str(error).split())[:most] or type(error).__name__


def same_mode(folder: Path, like: str) -> None:
    """Weights, which safetensors writes for their owner alone, get the mode of the file `like` with them."""
    for path in folder.glob("*.safetensors"):
        shutil.copymode(folder / like, path)


def write_json(path: Path, record: dict) -> None:
    """`write_text` of a record as JSON."""
    write_text(path, json.dumps(record, indent=1))


def write_text(path: Path, text: str) -> None:
    """`write_lines` of one text."""
    write_lines(path, [text])


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of one."""
    aside = path.with_name(f".{path.name}.part")
    try:
        with aside.open("w", encoding="utf-8", errors="backslashreplace") as stream:  # a name may be no text
            stream.writelines(lines)
        aside.replace(path)
    except OSError as error:  # a full disk, most often, of which a write names no file
        aside.unlink(missing_ok=True)
        error.filename = error.filename or str(path)
        raise

"""Records out of files: JSON lines, a JSON array, parquet, or a dataset by name, each with its place.

A record that cannot be read is a Problem with its line and does not lose the others.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Problem:
    """One thing that makes a pair unusable: where it stands, which field, what is wrong."""

    where: str
    field: str
    message: str

    def __str__(self) -> str:
        return (
            f"{self.where}: {self.field}: {self.message}" if self.field else f"{self.where}: {self.message}"
        )


class PairsError(ValueError):
    """Preference data that cannot be used; the text is one line that names the first problem."""


Rows = str | Path | Iterable[dict]  # a file, the name of a dataset, or rows in memory


def check_rows(rows: Rows) -> None:
    """Raise TypeError, in one line, for anything that cannot hold rows."""
    if isinstance(rows, Mapping):
        what = "splits" if hasattr(rows, "column_names") else "keys"
        raise TypeError(
            f"rows has {what} {', '.join(map(str, list(rows)[:5]))}: pass a list of rows, or one split"
        )
    if isinstance(rows, bytes) or not isinstance(rows, str | Path | Iterable):
        raise TypeError(f"rows is {kind_of(rows)}, not a file, a name, a Dataset or a list of dicts")


def records(source: Rows) -> Iterator[tuple[str, object]]:
    """Each record of a source with its place, `file:line` or `name:row`; a Problem where one is unreadable.

    Raises TypeError or PairsError if the source itself cannot be read.
    """
    check_rows(source)
    if not isinstance(source, str | Path):
        table = hasattr(source, "column_names")  # a Dataset has a null cell for an absent field
        return ((f"row {n}", _dense(row) if table else row) for n, row in enumerate(source, start=1))
    path = Path(source)
    readers: dict[str, Callable] = {".jsonl": _json_lines, ".json": _json, ".parquet": _parquet}
    if path.suffix in readers:
        if not path.is_file():
            raise PairsError(f"{source}: no such file")
        return readers[path.suffix](path)
    if path.exists():
        raise PairsError(f"{source}: not a .jsonl, .json or .parquet file")
    return _dataset(str(source))


def _json_lines(path: Path) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        where = f"{path}:{number}"
        text = _decode(line, path, number)
        if isinstance(text, Problem):
            yield where, text
        elif text.strip():
            yield where, _parse(text, where)


def _json(path: Path) -> Iterator[tuple[str, object]]:
    """A JSON array; the line of a record is where it begins. JSON lines under this name are read too."""
    data = path.read_bytes()
    if not data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        yield from _json_lines(path)
        return
    text = _decode(data, path, 1)
    if isinstance(text, Problem):
        yield text.where, text
        return
    decoder, position, line = json.JSONDecoder(), text.index("[") + 1, 1
    line += text.count("\n", 0, position)
    while True:
        start = position
        while position < len(text) and (text[position].isspace() or text[position] == ","):
            position += 1
        line += text.count("\n", start, position)
        if text[position : position + 1] == "]":
            return
        try:
            record, end = decoder.raw_decode(text, position)
        except (json.JSONDecodeError, RecursionError) as error:
            yield (
                f"{path}:{line}",
                Problem(f"{path}:{line}", "", f"is not JSON: {getattr(error, 'msg', error)}"),
            )
            return
        yield f"{path}:{line}", record
        line += text.count("\n", position, end)
        position = end


def _parquet(path: Path) -> Iterator[tuple[str, object]]:
    import pyarrow.lib
    import pyarrow.parquet

    try:
        rows = pyarrow.parquet.read_table(path).to_pylist()
    except (pyarrow.lib.ArrowException, OSError, UnicodeDecodeError) as error:
        raise PairsError(f"{path}: not a readable parquet file: {error}") from error
    return ((f"{path}:{number}", _dense(row)) for number, row in enumerate(rows, start=1))


def _dense(row: dict) -> dict:
    """A table's row without its nulls, which stand for absent fields: a struct has those of every row."""
    return {key: _dense_value(value) for key, value in row.items() if value is not None}


def _dense_value(value: object) -> object:
    if isinstance(value, dict):
        return _dense(value)
    return [_dense_value(each) for each in value] if isinstance(value, list) else value


def _dataset(name: str) -> Iterator[tuple[str, object]]:
    import datasets

    try:
        rows = datasets.load_dataset(name, split="train")
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PairsError(f"{name}: no such file, and not a dataset that can be loaded: {reason}") from error
    return ((f"{name}:{number}", _dense(dict(row))) for number, row in enumerate(rows, start=1))


def _decode(data: bytes, path: Path, first_line: int) -> str | Problem:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        byte = error.start - data.rfind(b"\n", 0, error.start)
        return Problem(f"{path}:{line}", "", f"is not UTF-8 at byte {byte} of the line")


def _parse(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        return Problem(where, "", f"is not JSON: {getattr(error, 'msg', error)}")


def kind_of(value: object) -> str:
    """What a value is, in the words of JSON where it has one."""
    names = {
        type(None): "null",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), type(value).__name__)

"""Records out of files and folders, each with its place: JSON in its shapes, csv, parquet, datasets.

A record that cannot be read is a Problem with its line and does not lose the others. JSON lines, parquet and
datasets are read as they are used; of a JSON array or a csv the text is held.
"""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpoq_lab.records import once, read_json


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


def none_usable(problems: Sequence[Problem | str]) -> PairsError:
    """What is raised where no pair is left."""
    return PairsError(f"no usable pair; first problem: {problems[0]}")


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


def records(
    source: Rows, split: str | None = None, config: str | None = None
) -> Iterator[tuple[str, object]]:
    """Each record of a source with its place, `file:line` or `name:row`; a Problem where one is unreadable.

    A file ends in one of `READERS`, with .gz or without; a folder was saved by `datasets` or holds the files
    of a dataset. `split` (default: train) and `config` choose a part of what has several. Raises TypeError or
    PairsError if the source itself cannot be read.
    """
    check_rows(source)
    if not isinstance(source, str | Path):
        table = hasattr(source, "column_names")  # a Dataset has a null cell for an absent field
        return ((f"row {n}", _dense(row) if table else row) for n, row in enumerate(source, start=1))
    path = Path(source)
    kind = path.with_suffix("").suffix if path.suffix.lower() == ".gz" else path.suffix
    if path.is_dir():
        return _folder(path, split, config)
    if (read := READERS.get(kind.lower())) is not None:
        if not path.is_file():
            raise PairsError(f"{source}: no such file")
        if config is not None or (split is not None and read is not _json):
            raise PairsError(f"{source}: is one file, not one of several: leave out --split and --config")
        return read(path, split)
    if path.exists():
        *most, last = READERS
        raise PairsError(f"{source}: not a {', '.join(most)} or {last} file, with .gz or without")
    return _dataset(str(source), split, config)


def _bytes(path: Path) -> bytes:
    """The content of a file, unpacked if it is gzipped."""
    return b"".join(_lines(path))


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of a file one by one, unpacked if it is gzipped."""
    packed = path.suffix.lower() == ".gz"
    try:
        with gzip.open(path) if packed else path.open("rb") as stream:
            yield from stream
    except (OSError, EOFError, zlib.error) as error:
        raise PairsError(f"{path}: cannot be {'unpacked' if packed else 'read'}: {error}") from error


def _json_lines(path: Path, split: str | None = None) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(_lines(path), start=1):
        where = f"{path}:{number}"
        text = _decode(line, path, number)
        if isinstance(text, Problem):
            yield where, text
        elif text.strip():
            yield where, _parse(text, where)


def _json(path: Path, split: str | None = None) -> Iterator[tuple[str, object]]:
    """A JSON array; the line of a record is where it begins. Else JSON lines, or one object of records."""
    data = _bytes(path)
    if not data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        whole = _whole(data)
        if whole is None:
            yield from _json_lines(path)
        elif _is_record(whole) or not any(isinstance(value, list) for value in whole.values()):
            yield f"{path}:1", whole
        else:
            yield from _of_object(whole, path, split)
        return
    text = _decode(data, path, 1)
    if isinstance(text, Problem):
        yield text.where, text
        return
    yield from _array(text, path)


_GAP = re.compile(r"[ \t\n\r]*(,?)[ \t\n\r]*")


def _array(text: str, path: Path) -> Iterator[tuple[str, object]]:
    """The records of a JSON array one by one; what cannot be read is a Problem, and ends it."""
    decoder = json.JSONDecoder(object_pairs_hook=once)
    position, line, comma = 0, 1, "["
    end = text.index("[") + 1
    while True:
        line += text.count("\n", position, end)
        gap: Any = _GAP.match(text, end)
        position, comma = gap.end(), comma == "[" or gap[1]
        line += text.count("\n", end, position)
        where = f"{path}:{line}"
        if text[position : position + 1] == "]" and not gap[1]:
            if text[position + 1 :].strip():
                yield where, Problem(where, "", "is not JSON: text after the closing bracket")
            return
        try:
            record, end = decoder.raw_decode(text, position)
            if not comma:
                raise ValueError("a comma is missing")
        except (ValueError, RecursionError) as error:
            yield where, Problem(where, "", _not_json(error))
            return
        yield where, record


def _whole(data: bytes) -> dict | None:
    """The one object that a file is, if it is one."""
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_record(found: dict) -> bool:
    """One pair whose replies are texts or conversations, and not columns of them."""
    replies = [found.get(name) for name in ("chosen", "rejected")]
    return all(
        isinstance(r, str | dict) or (isinstance(r, list) and r and isinstance(r[0], dict)) for r in replies
    )


def _of_object(found: dict, path: Path, split: str | None) -> Iterator[tuple[str, object]]:
    """Records under a key, which is a split if there are several; or columns of one length."""
    lists = {key: value for key, value in found.items() if isinstance(value, list)}
    if "chosen" in lists or len(lists) == len(found) and not any(_of_records(v) for v in lists.values()):
        if len({len(values) for values in lists.values()}) > 1 or len(lists) < len(found):
            raise PairsError(f"{path}: is an object of columns of different lengths")
        rows = [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    else:
        parts = {key: value for key, value in lists.items() if _of_records(value)}
        rows = parts[_chosen_part(parts, split, str(path))]
    return ((f"{path}:record {n}", row) for n, row in enumerate(rows, start=1))


def _of_records(value: list) -> bool:
    return bool(value) and all(isinstance(row, dict) for row in value)


def _chosen_part(parts: Iterable[str], split: str | None, name: str) -> str:
    """Which of several parts is meant: the one asked for, the only one, or the one that trains."""
    names = sorted(parts)
    if not names:
        raise PairsError(f"{name}: holds no list of records")
    if split is not None:
        if split in names:
            return split
        raise PairsError(f"{name}: has no split {split}; it has {', '.join(names)}")
    likely = [n for n in names if n == "train"] or [n for n in names if n.startswith("train")] or names
    if len(likely) != 1:
        raise PairsError(f"{name}: has splits {', '.join(names)}: choose one with --split")
    return likely[0]


def _csv(path: Path, split: str | None = None) -> Iterator[tuple[str, object]]:
    """A table of text with a line of names; a cell may span lines."""
    text = _decode(_bytes(path), path, 1)
    if isinstance(text, Problem):
        yield text.where, text
        return
    kind = path.with_suffix("").suffix if path.suffix.lower() == ".gz" else path.suffix
    line = 1
    try:
        rows = table(text, "\t" if kind.lower() == ".tsv" else ",")
        for row in rows:
            where, line = f"{path}:{line + 1}", rows.line_num
            if None in row or None in row.values():
                cells = f"has not the {len(rows.fieldnames or [])} cells of the first line"
                yield where, Problem(where, "", cells)
            else:
                yield where, row
    except csv.Error as error:
        yield f"{path}:{line + 1}", Problem(f"{path}:{line + 1}", "", f"is not csv: {error}")


def table(text: str, delimiter: str = ",") -> csv.DictReader:
    """The rows of a csv by the names of its first line. Raises csv.Error, as its rows do."""
    csv.field_size_limit(2**31 - 1)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names = list(rows.fieldnames or [])
    if twice := [name for name in names if names.count(name) > 1]:
        raise csv.Error(f"the column {twice[0]!r} stands twice")
    return rows


def _parquet(path: Path, split: str | None = None) -> Iterator[tuple[str, object]]:
    import pyarrow.lib
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            rows = (row for batch in table.iter_batches(1000) for row in batch.to_pylist())
            yield from ((f"{path}:{number}", _dense(row)) for number, row in enumerate(rows, start=1))
    except (pyarrow.lib.ArrowException, OSError, UnicodeDecodeError) as error:
        raise PairsError(f"{path}: not a readable parquet file: {error}") from error


def _dense(row: dict) -> dict:
    """A table's row without its nulls, which stand for absent fields: a struct has those of every row."""
    return {key: _dense_value(value) for key, value in row.items() if value is not None}


def _dense_value(value: object) -> object:
    if isinstance(value, dict):
        return _dense(value)
    return [_dense_value(each) for each in value] if isinstance(value, list) else value


def _folder(path: Path, split: str | None, config: str | None) -> Iterator[tuple[str, object]]:
    """A folder that `datasets` saved, one table or several splits, or one with the files of a dataset."""
    import datasets

    saved = [
        name for name in ("dataset_dict.json", "state.json", "dataset_info.json") if (path / name).is_file()
    ]
    if not saved:
        return _dataset(str(path), split, config)
    try:
        found: Any = datasets.load_from_disk(str(path))
    except Exception as error:
        raise PairsError(f"{path}: {_reason(error)}") from error
    if isinstance(found, datasets.DatasetDict):
        part = _chosen_part(map(str, found), split, str(path))
        found, path = found[part], path / part
    return ((f"{path}:{n}", _dense(dict(row))) for n, row in enumerate(found, start=1))


def _dataset(name: str, split: str | None = None, config: str | None = None) -> Iterator[tuple[str, object]]:
    import datasets

    try:
        if split is None:
            split = _chosen_part(datasets.get_dataset_split_names(name, config), None, name)
        rows = datasets.load_dataset(name, config, split=split)
    except PairsError:
        raise
    except Exception as error:
        what = (
            "cannot be loaded"
            if Path(name).is_dir()
            else "no such file, and not a dataset that can be loaded"
        )
        raise PairsError(f"{name}: {what}: {_reason(error)}") from error
    return ((f"{name}:{number}", _dense(dict(row))) for number, row in enumerate(rows, start=1))


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


READERS: dict[str, Callable] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
}


def _decode(data: bytes, path: Path, first_line: int) -> str | Problem:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        byte = error.start - data.rfind(b"\n", 0, error.start)
        return Problem(f"{path}:{line}", "", f"is not UTF-8 at byte {byte} of the line")


def _parse(text: str, where: str) -> object:
    try:
        return read_json(text)
    except ValueError as error:
        return Problem(where, "", _not_json(error))


def _not_json(error: Exception) -> str:
    return f"is not JSON: {getattr(error, 'msg', error)}"


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

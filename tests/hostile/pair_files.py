"""Pair files that are torn, mislabelled or in another encoding, and tables of every kind."""

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from hostile.case import CHATS, EITHER, FAILS, PAIRS, Case, Lay, cut, files, inspect, lines, several, train

KIND = "pairs: files"
GOOD_LINES, ARRAY = lines(PAIRS), json.dumps(PAIRS)
ROW = json.dumps(PAIRS[0])
DIGITS, DEEP = "9" * 5000, "[" * 200_000


def _csv(rows: list[list[str]], mark: str = ",", end: str = "\n") -> str:
    quoted = [['"' + cell.replace('"', '""') + '"' for cell in row] for row in rows]
    return "".join(mark.join(row) + end for row in quoted)


HEAD = ["prompt", "chosen", "rejected"]
CELLS = [[pair[name] for name in HEAD] for pair in PAIRS]
TABLE = _csv([HEAD, *CELLS])


def _parquet(columns: dict) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


COLUMNS = {name: [pair[name] for pair in PAIRS] for name in HEAD}
PARQUET = _parquet(COLUMNS)
PACKED = gzip.compress(GOOD_LINES.encode())
TWICE = '{"prompt": "a?", "prompt": "b?", "chosen": " yes", "rejected": " no"}'

BAD: dict[str, tuple[str, bytes | str]] = {  # name: the file's name, what it holds
    "not JSON": ("pairs.jsonl", "prompt, chosen, rejected\n"),
    "prose": ("pairs.json", "These are my pairs."),
    "one bad line": ("pairs.jsonl", GOOD_LINES + "{oops}\n"),
    "keys twice": ("pairs.jsonl", GOOD_LINES + TWICE + "\n"),
    "keys twice in an array": ("pairs.json", f"[{ROW}, {TWICE}]"),
    "keys twice in a message": (
        "pairs.jsonl",
        lines(CHATS[:2]) + json.dumps(CHATS[2]).replace('"content"', '"content": "other", "content"') + "\n",
    ),
    "text after the closing bracket": ("pairs.json", ARRAY + " and more"),
    "a second array": ("pairs.json", ARRAY + ARRAY),
    "no comma between records": ("pairs.json", f"[{ROW} {json.dumps(PAIRS[1])}]"),
    "commas alone": ("pairs.json", f"[,,{ROW},,{json.dumps(PAIRS[1])}]"),
    "text after a record": ("pairs.jsonl", GOOD_LINES + ROW + " x\n"),
    "an array in lines": ("pairs.jsonl", ARRAY + "\n"),
    "an array that never closes": ("pairs.json", ARRAY[:-1]),
    "an array of numbers": ("pairs.json", "[1, 2, 3]"),
    "an empty array": ("pairs.json", "[]"),
    "an empty object": ("pairs.json", "{}"),
    "a number": ("pairs.json", "5"),
    "null": ("pairs.json", "null"),
    "columns of two lengths": ("pairs.json", json.dumps(COLUMNS | {"chosen": ["x"]})),
    "two splits, none to train": ("pairs.json", json.dumps({"a": PAIRS[:2], "b": PAIRS[2:]})),
    "5000 digits in a line": ("pairs.jsonl", GOOD_LINES + f'{{"prompt": {DIGITS}}}\n'),
    "5000 digits in a score": ("pairs.jsonl", GOOD_LINES + ROW[:-1] + f', "score_chosen": {DIGITS}}}\n'),
    "5000 digits in an array": ("pairs.json", f"[{ROW}, {DIGITS}]"),
    "5000 digits in an object": ("pairs.json", f'{{"train": [{DIGITS}]}}'),
    "nested deeply in a line": ("pairs.jsonl", GOOD_LINES + DEEP + "\n"),
    "nested deeply in an array": ("pairs.json", DEEP),
    "nested deeply in an object": ("pairs.json", '{"train":' + DEEP),
    "nested objects": ("pairs.jsonl", GOOD_LINES + '{"a":' * 100_000 + "\n"),
    "UTF-16": ("pairs.jsonl", GOOD_LINES.encode("utf-16")),
    "UTF-32": ("pairs.json", ARRAY.encode("utf-32")),
    "latin-1": ("pairs.jsonl", GOOD_LINES.encode() + '{"prompt": "d\u00e9j\u00e0"}\n'.encode("latin-1")),
    "latin-1 in a csv": ("pairs.csv", TABLE.replace("Name", "N\u00e4me").encode("latin-1")),
    "encoded surrogates": ("pairs.jsonl", GOOD_LINES + '{"prompt": "\ud800"}\n'),
    "NUL between records": ("pairs.jsonl", GOOD_LINES + "\0\0\0\n"),
    "nothing but NUL": ("pairs.jsonl", b"\0" * 5000),
    "empty": ("pairs.jsonl", b""),
    "empty json": ("pairs.json", b""),
    "empty csv": ("pairs.csv", b""),
    "empty parquet": ("pairs.parquet", b""),
    "a byte-order mark alone": ("pairs.jsonl", b"\xef\xbb\xbf"),
    "blank lines alone": ("pairs.jsonl", "\n\n \n"),
    "a csv of names alone": ("pairs.csv", "prompt,chosen,rejected\n"),
    "a csv with semicolons": ("pairs.csv", _csv([HEAD, *CELLS], ";")),
    "a csv that is a tsv": ("pairs.csv", _csv([HEAD, *CELLS], "\t")),
    "a tsv that is a csv": ("pairs.tsv", TABLE),
    "a csv without names": ("pairs.csv", _csv(CELLS)),
    "a csv with a column twice": ("pairs.csv", _csv([[*HEAD, "chosen"], *([*c, "other"] for c in CELLS)])),
    "a csv with a row too long": ("pairs.csv", TABLE + '"a","b","c","d"\n'),
    "a csv with a row too short": ("pairs.csv", TABLE + '"a","b"\n'),
    "a csv torn in a quoted cell": ("pairs.csv", TABLE + '"Who?","Me.","Not m'),
    "a csv with an open quote": ("pairs.csv", TABLE.replace('"Name 3?"', '"Name 3?', 1)),
    "a csv of empty cells": ("pairs.csv", TABLE + ",,\n"),
    "JSON lines called csv": ("pairs.csv", GOOD_LINES),
    "JSON lines called parquet": ("pairs.parquet", GOOD_LINES),
    "parquet called JSON lines": ("pairs.jsonl", PARQUET),
    "parquet called csv": ("pairs.csv", PARQUET),
    "a csv called json": ("pairs.json", TABLE),
    "a zip called json": ("pairs.json", b"PK\x03\x04" + bytes(100)),
    "a parquet head alone": ("pairs.parquet", b"PAR1" + bytes(8) + b"PAR1"),
    "a parquet of numbers": ("pairs.parquet", _parquet({name: [1, 2] for name in HEAD})),
    "a parquet of bytes": ("pairs.parquet", _parquet({name: [b"\xff", b"\xfe"] for name in HEAD})),
    "a parquet of nulls": ("pairs.parquet", _parquet({name: [None, None] for name in HEAD})),
    "a parquet without rows": ("pairs.parquet", _parquet({n: pa.array([], pa.string()) for n in HEAD})),
    "a parquet of other columns": ("pairs.parquet", _parquet({"a": ["x"], "b": ["y"]})),
    "a parquet that is gzipped": ("pairs.parquet.gz", gzip.compress(PARQUET)[:-9]),
    "gz that is none": ("pairs.jsonl.gz", GOOD_LINES),
    "gz of nothing": ("pairs.jsonl.gz", gzip.compress(b"")),
    "gz, empty": ("pairs.jsonl.gz", b""),
    "gz with junk after it": ("pairs.jsonl.gz", PACKED + b"junk" * 9),
    "gz with a wrong checksum": ("pairs.jsonl.gz", PACKED[:-8] + b"\0" * 4 + PACKED[-4:]),
    "gz that is zlib": ("pairs.jsonl.gz", zlib.compress(GOOD_LINES.encode())),
    "gz of UTF-16": ("pairs.jsonl.gz", gzip.compress(GOOD_LINES.encode("utf-16"))),
    "text file": ("pairs.txt", GOOD_LINES),
    "no suffix": ("pairs", GOOD_LINES),
}
TAKEN: dict[str, tuple[str, bytes | str]] = {
    "a byte-order mark": ("pairs.jsonl", b"\xef\xbb\xbf" + GOOD_LINES.encode()),
    "a byte-order mark before an array": ("pairs.json", b"\xef\xbb\xbf" + ARRAY.encode()),
    "a byte-order mark before a csv": ("pairs.csv", b"\xef\xbb\xbf" + TABLE.encode()),
    "CRLF": ("pairs.jsonl", GOOD_LINES.replace("\n", "\r\n")),
    "CRLF in a csv": ("pairs.csv", _csv([HEAD, *CELLS], end="\r\n")),
    "CR in a csv": ("pairs.csv", _csv([HEAD, *CELLS], end="\r")),
    "blank lines between": ("pairs.jsonl", GOOD_LINES.replace("\n", "\n\n")),
    "no newline at the end": ("pairs.jsonl", GOOD_LINES.rstrip("\n")),
    "white space after an array": ("pairs.json", ARRAY + "\n \n"),
    "JSON lines called json": ("pairs.json", GOOD_LINES),
    "columns": ("pairs.json", json.dumps(COLUMNS)),
    "splits": ("pairs.json", json.dumps({"train": PAIRS, "test": PAIRS[:1]})),
    "csv": ("pairs.csv", TABLE),
    "a tsv": ("pairs.tsv", _csv([HEAD, *CELLS], "\t")),
    "a csv with a cell over lines": ("pairs.csv", TABLE.replace("Name 3", "Name\n3")),
    "a csv with a cell of a megabyte": ("pairs.csv", TABLE.replace("Name 3", "Name " * 200_000)),
    "parquet": ("pairs.parquet", PARQUET),
    "gz": ("pairs.jsonl.gz", PACKED),
    "gz of two parts": ("pairs.jsonl.gz", PACKED[:0] + gzip.compress(b"\n") + PACKED),
    "GZ in capitals": ("PAIRS.JSONL.GZ", PACKED),
    "gz of a csv": ("pairs.csv.gz", gzip.compress(TABLE.encode())),
}


def cases(rng: Random) -> Iterator[Case]:
    """`check` names the file; a seeded third also goes to `train` or `inspect`."""
    for name, (file, data) in BAD.items():
        lay = files({file: data})
        yield Case(KIND, f"check, {name}", ["check", file], lay, FAILS, file)
        if rng.random() < 0.4:
            yield from _also(rng, name, file, lay)
    for name, (file, data) in TAKEN.items():
        yield Case(KIND, f"check, {name}", ["check", file], files({file: data}), (0,), says="12 usable")
    yield from _torn(rng)
    yield from _places()


def _also(rng: Random, name: str, file: str, lay: Lay) -> Iterator[Case]:
    """A file with usable pairs may be gone on with, where what is left out is named."""
    command = rng.choice([train, inspect])
    yield Case(KIND, f"{command.__name__}, {name}", command(pairs=file), lay, EITHER, file, says=file)


def _torn(rng: Random) -> Iterator[Case]:
    """Files that end anywhere."""
    whole = {"pairs.jsonl": GOOD_LINES, "pairs.json": ARRAY, "pairs.csv": TABLE}
    whole |= {"pairs.parquet": PARQUET, "pairs.jsonl.gz": PACKED}
    for file, data in whole.items():
        for number in range(3):
            share = rng.uniform(0.3, 0.9)
            lay = several(files({file: data}), cut(file, share))
            status = EITHER if _ends_well(data, share) else FAILS
            yield Case(
                KIND, f"check, {file} torn {number} at {share:.0%}", ["check", file], lay, status, file
            )
            says = file if status == FAILS else ""
            yield Case(
                KIND,
                f"train, {file} torn {number} at {share:.0%}",
                train(pairs=file),
                lay,
                EITHER,
                file,
                says,
            )


def _ends_well(data: str | bytes, share: float) -> bool:
    """Whether a torn text ends with a whole record, so that nobody can tell."""
    last = data[: int(len(data) * share)].rpartition("\n")[2] if isinstance(data, str) else "{"
    return last.endswith("}") or (last[:1] != "{" and last.count('"') % 2 == 0)


def _places() -> Iterator[Case]:
    """Places where no file is, or another thing; folders of `datasets`."""
    state = '{"_data_files": [{"filename": "data.arrow"}], "_split": null}'
    info = "{}"
    for name, (argument, content) in {
        "missing": ("pairs.jsonl", {}),
        "missing gz": ("pairs.jsonl.gz", {}),
        "a folder in its place": ("pairs.jsonl", {"pairs.jsonl": None}),
        "an empty folder": ("folder", {"folder": None}),
        "a folder of text": ("folder", {"folder/a.txt": "Hello."}),
        "saved, its state a list": ("saved", {"saved/state.json": "[]", "saved/dataset_info.json": info}),
        "saved, its state torn": ("saved", {"saved/state.json": "{", "saved/dataset_info.json": info}),
        "saved, its table gone": ("saved", {"saved/state.json": state, "saved/dataset_info.json": info}),
        "saved, its table torn": (
            "saved",
            {"saved/state.json": state, "saved/dataset_info.json": info, "saved/data.arrow": b"ARROW1\0\0"},
        ),
        "saved, its splits torn": ("saved", {"saved/dataset_dict.json": "{"}),
        "saved, its splits a list": ("saved", {"saved/dataset_dict.json": "[]"}),
        "saved, no splits": ("saved", {"saved/dataset_dict.json": '{"splits": []}'}),
        "inside a file": ("file.txt/pairs.jsonl", {"file.txt": "x"}),
    }.items():
        lay = files(content)
        yield Case(KIND, f"check, {name}", ["check", argument], lay, FAILS, argument.split("/")[0], slow=True)
        yield Case(KIND, f"train, {name}", train(pairs=argument), lay, FAILS, argument.split("/")[0])
    loop = Case(KIND, "check, a link to itself", ["check", "pairs.jsonl"], _loop, FAILS, "pairs.jsonl")
    yield loop


def _loop(here) -> None:
    (here / "pairs.jsonl").symlink_to("pairs.jsonl")

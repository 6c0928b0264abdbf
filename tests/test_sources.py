"""Containers of records: every shape of JSON, tables, folders, gzip; splits; where a record stands."""

import csv
import gzip
import json

import pytest

from dpoq_lab.columns import How
from dpoq_lab.preferences import read_pairs
from dpoq_lab.sources import PairsError, Problem, _reason, check_rows, kind_of, none_usable, records, table

ROWS = [{"prompt": f"Sky {k}?", "chosen": "Blue.", "rejected": "Soup.\nHot."} for k in range(3)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
COLUMNS = {key: [row[key] for row in ROWS] for key in ROWS[0]}
CSV = "prompt,chosen,rejected\n" + "".join(f'Sky {k}?,Blue.,"Soup.\nHot."\n' for k in range(3))
TEXTS = {
    "a.jsonl": LINES,
    "a.JSONL": LINES,
    "a.ndjson": LINES,
    "a.json": json.dumps(ROWS),
    "lines.json": LINES,
    "columns.json": json.dumps(COLUMNS),
    "keyed.json": json.dumps({"data": ROWS}),
    "keyed_and_more.json": json.dumps({"version": "1", "data": ROWS}, indent=1),
    "splits.json": json.dumps({"test": ROWS[:1], "train": ROWS}),
    "a.csv": CSV,
    "a.tsv": CSV.replace(",", "\t"),
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", TEXTS)
def test_every_container_holds_the_same_pairs(name, zipped, tmp_path):
    path = tmp_path / (name + ".gz" * zipped)
    data = TEXTS[name].encode()
    path.write_bytes(gzip.compress(data) if zipped else data)
    reading = read_pairs(path)
    assert not reading.problems
    assert [(p.prompt, p.chosen, p.rejected) for p in reading.pairs] == [tuple(row.values()) for row in ROWS]


def test_one_pair_in_a_json_file_is_a_pair(tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(ROWS[0], indent=1))
    assert len(read_pairs(tmp_path / "one.json").pairs) == 1
    chat = {"chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    chat["rejected"] = [chat["chosen"][0], {"role": "assistant", "content": "c"}]
    (tmp_path / "chat.json").write_text(json.dumps(chat))
    assert read_pairs(tmp_path / "chat.json").pairs[0].chosen == "b"


def test_a_line_of_a_table_is_named_where_it_begins(tmp_path):
    (tmp_path / "a.csv").write_text(CSV + "Sea?,Green.\nGrass?,Yellow.,Soup.\n")
    reading = read_pairs(tmp_path / "a.csv")
    assert [pair.where.rsplit(":", 1)[1] for pair in reading.pairs] == ["2", "4", "6", "9"]
    assert str(reading.problems[0]).endswith("a.csv:8: has not the 3 cells of the first line")


def test_a_split_is_asked_for_or_the_one_that_trains(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"test": ROWS[:1], "train": ROWS}))
    assert len(read_pairs(path, How(split="test")).pairs) == 1
    with pytest.raises(PairsError, match="has no split dev; it has test, train"):
        read_pairs(path, How(split="dev"))
    path.write_text(json.dumps({"a": ROWS, "b": ROWS}))
    with pytest.raises(PairsError, match="splits a, b: choose one with --split"):
        read_pairs(path)


def test_columns_of_different_lengths_are_refused(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(COLUMNS | {"prompt": ["one"]}))
    with pytest.raises(PairsError, match="different lengths"):
        read_pairs(tmp_path / "a.json")


def test_a_file_that_is_no_gzip_is_one_line(tmp_path):
    (tmp_path / "a.jsonl.gz").write_text(LINES)
    with pytest.raises(PairsError, match="cannot be unpacked"):
        read_pairs(tmp_path / "a.jsonl.gz")


def test_folders_that_datasets_saved_and_folders_of_files(tmp_path):
    import datasets

    table = datasets.Dataset.from_list(ROWS)
    table.save_to_disk(str(tmp_path / "table"))
    datasets.DatasetDict({"train": table, "test": table.select([0])}).save_to_disk(str(tmp_path / "splits"))
    (tmp_path / "hub" / "data").mkdir(parents=True)
    table.to_parquet(str(tmp_path / "hub" / "data" / "train_prefs-00000-of-00001.parquet"))
    table.select([0]).to_parquet(str(tmp_path / "hub" / "data" / "test_prefs-00000-of-00001.parquet"))
    for name in ("table", "splits", "hub"):
        assert len(read_pairs(tmp_path / name).pairs) == 3
    assert len(read_pairs(tmp_path / "splits", How(split="test")).pairs) == 1
    assert len(read_pairs(tmp_path / "hub", How(split="test_prefs")).pairs) == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(PairsError, match="cannot be loaded"):
        read_pairs(tmp_path / "empty")


@pytest.mark.parametrize(
    ("name", "data", "where"),
    [
        ("a.jsonl", b'{"a": 1}\n{"b": \xff}\n', "2: is not UTF-8 at byte 7 of the line"),
        ("a.jsonl", b"\xff\n", "1: is not UTF-8 at byte 1 of the line"),
        ("a.json", b'[\n\n "\xff"]', "3: is not UTF-8 at byte 3 of the line"),
        ("a.csv", b"prompt,chosen\nSky,\xff\n", "2: is not UTF-8 at byte 5 of the line"),
        ("a.csv", b"\xff,b\n", "1: is not UTF-8 at byte 1 of the line"),
    ],
)
def test_bytes_that_are_no_text_are_told_by_line_and_byte(name, data, where, tmp_path):
    (tmp_path / name).write_bytes(data)
    found = [str(each) for _, each in records(tmp_path / name) if not isinstance(each, dict)]
    assert found == [f"{tmp_path}/{name}:{where}"]


def test_an_element_of_a_list_is_named_by_the_line_where_it_begins(tmp_path):
    (tmp_path / "a.json").write_text('\n[\n{"a": 1},\n\n {"a":\n 2}, {"a": 3},\n{"a": 4}]\n')
    found = [(where.rsplit(":", 1)[1], row["a"]) for where, row in records(tmp_path / "a.json")]
    assert found == [("3", 1), ("5", 2), ("6", 3), ("7", 4)]


def test_rows_in_memory_are_counted_from_one_and_keep_their_nulls():
    assert list(records([{"a": None}, {"a": 1}])) == [("row 1", {"a": None}), ("row 2", {"a": 1})]
    with pytest.raises(TypeError, match="a number"):
        records(3)


def test_a_table_is_without_its_nulls(tmp_path):
    import datasets

    table = datasets.Dataset.from_list([{"a": {"b": None, "c": 1}, "d": [{"e": None}]}, {"a": None, "d": []}])
    table.to_parquet(str(tmp_path / "a.parquet"))
    dense = [{"a": {"c": 1}, "d": [{}]}, {"d": []}]
    assert [row for _, row in records(table)] == dense
    assert [(w.rsplit(":", 1)[1], row) for w, row in records(tmp_path / "a.parquet")] == [
        (str(n), row) for n, row in enumerate(dense, start=1)
    ]


def test_a_reason_is_the_first_line_of_an_error_or_its_kind():
    assert _reason(ValueError("one\ntwo")) == "one"
    assert _reason(KeyError()) == "KeyError"


def test_what_is_no_json_is_told_in_the_parsers_words(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": }\n{"a": 1}\n')
    first, second = (each for _, each in records(tmp_path / "a.jsonl"))
    assert str(first) == f"{tmp_path}/a.jsonl:1: is not JSON: Expecting value"
    assert second == {"a": 1}
    (tmp_path / "b.json").write_text('[{"a": 1},\n{"a": }]')
    first, second = (each for _, each in records(tmp_path / "b.json"))
    assert (first, str(second)) == ({"a": 1}, f"{tmp_path}/b.json:2: is not JSON: Expecting value")


ONE, TWO = {"a": 1}, {"a": 2}
PAIR = {"chosen": "x", "rejected": [{"role": "assistant"}]}
LENGTHS = "is an object of columns of different lengths"
HELD = {  # a file's text -> place and record, or what is said of it, one after the other
    "a.jsonl": ('{"a": 1}\n\n[3]\n', [("1", ONE), ("3", [3])]),
    "bom.jsonl": ('\ufeff{"a": 1}', [("1", ONE)]),
    "twice.jsonl": ('{"a": 1, "a": 2}', ["1: is not JSON: the key 'a' stands twice in one object"]),
    "list.json": ('\ufeff \n[{"a": 1}\n,\n{"a": 2}]', [("2", ONE), ("4", TWO)]),
    "empty.json": ("[ ]\n", []),
    "after.json": ('[{"a": 1}]\nx', [("1", ONE), "1: is not JSON: text after the closing bracket"]),
    "no_comma.json": ('[{"a": 1}\n{"a": 2}]', [("1", ONE), "2: is not JSON: a comma is missing"]),
    "a_comma_more.json": ('[{"a": 1},\n]', [("1", ONE), "2: is not JSON: Expecting value"]),
    "open.json": ('[{"a": 1},', [("1", ONE), "1: is not JSON: Expecting value"]),
    "key_twice.json": ('[\n{"a": 1, "a": 2}]', ["2: is not JSON: the key 'a' stands twice in one object"]),
    "lines.json": ('{"a": 1}\n{"a": 2}\n', [("1", ONE), ("2", TWO)]),
    "record.json": (json.dumps(PAIR), [("1", PAIR)]),
    "object.json": ('{"a": "x", "b": {"c": [3]}}', [("1", {"a": "x", "b": {"c": [3]}})]),
    "number.json": ("3", [("1", 3)]),
    "columns.json": (
        '{"chosen": ["x", "y"], "rejected": ["z", "w"]}',
        [("record 1", {"chosen": "x", "rejected": "z"}), ("record 2", {"chosen": "y", "rejected": "w"})],
    ),
    "others.json": (
        '{"b": ["x", "y"], "c": [3, 4]}',
        [("record 1", {"b": "x", "c": 3}), ("record 2", {"b": "y", "c": 4})],
    ),
    "column.json": ('{"b": ["x"]}', [("record 1", {"b": "x"})]),
    "no_rows.json": ('{"b": []}', []),
    "chats.json": (
        '{"chosen": [[{"role": "user"}]], "rejected": [[{"role": "user"}]]}',
        [("record 1", {"chosen": [{"role": "user"}], "rejected": [{"role": "user"}]})],
    ),
    "key.json": (
        '{"version": 2, "rows": [{"a": 1}, {"a": 2}], "ids": [3]}',
        [("record 1", ONE), ("record 2", TWO)],
    ),
    "keys.json": ('{"rows": [{"a": 1}, {"a": 2}], "ids": [3, 4]}', [("record 1", ONE), ("record 2", TWO)]),
    "trains.json": ('{"test": [{"a": 2}], "train_prefs": [{"a": 1}]}', [("record 1", ONE)]),
    "of_two.json": ('{"train": [{"a": 1}], "train_prefs": [{"a": 2}]}', [("record 1", ONE)]),
    "a.csv": ('\ufeffa,b\n"1\n2",3\n4,5\n', [("2", {"a": "1\n2", "b": "3"}), ("4", {"a": "4", "b": "5"})]),
    "cells.csv": (
        "a,b\n1\n1,2,3\n1,2\n",
        [
            *("2: has not the 2 cells of the first line", "3: has not the 2 cells of the first line"),
            ("4", {"a": "1", "b": "2"}),
        ],
    ),
    "quote.csv": ('a,b\n1,2\n"3,4\n', [("2", {"a": "1", "b": "2"}), "3: is not csv: unexpected end of data"]),
    "names.csv": ("a,b,b\n1,2,3\n", ["2: is not csv: the column 'b' stands twice"]),
    "none.csv": ("", []),
    "A.TSV": ("a\tb\n1,2\t3\n", [("2", {"a": "1,2", "b": "3"})]),
}


def as_told(found, path):
    """Places without the file's name, and problems as they are told."""
    assert all(where.startswith(f"{path}:") for where, _ in found)
    cut = len(f"{path}:")
    return [str(row)[cut:] if isinstance(row, Problem) else (where[cut:], row) for where, row in found]


@pytest.mark.parametrize("name", HELD)
def test_a_file_whole(name, tmp_path):
    text, expected = HELD[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert as_told(list(records(tmp_path / name)), tmp_path / name) == expected
    packed = tmp_path / f"{name}.GZ"
    packed.write_bytes(gzip.compress(text.encode()))
    assert as_told(list(records(str(packed))), packed) == expected


ENDS = ".jsonl, .ndjson, .json, .csv, .tsv or .parquet file, with .gz or without"
ONE_FILE = "is one file, not one of several: leave out --split and --config"
CLOSED = {  # file -> its text, split, config, what is said
    "none.jsonl": (None, None, None, "no such file"),
    "a.txt": ("x", None, None, f"not a {ENDS}"),
    "a.txt.gz": ("x", None, None, f"not a {ENDS}"),
    "a.jsonl": ("{}", "train", None, ONE_FILE),
    "a.csv": ("a", None, "main", ONE_FILE),
    "config.json": ("[]", None, "main", ONE_FILE),
    "lengths.json": ('{"chosen": ["x"], "rejected": []}', None, None, LENGTHS),
    "more.json": ('{"chosen": ["x"], "rejected": ["y"], "version": 2}', None, None, LENGTHS),
    "other_lengths.json": ('{"a": ["x"], "b": [3, 4]}', None, None, LENGTHS),
    "no_records.json": ('{"b": ["x"], "version": 2}', None, None, "holds no list of records"),
    "split.json": ('{"b": [{"a": 1}], "a": [{"a": 1}]}', "c", None, "has no split c; it has a, b"),
    "splits.json": (
        '{"b": [{"a": 1}], "a": [{"a": 1}]}',
        None,
        None,
        "has splits a, b: choose one with --split",
    ),
    "trains.json": (
        '{"train_a": [{"a": 1}], "train_b": [{"a": 1}], "c": [{"a": 1}]}',
        *(None, None, "has splits c, train_a, train_b: choose one with --split"),
    ),
}


@pytest.mark.parametrize("name", CLOSED)
def test_what_is_said_of_a_file_whole(name, tmp_path):
    text, split, config, said = CLOSED[name]
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(PairsError) as caught:
        list(records(tmp_path / name, split, config))
    assert str(caught.value) == f"{tmp_path / name}: {said}"


class Splits(dict):
    column_names = ()


ODD = "not a file, a name, a Dataset or a list of dicts"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (dict.fromkeys("abcdef"), "rows has keys a, b, c, d, e: pass a list of rows, or one split"),
        (Splits(train=1), "rows has splits train: pass a list of rows, or one split"),
        (b"a", f"rows is bytes, {ODD}"),
        (3, f"rows is a number, {ODD}"),
    ],
)
def test_what_holds_no_rows(rows, said):
    with pytest.raises(TypeError) as caught:
        check_rows(rows)
    assert str(caught.value) == said
    for good in ("a", [], iter([])):
        check_rows(good)


def test_kinds_in_the_words_of_json():
    kinds = [kind_of(value) for value in (None, True, 3, 0.5, "a", [], {}, b"")]
    numbers = ["a number", "a number"]
    assert kinds == ["null", "a boolean", *numbers, "a string", "a list", "an object", "bytes"]


def test_a_table_by_its_first_line_and_cells_of_up_to_2_gib():
    assert list(table("a;b\n1;2\n", ";")) == [{"a": "1", "b": "2"}]
    assert list(table("a,b\n1,2\n")) == [{"a": "1", "b": "2"}]
    assert csv.field_size_limit() == 2**31 - 1
    assert str(none_usable(["f:1: x", "f:2: y"])) == "no usable pair; first problem: f:1: x"

"""Containers of records: every shape of JSON, tables, folders, gzip; splits; where a record stands."""

import gzip
import json

import pytest

from dpoq_lab.columns import How
from dpoq_lab.preferences import read_pairs
from dpoq_lab.sources import PairsError, _reason, records

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

"""Records: JSON in which nothing is dropped, and files that are written whole."""

import json
import os

import pytest

from dpoq_lab import records
from dpoq_lab.records import one_line, read_json, same_mode, write_json, write_text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' stands twice"),
        ('[{"a": {"b": 1, "b": 1}}]', "the key 'b' stands twice"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5000, "4300 digits"),
        ("{", "Expecting property name"),
    ],
)
def test_json_that_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        read_json(text)


def test_json_that_is_read():
    assert read_json('{"a": [1, {"b": null}], "c": {"a": "x"}}') == {"a": [1, {"b": None}], "c": {"a": "x"}}


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    write_json(path, {"a": 1})

    def full(self, *arguments, **options):
        (tmp_path / self.name).touch()
        raise OSError(28, "No space left on device", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(records.Path, "open", full)
        with pytest.raises(OSError, match="No space left"):
            write_text(path, "torn")
    assert json.loads(path.read_text()) == {"a": 1}
    assert [left.name for left in tmp_path.iterdir()] == ["record.json"]


def test_a_full_disk_is_told_with_the_file_whose_write_failed(tmp_path):
    """A write names no file; an open does."""

    def lines():
        yield "one\n"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left") as found:
        records.write_lines(tmp_path / "tokens.jsonl", lines())
    assert found.value.filename == str(tmp_path / "tokens.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_an_error_on_one_line():
    assert one_line(ValueError("a\n  b" + "c" * 300)) == "a b" + "c" * 197
    assert one_line(ValueError("a\n  b" + "c" * 300), 5) == "a bcc"
    assert one_line(KeyError()) == "KeyError"


def test_files_follow_the_umask(tmp_path):
    before = os.umask(0o002)
    try:
        write_json(tmp_path / "record.json", {})
        (tmp_path / "model.safetensors").touch(0o600)
        same_mode(tmp_path, "record.json")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o664}

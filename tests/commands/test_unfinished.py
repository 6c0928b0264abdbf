"""A job in chunks: what is done stays, another job does not mix in, results are put in place whole."""

from pathlib import Path

import pytest

from dpoq_lab.commands.unfinished import Unfinished, UnfinishedError


def test_a_chunk_that_was_written_is_there_for_the_next_process(tmp_path):
    first = Unfinished(tmp_path / "out", {"beta": 0.1, "how": {"split": None}})
    first.claim()
    first.write(3, ["a\n", "b\n"])
    second = Unfinished(tmp_path / "out", {"how": {"split": None}, "beta": 0.1})
    second.claim()
    assert second.has(3)
    assert not second.has(0)
    assert second.chunk(3).read_text() == "a\nb\n"


def test_a_chunk_that_broke_off_is_not_there(tmp_path):
    job = Unfinished(tmp_path, {})
    job.claim()

    def breaks_off():
        yield "half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.write(0, breaks_off())
    assert not job.has(0)


def test_another_job_is_refused_by_what_differs_and_loses_nothing(tmp_path):
    job = Unfinished(tmp_path, {"beta": 0.1, "limit": None, "pairs": "a"})
    job.claim()
    job.write(0, ["kept"])
    with pytest.raises(
        UnfinishedError, match="unfinished work with another beta, pairs: delete it, or choose"
    ):
        Unfinished(tmp_path, {"beta": 0.2, "limit": None, "pairs": "b"}).claim()
    assert job.has(0)


def test_settings_that_cannot_be_read_are_one_line(tmp_path):
    job = Unfinished(tmp_path, {})
    job.claim()
    job.write(0, ["kept"])
    (job.folder / "settings.json").write_text("{")
    with pytest.raises(UnfinishedError, match="settings.json: cannot be read: delete "):
        job.claim()


def test_another_job_may_take_a_folder_in_which_nothing_is_done(tmp_path):
    Unfinished(tmp_path, {"beta": 0.1}).claim()
    other = Unfinished(tmp_path, {"beta": 0.2})
    other.claim()
    other.write(0, ["x"])
    Unfinished(tmp_path, {"beta": 0.2}).claim()
    other.discard()
    assert not other.folder.exists()


def test_what_is_finished_takes_the_place_of_what_was_there(tmp_path):
    (tmp_path / "summary.json").write_text("old")
    (tmp_path / "other").write_text("stays")
    job = Unfinished(tmp_path, {})
    job.claim()
    (job.folder / "summary.json").write_text("new")
    job.finish(["summary.json"])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "summary.json": "new",
        "other": "stays",
    }


def test_where_a_disk_is_full_nothing_is_left_of_the_chunk(tmp_path, monkeypatch):
    job = Unfinished(tmp_path, {"beta": 0.1})
    job.claim()

    def full():
        yield "one line"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        job.write(0, full())
    assert [path.name for path in job.folder.iterdir()] == ["settings.json"]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *_, **__: next(iter(full_at_once())))
        with pytest.raises(OSError, match="No space left"):
            job.write(0, ["one line"])


def full_at_once():
    raise OSError(28, "No space left on device")
    yield

"""A job in chunks: what is done stays, another job does not mix in, results are put in place whole."""

from pathlib import Path

import pytest

from dpoq_lab.commands.unfinished import Unfinished, UnfinishedError, stopped


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


def test_a_job_was_stopped_where_its_settings_lie_or_nothing_yet(tmp_path):
    assert not stopped(tmp_path)
    folder = tmp_path / "unfinished"
    folder.mkdir()
    assert stopped(tmp_path)
    (folder / "thesis.txt").touch()
    assert not stopped(tmp_path)
    (folder / "settings.json").touch()
    assert stopped(tmp_path)


def test_what_is_said_of_a_job_that_cannot_go_on_whole(tmp_path):
    job = Unfinished(tmp_path, {"beta": 0.1, "limit": 3})
    job.claim()
    assert job.chunk(12) == tmp_path / "unfinished" / "chunk-000012.jsonl"
    job.write(12, ["kept"])
    path = job.folder / "settings.json"
    for text, said in (
        ("[]", f"{path}: is not a JSON object: delete {job.folder}"),
        ("{", f"{path}: cannot be read: delete {job.folder}"),
        (
            '{"beta": 0.1}',
            f"{job.folder}: holds unfinished work with another limit: delete it, or choose another folder",
        ),
    ):
        path.write_text(text)
        with pytest.raises(UnfinishedError) as caught:
            job.claim()
        assert str(caught.value) == said
    path.write_text('{"beta": 0.1, "limit": 3, "more": 1}')
    job.claim()
    assert path.read_text() == '{"beta": 0.1, "limit": 3}'
    assert Unfinished(tmp_path, {"how": (1, 2)}).settings == {"how": [1, 2]}


def test_work_that_fails_is_kept_once_a_chunk_is_done(tmp_path):
    job = Unfinished(tmp_path, {})

    def fails():
        with job.kept_if_begun():
            raise KeyboardInterrupt

    for done in (False, True):
        job.claim()
        if done:
            job.write(0, ["a"])
        with pytest.raises(KeyboardInterrupt):
            fails()
        assert job.folder.exists() == done
    with job.kept_if_begun():
        pass
    assert job.has(0)


def test_what_no_encoding_holds_is_escaped_and_a_file_is_moved_by_its_name(tmp_path):
    job = Unfinished(tmp_path, {})
    job.claim()
    job.write(0, ["a\ud800\u00e9"])
    assert job.chunk(0).read_text(encoding="utf-8") == "a\\ud800\u00e9"
    for name in ("a", "b"):
        (job.folder / name).write_text(name)
    job.finish(["b", "a"])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "a", "b": "b"}


def test_the_chunks_go_before_the_settings_that_tell_whose_they_are(tmp_path, monkeypatch):
    """A kill in between leaves settings without chunks, which anyone may take over."""
    job, left = Unfinished(tmp_path, {}), []
    job.claim()
    job.write(0, ["a"])
    monkeypatch.setattr("shutil.rmtree", lambda folder, **quiet: left.extend(folder.iterdir()))
    job.discard()
    assert [path.name for path in left] == ["settings.json"]


def test_what_is_gone_already_can_be_discarded(tmp_path):
    job = Unfinished(tmp_path, {})
    job.claim()
    job.discard()
    job.discard()
    assert list(tmp_path.iterdir()) == []

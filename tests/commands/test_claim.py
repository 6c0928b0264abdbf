"""A folder is held by one process, and left as it was found if nothing came of it."""

import os
import signal
import subprocess
import sys

import pytest

from dpoq_lab.commands.claim import LOCK, ClaimError, claimed, make_folder, strangers

HOLD = """
import sys, time
from pathlib import Path
from dpoq_lab.commands.claim import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_folders_that_stayed_empty_are_gone_again(tmp_path):
    with claimed(tmp_path / "a" / "b"):
        assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == [LOCK]
    assert list(tmp_path.iterdir()) == []


def test_the_folders_that_had_to_be_made_are_named_from_the_inside(tmp_path):
    assert make_folder(tmp_path / "a" / "b") == [tmp_path / "a" / "b", tmp_path / "a"]
    assert (tmp_path / "a" / "b").is_dir()
    assert make_folder(tmp_path / "a") == []


def test_what_was_there_or_was_written_stays(tmp_path):
    (tmp_path / "mine").mkdir()
    with claimed(tmp_path / "mine"):
        pass
    with claimed(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "result").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "mine", "result"]


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path):
    """No file of it has to be removed by hand: the system lets go of the lock of a dead process."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        with (
            pytest.raises(ClaimError, match="out: another process is writing here"),
            claimed(tmp_path / "out"),
        ):
            pass
        os.kill(process.pid, signal.SIGKILL)
    assert (tmp_path / "out" / LOCK).exists()
    with claimed(tmp_path / "out"):
        assert strangers(tmp_path / "out") == []


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(ClaimError, match="taken: is a file, not a folder"), claimed(tmp_path / "taken"):
        pass


def test_what_a_stopped_write_left_is_no_stranger(tmp_path):
    for name in (LOCK, ".run.json.part", "run.json", "thesis.txt"):
        (tmp_path / name).touch()
    assert strangers(tmp_path) == ["run.json", "thesis.txt"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
        Exception("Disk quota exceeded (os error 122)"),
    ],
)
def test_a_full_disk_is_told_with_the_folder_whichever_library_met_it(tmp_path, error):
    with pytest.raises(ClaimError, match=r"out: (No space left on device|Disk quota exceeded)$"):
        fails(tmp_path / "out", error)
    with pytest.raises(ValueError, match="^something else$"):
        fails(tmp_path / "out", ValueError("something else"))


def fails(out, error):
    with claimed(out):
        raise error

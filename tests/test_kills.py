"""After a kill or a full disk the same run goes on, to the same bits; `kill_runs.py` tries every moment."""

import errno
import os
import random
import signal
from pathlib import Path

import kill_runs
import pytest
import torch
from safetensors import SafetensorError
from small_runs import different, ended, inspect_words, make_beside, start, train_words

from dpoq_lab import checkpoints, records
from dpoq_lab.commands import cli, run_folder, train, unfinished
from dpoq_lab.paths import kit_folder

KILLED = """
import sys
from pathlib import Path
import kill_runs
from dpoq_lab.commands import cli, train
train.settings_for = kill_runs.often(train.settings_for)
kill_runs.kill_before(Path(sys.argv[1]), int(sys.argv[2]), sys.stderr)
cli.main(sys.argv[3:])
"""


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    return make_beside(tmp_path_factory.mktemp("beside"))


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """A checkpoint after every second step."""
    monkeypatch.setattr(train, "settings_for", kill_runs.often(train.settings_for))


@pytest.fixture(scope="module")
def whole(beside):
    """A run of three steps that nobody disturbed."""
    patch = pytest.MonkeyPatch()
    patch.setattr(train, "settings_for", kill_runs.often(train.settings_for))
    assert cli.main(train_words(beside, beside / "whole", 3)) == 0
    patch.undo()
    return beside / "whole"


def test_a_run_killed_inside_a_checkpoint_goes_on(beside, whole, tmp_path):
    scratch = tmp_path / "run" / ".checkpoint-unfinished"
    moment = random.Random(0).randrange(1, 4)  # after the folder, before the manifest, before it is in place
    paths = os.pathsep.join(map(str, (kit_folder(), Path(__file__).parent)))
    threads = str(torch.get_num_threads())
    words = [str(scratch), str(moment), *train_words(beside, tmp_path / "run", 3)]
    status, _ = ended(start(words, KILLED, PYTHONPATH=paths, OMP_NUM_THREADS=threads))
    assert status == -signal.SIGKILL
    assert scratch.exists()
    assert cli.main([*train_words(beside, tmp_path / "run", 3), "--resume"]) == 0
    assert different(tmp_path / "run", whole) == []


def no_space(*arguments, **options):
    raise OSError(errno.ENOSPC, "No space left on device")


def no_space_for_tensors(*arguments, **options):
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize(
    ("where", "name", "fails"),
    [
        (records.Path, "replace", no_space),
        (run_folder, "write_pairs", no_space),
        (checkpoints, "save_file", no_space_for_tensors),
        (train.models, "save", no_space_for_tensors),
    ],
    ids=["record", "held-out pairs", "checkpoint", "model"],
)
def test_a_full_disk_is_one_line_and_the_run_goes_on(
    where, name, fails, beside, whole, tmp_path, monkeypatch, capsys
):
    words = train_words(beside, tmp_path / "run", 3)
    with monkeypatch.context() as patch:
        patch.setattr(where, name, fails)
        assert cli.main(words) == 1
    said = capsys.readouterr().err.replace("\r", "\n").strip().splitlines()
    assert [line for line in said if "error" in line] == said[-1:]
    assert "No space left on device" in said[-1]
    assert str(tmp_path / "run") in said[-1]
    begun = (tmp_path / "run" / "run.json").exists()
    assert cli.main([*words, "--resume"] if begun else words) == 0
    assert different(tmp_path / "run", whole) == []


def test_a_run_killed_while_it_tidies_up_is_tidied_up(beside, whole, tmp_path, monkeypatch):
    words = train_words(beside, tmp_path / "run", 3)
    with monkeypatch.context() as patch:
        patch.setattr(train, "remove_checkpoints", lambda out: None)
        assert cli.main(words) == 0
    assert (tmp_path / "run" / "checkpoint-3").exists()
    assert cli.main([*words, "--resume"]) == 1  # it is finished
    assert different(tmp_path / "run", whole) == []


@pytest.mark.parametrize("left", [["settings.json.part"], ["settings.json"], []])
def test_inspect_takes_back_a_folder_that_a_kill_left(left, beside, tmp_path):
    """Killed before its settings were in place, or when all else was gone."""
    (tmp_path / "out" / "unfinished").mkdir(parents=True)
    for name in left:
        (tmp_path / "out" / "unfinished" / name).write_text("{}")
    assert unfinished.stopped(tmp_path / "out")
    assert cli.main(inspect_words(beside, tmp_path / "out")) == 0
    assert not (tmp_path / "out" / "unfinished").exists()


def test_the_settings_of_a_job_are_the_last_to_go(tmp_path, monkeypatch):
    job = unfinished.Unfinished(tmp_path, {})
    job.claim()
    job.write(0, ["done"])
    monkeypatch.setattr(unfinished.shutil, "rmtree", lambda *arguments, **options: None)
    job.discard()
    assert [path.name for path in job.folder.iterdir()] == ["settings.json"]

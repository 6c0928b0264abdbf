"""What a checkpoint puts back is what was written, or one line that says what is damaged."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from dpoq_lab.checkpoints import (
    CheckpointError,
    checkpoints,
    load_checkpoint,
    remove_checkpoints,
    save_checkpoint,
)

LOG = [{"step": 0, "loss_mean": 0.6931471805599453}, {"step": 1, "loss_mean": 1 / 3}]


def trained():
    """Two steps of AdamW on a layer of 2 inputs and 3 outputs."""
    torch.manual_seed(0)
    policy = torch.nn.Linear(2, 3)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=0.1)
    for _ in LOG:
        policy(torch.tensor([1.0, -2.0])).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return policy, optimizer


def fresh():
    policy = torch.nn.Linear(2, 3)
    return policy, torch.optim.AdamW(policy.parameters(), lr=0.1)


@pytest.fixture
def out(tmp_path):
    """A run that was stopped after two of its steps, in the third."""
    lines = [json.dumps(record) for record in LOG]
    (tmp_path / "metrics.jsonl").write_text("\n".join([*lines, '{"step": 2, "lo']))
    save_checkpoint(tmp_path, LOG, *trained())
    return tmp_path


def test_all_is_put_back(out):
    policy, optimizer = fresh()
    assert load_checkpoint(out, policy, optimizer) == (2, LOG)
    expected, moments = trained()
    assert torch.equal(policy.weight, expected.weight)
    for name, value in moments.state_dict()["state"][1].items():
        assert torch.equal(optimizer.state_dict()["state"][1][name], value)


def test_without_a_checkpoint_a_run_begins(tmp_path):
    (tmp_path / "checkpoint-of-mine").mkdir()
    assert load_checkpoint(tmp_path, *fresh()) == (0, [])


def test_the_newest_stays_and_the_mode_is_that_of_other_files(out):
    policy, optimizer = trained()
    save_checkpoint(out, [*LOG, {"step": 2}], policy, optimizer)
    assert [path.name for path in checkpoints(out)] == ["checkpoint-3"]
    assert len({path.stat().st_mode for path in checkpoints(out)[0].iterdir()}) == 1


@pytest.mark.parametrize("stopped", [False, True])
def test_a_finished_run_keeps_no_checkpoint(out, stopped):
    if stopped:
        (out / ".checkpoint-unfinished").mkdir()
        (out / ".checkpoint-unfinished" / "policy.safetensors").touch()
    (out / "checkpoint-of-mine").mkdir()
    remove_checkpoints(out)
    assert sorted(path.name for path in out.iterdir()) == ["checkpoint-of-mine", "metrics.jsonl"]


def emptied(file):
    save_file({}, file)


def changed(file):
    held = load_file(file)
    name = min(held)
    save_file(held | {name: held[name] + 1}, file)


@pytest.mark.parametrize("file", ["policy.safetensors", "optimizer.safetensors"])
@pytest.mark.parametrize("damage", [emptied, changed, lambda file: file.write_bytes(b"")])
def test_weights_that_are_not_those_written(out, file, damage):
    damage(out / "checkpoint-2" / file)
    with pytest.raises(CheckpointError, match="checkpoint-2: is damaged: other files than were written"):
        load_checkpoint(out, *fresh())


@pytest.mark.parametrize("file", ["policy.safetensors", "optimizer.safetensors", "manifest.json"])
def test_a_file_that_is_gone(out, file):
    (out / "checkpoint-2" / file).unlink()
    with pytest.raises(CheckpointError, match=f"checkpoint-2/{file}: No such file"):
        load_checkpoint(out, *fresh())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"steps": 2}', "null"])
def test_a_manifest_that_is_none(out, text):
    (out / "checkpoint-2" / "manifest.json").write_text(text)
    with pytest.raises(CheckpointError, match="checkpoint-2: is damaged: its manifest is none"):
        load_checkpoint(out, *fresh())


def test_a_step_beyond_the_metrics(out):
    """A line is torn where the third step was stopped; without it there are two."""
    shutil.move(out / "checkpoint-2", out / "checkpoint-3")
    with pytest.raises(CheckpointError, match=r"metrics.jsonl: is damaged: Unterminated"):
        load_checkpoint(out, *fresh())
    (out / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in LOG))
    with pytest.raises(CheckpointError, match=r"checkpoint-3: .* 3 steps, and 2 are in metrics.jsonl"):
        load_checkpoint(out, *fresh())


@pytest.mark.parametrize("lines", [[LOG[0], {"step": 1, "loss_mean": 0.3}], LOG[::-1]])
def test_other_metrics_than_were_written(out, lines):
    (out / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in lines))
    with pytest.raises(CheckpointError, match=r"other .*metrics than were written"):
        load_checkpoint(out, *fresh())


def test_another_model_than_was_written(out):
    policy = torch.nn.Linear(2, 3, bias=False)
    with pytest.raises(CheckpointError, match="other tensors than were written"):
        load_checkpoint(out, policy, torch.optim.AdamW(policy.parameters()))

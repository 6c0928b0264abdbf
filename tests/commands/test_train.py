"""`train` goes on only with the run that it began, and a folder is never left in a state it cannot use."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from dpoq_lab import models, training
from dpoq_lab.commands import train as runs
from dpoq_lab.commands.claim import claimed
from dpoq_lab.commands.train import Request, RunError, run
from dpoq_lab.paths import data_folder
from dpoq_lab.presets import find_preset

LINES = (data_folder() / "courtesy" / "train.jsonl").read_text(encoding="utf-8").splitlines()[:12]
CI = find_preset("ci")


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A run of three steps that was stopped while it was judged, with a checkpoint after the second."""
    folder = tmp_path_factory.mktemp("begun")
    (folder / "pairs.jsonl").write_text("\n".join(LINES), encoding="utf-8")
    tokenizer = models.tiny_tokenizer()
    for seed, name in enumerate(("start", "reference")):
        models.save(models.build(tokenizer, hidden_size=32, layers=1, seed=seed), tokenizer, folder / name)
    patch = pytest.MonkeyPatch()
    step = training._step

    def stops_in_the_third(*arguments):
        if arguments[-1] == 2:
            raise KeyboardInterrupt
        return step(*arguments)

    patch.setattr(training, "_step", stops_in_the_third)
    patch.setattr(runs, "settings_for", often(runs.settings_for))
    with pytest.raises(KeyboardInterrupt):
        run(request(folder), CI)
    patch.undo()
    return folder


def often(settings_for):
    """The settings, with a checkpoint after every second step."""
    return lambda *arguments: replace(settings_for(*arguments), checkpoint_every=2)


def request(folder, **changed):
    named = {"model": str(folder / "start"), "reference": str(folder / "reference")}
    asked = {"pairs": str(folder / "pairs.jsonl"), "out": folder / "run", "batch_size": 4, "held_out": 0.0}
    return Request(**named | asked | changed)


@pytest.fixture
def stopped(begun, tmp_path, monkeypatch):
    """A copy of it, in whose place it can be changed."""
    monkeypatch.setattr(runs, "settings_for", often(runs.settings_for))
    shutil.copytree(begun, tmp_path / "copy")
    record = tmp_path / "copy" / "run" / "run.json"
    record.write_text(record.read_text().replace(str(begun), str(tmp_path / "copy")))
    return tmp_path / "copy"


def state(folder):
    """All files of a run by their content."""
    return {path: path.read_bytes() for path in (folder / "run").rglob("*") if path.is_file()}


def test_the_same_run_goes_on(stopped):
    claim = json.loads((stopped / "run" / "run.json").read_text())
    assert [path.name for path in (stopped / "run").glob("checkpoint-*")] == ["checkpoint-2"]
    run(request(stopped, resume=True), CI)
    whole = run(request(stopped, out=stopped / "whole"), CI)
    weights = [load_file(stopped / name / "model.safetensors") for name in ("run", "whole")]
    assert all(torch.equal(weights[0][name], weight) for name, weight in weights[1].items())
    record = json.loads((stopped / "run" / "run.json").read_text())
    assert record["finished"]
    assert {name: record[name] for name in claim if name != "finished"} == {
        name: value for name, value in claim.items() if name != "finished"
    }
    assert record["last_step"]["loss_mean"] == whole["last_step"]["loss_mean"]


def edited(folder):
    path = folder / "pairs.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("?", "!", 1), encoding="utf-8")


def reordered(folder):
    (folder / "pairs.jsonl").write_text("\n".join(LINES[::-1]), encoding="utf-8")


def retrained(folder, name):
    path = folder / name / "model.safetensors"
    held = load_file(path)
    save_file(held | {"model.norm.weight": held["model.norm.weight"] * 1.001}, path, {"format": "pt"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edited, "another content of pairs$"),
        (reordered, "another content of pairs$"),
        (lambda folder: retrained(folder, "start"), "another content of model$"),
        (lambda folder: retrained(folder, "reference"), "another content of reference$"),
    ],
)
def test_it_does_not_go_on_with_other_pairs_or_models(stopped, change, said):
    change(stopped)
    before = state(stopped)
    with pytest.raises(RunError, match=f"run: its run was started with {said}"):
        run(request(stopped, resume=True), CI)
    assert state(stopped) == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": 5}, "seed"),
        ({"beta": 0.2}, "beta"),
        ({"lr": 1e-3}, "lr"),
        ({"epochs": 2}, "epochs, steps"),
        ({"max_length": 99}, "max_length"),
    ],
)
def test_it_does_not_go_on_with_other_settings(stopped, changed, said):
    before = state(stopped)
    with pytest.raises(RunError, match=f"its run was started with another {said}"):
        run(request(stopped, resume=True, **changed), CI)
    assert state(stopped) == before


def test_it_does_not_go_on_under_another_preset(stopped):
    with pytest.raises(RunError, match=r"started with another .*micro_batch"):
        run(request(stopped, resume=True), replace(CI, micro_batch=CI.micro_batch + 1))


def test_a_kill_between_the_record_and_the_pairs_can_be_gone_on_from(stopped):
    """The record is the first file: a folder that holds it alone is a run."""
    shutil.rmtree(stopped / "run" / "checkpoint-2")
    for name in ("held_out.jsonl", "metrics.jsonl"):
        (stopped / "run" / name).unlink()
    (stopped / "run" / ".run.json.part").write_text("{")
    assert run(request(stopped, resume=True), CI)["last_step"]["step"] == 2
    assert not (stopped / "run" / ".run.json.part").exists()


@pytest.mark.parametrize("text", ["[]", "", "null", '"run"', "{}", '{"request": {}}', '{"finished": false}'])
def test_a_record_that_is_none_is_one_line(stopped, text):
    (stopped / "run" / "run.json").write_text(text)
    with pytest.raises(RunError, match=r"run.json: is no"):
        run(request(stopped, resume=True), CI)


@pytest.mark.parametrize("part", ["request", "settings", "content"])
def test_a_record_without_a_part_is_another_run(stopped, part):
    path = stopped / "run" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {part: None}))
    with pytest.raises(RunError, match="started with another"):
        run(request(stopped, resume=True), CI)


@pytest.mark.parametrize(
    ("parameters", "method", "lr"),
    [
        (19_999_999, "dpo", 1e-4),
        (20_000_000, "dpo", 6e-6),
        (19_999_999, "sft", 2e-3),
        (20_000_000, "sft", 6e-6),
    ],
)
def test_a_small_model_learns_faster(begun, parameters, method, lr):
    assert runs.settings_for(request(begun, method=method), CI, parameters, 12).lr == lr


def test_two_do_not_write_one_folder(stopped):
    before = state(stopped)
    with claimed(stopped / "run"), pytest.raises(RuntimeError, match="another process is writing here"):
        run(request(stopped, resume=True), CI)
    assert state(stopped) == before


def test_more_steps_than_anyone_waits_for_are_refused(stopped):
    with pytest.raises(RunError, match="3,000,000,000 optimiser steps are asked for: fewer epochs"):
        run(request(stopped, epochs=10**9, out=stopped / "long"), CI)
    assert not (stopped / "long").exists()


def test_a_token_that_the_model_lacks_is_named_before_anything_is_written(stopped):
    path = stopped / "start" / "config.json"
    small = models.build(models.tiny_tokenizer(), hidden_size=32, layers=1)
    small.resize_token_embeddings(300)
    small.save_pretrained(stopped / "start")
    assert json.loads(path.read_text())["vocab_size"] == 300
    with pytest.raises(models.ModelError, match=r"pairs.jsonl:1: model: has 300 words, and the pair uses"):
        run(request(stopped, out=stopped / "small"), CI)
    assert not (stopped / "small").exists()

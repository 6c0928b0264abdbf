"""Presets: which one a machine gets, and that the `gpu` preset's path holds without a GPU."""

import math
from dataclasses import replace

import pytest
import torch

from dpoq_lab.commands.train import Request, settings_for
from dpoq_lab.presets import PRESETS, WITHOUT_SMOLLM2, Preset, PresetError, bf16_is_fast, find_preset
from dpoq_lab.training import train


def test_the_variable_overrides_the_machine_and_a_name_overrides_both(monkeypatch):
    monkeypatch.setenv("DPOQ_PRESET", "ci")
    assert find_preset().name == "ci"
    assert find_preset("laptop").name == "laptop"
    monkeypatch.setenv("DPOQ_PRESET", "huge")
    with pytest.raises(PresetError, match="no preset 'huge'; there are ci, laptop, gpu"):
        find_preset()


@pytest.mark.parametrize(("cuda", "name"), [(True, "gpu"), (False, "laptop")])
def test_the_machine_decides_without_the_variable(monkeypatch, cuda, name):
    monkeypatch.delenv("DPOQ_PRESET", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert find_preset().name == name


def test_bfloat16_needs_a_processor_that_is_fast_at_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for capabilities, fast in (
        ({"amx_bf16": True}, True),
        ({"avx512_bf16": True}, True),
        ({"avx2": True}, False),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found, raising=False)
        assert bf16_is_fast() is fast


def test_a_small_model_takes_the_rates_of_tiny_and_a_request_overrides(tmp_path):
    request = Request("tiny", "p.jsonl", tmp_path)
    small, large = (settings_for(request, PRESETS["laptop"], n, 80) for n in (1_000_000, 135_000_000))
    assert (small.lr, large.lr) == (1e-4, 6e-6)
    assert small.steps == large.steps == 10
    assert not small.bf16
    asked = replace(request, lr=1e-7, beta=0.5, batch_size=40, epochs=3)
    settings = settings_for(asked, PRESETS["laptop"], 1_000_000, 80)
    assert (settings.lr, settings.objective.beta, settings.batch_size, settings.steps) == (1e-7, 0.5, 40, 6)


def test_the_gpu_presets_step_runs_in_bfloat16_here(tiny, train_pairs):
    """All of the `gpu` preset that needs no GPU: its batch, its micro-batch and autocast."""
    preset = PRESETS["gpu"]
    request = Request("tiny", "p.jsonl", None, batch_size=preset.batch_size)
    settings = replace(settings_for(request, preset, 10**6, len(train_pairs)), steps=2, bf16=True)
    log = train(tiny, train_pairs, 1, settings)
    assert log[0]["loss_mean"] == pytest.approx(math.log(2), abs=1e-6)
    assert math.isfinite(log[1]["loss_mean"])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_gives_the_metrics_of_the_cpu(train_pairs):
    from dpoq_lab.models import tiny as build_tiny
    from dpoq_lab.objectives import DPO
    from dpoq_lab.schedule import Settings

    settings = Settings(DPO(), lr=1e-4, steps=2, batch_size=4, micro_batch=4)
    log = train(build_tiny(), train_pairs, 1, settings)
    assert log[0]["loss_mean"] == pytest.approx(math.log(2), abs=1e-5)
    assert log[1]["loss_mean"] < log[0]["loss_mean"] + 0.1


def test_the_sizes_of_every_preset():
    """Model, steps of SFT and DPO, pairs a step and at once, both rates, bfloat16."""
    tiny, large = (2e-3, 1e-4), (6e-6, 6e-6)
    sizes = {
        name: (p.model, p.sft_steps, p.dpo_steps, p.batch_size, p.micro_batch, p.sft_lr, p.dpo_lr, p.bf16)
        for name, p in PRESETS.items()
    }
    assert sizes == {
        "ci": ("tiny", 20, 20, 8, 8, *tiny, False),
        "laptop": ("smollm2-135m", 10, 30, 8, 4, *large, False),
        "gpu": ("smollm2-135m", 45, 135, 32, 32, *large, True),
    }
    assert {(p.beta, p.warmup_steps, p.max_length) for p in PRESETS.values()} == {(0.1, 10, 512)}
    without = Preset("laptop", **WITHOUT_SMOLLM2)
    assert (without.model, without.sft_steps, without.dpo_steps) == ("tiny", 200, 100)
    assert (without.batch_size, without.micro_batch, without.sft_lr, without.dpo_lr) == (16, 16, *tiny)

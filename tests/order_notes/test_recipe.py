"""The recipe: its control swaps labels, and the `gpu` size builds, trains and resumes."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from dpoq_lab import training
from dpoq_lab.models import parameters
from dpoq_lab.order_notes.language import order_of, order_pairs
from dpoq_lab.order_notes.recipe import (
    SIZES,
    build_base,
    shuffled,
    train_policies,
)


def test_shuffled_labels_keep_the_pairs_and_swap_about_half():
    pairs = order_pairs(400, 0)
    mixed = shuffled(pairs, 0)
    swapped = [a.chosen != b.chosen for a, b in zip(pairs, mixed, strict=True)]
    assert 0.4 < np.mean(swapped) < 0.6
    for a, b in zip(pairs, mixed, strict=True):
        assert {(a.chosen, a.chosen_flaws), (a.rejected, a.rejected_flaws)} == {
            (b.chosen, b.chosen_flaws),
            (b.rejected, b.rejected_flaws),
        }


LARGE = replace(SIZES["gpu"], notes=8, pairs=4, held_out=4, base_steps=1, sft_steps=1, dpo_steps=1)


def test_the_gpu_size_builds_a_model_of_20_to_50_million_parameters_on_the_larger_language():
    assert 20e6 < parameters(build_base(SIZES["gpu"], 0)) < 50e6
    prompt = order_pairs(1, 0, facts=LARGE.facts)[0].prompt
    assert len(order_of(prompt)) == 12


def test_the_gpu_size_trains_a_step_of_every_stage_and_goes_on_from_its_checkpoints(tmp_path, monkeypatch):
    policies = train_policies(LARGE, 0, tmp_path)
    assert all(len(log) == 1 for log in policies.logs.values())
    assert policies.logs["DPO from SFT"][0]["loss_mean"] == pytest.approx(math.log(2), abs=1e-4)
    calls = []
    monkeypatch.setattr(training, "_step", lambda *_: calls.append(1))
    again = train_policies(LARGE, 0, tmp_path)
    assert calls == []
    name = "DPO from SFT"
    for a, b in zip(policies.models[name].parameters(), again.models[name].parameters(), strict=True):
        assert torch.equal(a, b)

"""The study: its controls mean what they say, and the stored table is what its models give."""

import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from dpoq_lab import training
from dpoq_lab.encoding import flaw_mask
from dpoq_lab.language_study import (
    BETA,
    DPO,
    NAMES,
    SIZES,
    Size,
    Study,
    build_base,
    chance_of_a_hit,
    credit_table,
    detector_row,
    encode,
    main,
    measure_seed,
    pair_row,
    scores_of,
    shuffled,
    stored_study,
    train_policies,
    train_stage,
)
from dpoq_lab.languages import order_of, order_pairs
from dpoq_lab.models import parameters
from dpoq_lab.paths import data_folder
from dpoq_lab.preferences import usable_pairs

TINY = Size(notes=64, pairs=32, held_out=10, base_steps=2, sft_steps=2, dpo_steps=2)


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


def test_chance_is_the_mean_share_of_errors_where_there_are_any():
    assert chance_of_a_hit([[True, False], [False, False], [True, False, False, False]]) == 0.375


def test_a_seed_gives_the_same_table_twice():
    _, first, stitching = measure_seed(TINY, 3)
    _, again, same = measure_seed(TINY, 3)
    for table, other in ((first, again), (stitching, same)):
        for name, row in table.items():
            assert row == pytest.approx(other[name], abs=1e-6, nan_ok=True)


def test_the_command_writes_what_it_measured(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(SIZES, "ci", TINY)
    main(["--out", str(tmp_path), "--seeds", "1", "--preset", "ci"])
    assert "chance" in capsys.readouterr().out
    study, record = stored_study(tmp_path)
    assert record["seeds"] == 1
    assert set(study.policies) == set(NAMES)


@pytest.fixture(scope="module")
def stored():
    return stored_study()


def test_base_and_sft_are_their_own_references_so_their_rewards_are_zero(stored):
    replies = [pair.rejected for pair in encode(order_pairs(3, 5))]
    assert all(set(s.rewards(1.0)) == {0.0} for s in scores_of(stored[0], "SFT", replies))


def test_the_stored_models_give_the_stored_figures_of_their_seed(stored):
    """All six models, scored again on the 300 held-out replies of seed 0."""
    study, record = stored
    size = Size(**record["size"])
    for name, row in credit_table(study, size, seed=0).items():
        expected = {m: record["credit"][name][m]["values"][0] for m in row}
        assert row == pytest.approx(expected, abs=0.02)


def test_what_the_issue_asks_is_in_the_stored_table(stored):
    credit = stored[1]["credit"]

    def low(name):
        row = credit[name]["precision_at_1"]
        return row["mean"] - row["half_95"]

    def high(name):
        row = credit[name]["precision_at_1"]
        return row["mean"] + row["half_95"]

    assert credit["-r, DPO from SFT"]["precision_at_1"]["mean"] >= 0.9
    assert low("-r, DPO from SFT") > high("surprisal, SFT") + 0.2
    assert min(credit["-r, DPO from SFT"]["accuracy"]["values"]) > 0.8
    blame, control = (credit[f"-r, {name}"] for name in ("DPO from SFT", "shuffled labels"))
    both = zip(blame["precision_at_1"]["values"], control["precision_at_1"]["values"], strict=True)
    assert all(real > shuffled + 0.2 for real, shuffled in both)
    assert abs(control["auroc"]["mean"] - 0.5) < control["auroc"]["half_95"]  # where it is at chance
    labels = [flaw_mask(pair.rejected) for pair in encode(order_pairs(300, 1_000_000))]
    assert credit["chance"]["precision_at_1"]["values"][0] == pytest.approx(chance_of_a_hit(labels))


LARGE = replace(SIZES["gpu"], notes=8, pairs=4, held_out=4, base_steps=1, sft_steps=1, dpo_steps=1)


def test_the_gpu_size_builds_a_model_of_20_to_50_million_parameters_on_the_larger_language():
    assert 20e6 < parameters(build_base(SIZES["gpu"], 0)) < 50e6
    prompt = order_pairs(1, 0, facts=LARGE.facts)[0].prompt
    assert len(order_of(prompt)) == 12


def test_the_gpu_size_trains_a_step_of_every_stage_and_goes_on_from_its_checkpoints(tmp_path, monkeypatch):
    study = train_policies(LARGE, 0, tmp_path)
    assert all(len(log) == 1 for log in study.logs.values())
    assert study.logs["DPO from SFT"][0]["loss_mean"] == pytest.approx(math.log(2), abs=1e-4)
    calls = []
    monkeypatch.setattr(training, "_step", lambda *_: calls.append(1))
    again = train_policies(LARGE, 0, tmp_path)
    assert calls == []
    name = "DPO from SFT"
    for a, b in zip(study.policies[name].parameters(), again.policies[name].parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_short_retraining_from_the_stored_sft_comes_close_to_the_stored_dpo(stored):
    """40 of the 120 steps on the shipped pairs: within 0.08 in precision at 1, AUROC and accuracy."""
    study, record = stored
    pairs = encode(usable_pairs(data_folder() / "order_notes" / "train.jsonl"))
    policy = deepcopy(study.policies["SFT"]).requires_grad_(True)
    log = train_stage(policy, pairs, SIZES["laptop"].settings(DPO, steps=40, seed=0))
    assert log[0]["loss_mean"] == pytest.approx(math.log(2), abs=1e-5)
    again = Study({"SFT": study.policies["SFT"], "DPO from SFT": policy}, {})
    held_out = encode(usable_pairs(data_folder() / "order_notes" / "held_out.jsonl"))
    scores = scores_of(again, "DPO from SFT", [pair.rejected for pair in held_out])
    blame = [[-r for r in s.rewards(BETA)] for s in scores]
    row = detector_row(blame, [flaw_mask(pair.rejected) for pair in held_out])
    row["accuracy"] = pair_row(again, "DPO from SFT", held_out, scores)["accuracy"]
    for measure, value in row.items():
        shipped = record["credit"]["-r, DPO from SFT"][measure]["values"][0]
        assert value == pytest.approx(shipped, abs=0.08), measure

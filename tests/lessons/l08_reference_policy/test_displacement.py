"""Displacement: exact for one pair, and that the language-model measure counts what it says."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from dpoq_lab.commands.cli import main
from dpoq_lab.lessons.l08_reference_policy.displacement import (
    displace,
    displacement_tables,
    similarity,
    train_one_pair,
    what_gains,
)
from dpoq_lab.lessons.l08_reference_policy.pairs import minimal_edit_pairs
from dpoq_lab.lessons.study import stored_record
from dpoq_lab.order_notes.language import order_pairs
from dpoq_lab.order_notes.recipe import encode, stored_policies


def test_one_tabular_pair_raises_the_chosen_likelihood_at_every_step():
    path = train_one_pair(np.eye(4), np.zeros(4), w=0, lose=1, steps=200, lr=0.5)
    assert (np.diff(path[:, 0]) > 0).all()
    assert (np.diff(path[:, 1]) < 0).all()


def test_with_near_parallel_features_both_fall_and_the_reply_along_the_difference_gains():
    """w and l share a direction; a third reply points along w - l and is rewarded for it."""
    features = np.array([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    path = train_one_pair(features, np.array([2.0, 0.0]), w=0, lose=1, steps=2000, lr=1.0)
    gained = path[-1] - path[0]
    assert gained[0] < 0
    assert gained[1] < gained[0]  # the margin grows all the same
    assert gained.argmax() == 2


@pytest.fixture(scope="module")
def sft():
    return stored_policies().models["SFT"]


def test_a_word_apart_both_fall_and_independent_replies_part(sft):
    torch.manual_seed(0)
    apart = [displace(sft, pair) for pair in encode(minimal_edit_pairs(4, 5))]
    independent = [displace(sft, pair) for pair in encode(order_pairs(4, 5))]
    assert np.mean([row["rejected"] for row in apart]) < -4
    assert sum(row["both_fall"] for row in apart) >= 3
    assert all(row["chosen"] > 0 > row["rejected"] for row in independent)
    assert not any(row["both_fall"] for row in independent)


def test_similarity_is_1_for_a_reply_with_itself_and_smaller_for_another(sft):
    [pair] = encode(order_pairs(1, 5))
    same = replace(pair, rejected=pair.chosen)
    assert similarity(sft, same) == pytest.approx(1)
    [apart] = encode(minimal_edit_pairs(1, 5))
    assert similarity(sft, pair) < similarity(sft, apart) < 1


def test_what_gains_sums_to_0_and_is_0_for_one_model(sft):
    [pair] = encode(minimal_edit_pairs(1, 5))
    assert all(gain == 0 for gain in what_gains(sft, sft, pair).values())
    gains = what_gains(sft, stored_policies().models["DPO from SFT"], pair)
    assert sum(gains.values()) == pytest.approx(0, abs=1e-6)
    assert gains["right"] > 0 > gains["wrong"]


def test_the_command_writes_its_table(tmp_path, capsys):
    main(["study", "displacement", "--out", str(tmp_path), "--seeds", "2", "--preset", "ci"])
    table = json.loads((tmp_path / "displacement.json").read_text())["table"]
    assert len(table) == 4
    shown = capsys.readouterr().out
    assert all(str(part) in shown for part in displacement_tables(table))


def test_what_the_lesson_says_of_the_stored_record():
    table = stored_record("displacement", "displacement")["table"]
    for start in ("base", "SFT"):
        apart, independent = (table[f"{start}, {kind}"] for kind in ("one word apart", "independent replies"))
        assert apart["both_fall"]["mean"] > 0.85
        assert apart["chosen"]["mean"] + apart["chosen"]["half_95"] < -0.5
        assert apart["elsewhere"]["mean"] - apart["elsewhere"]["half_95"] > 0.1  # what gains
        assert apart["right"]["mean"] < 0 > apart["wrong"]["mean"]
        assert independent["chosen"]["mean"] > 4
        assert independent["both_fall"]["mean"] < 0.05
        assert independent["similarity"]["mean"] < 0.85 < 0.99 < apart["similarity"]["mean"]
        assert abs(apart["correlation"]["mean"]) < apart["correlation"]["half_95"]  # none within the kind

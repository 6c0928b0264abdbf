"""What lessons share: the preset's model and pairs, the run that lesson 05 leaves for lesson 06."""

from dataclasses import replace

import pytest
import torch

from dpoq_lab.lessons import opening as lessons
from dpoq_lab.lessons.opening import open_lesson, open_orders, policy_and_reference, stored_run
from dpoq_lab.objectives import SFT
from dpoq_lab.order_notes.recipe import SIZES
from dpoq_lab.presets import PRESETS
from dpoq_lab.rewards import score_responses


@pytest.fixture
def lesson(monkeypatch, tmp_path):
    monkeypatch.setattr(lessons, "runs_folder", lambda: tmp_path / "runs")
    return open_lesson(replace(PRESETS["ci"], sft_steps=1, dpo_steps=2))


def test_a_lesson_has_the_presets_model_and_all_pairs(lesson):
    assert (len(lesson.train_pairs), len(lesson.held_out)) == (375, 125)
    assert lesson.settings("sft").lr == 2e-3
    assert lesson.settings("dpo").steps == 2
    assert not lesson.settings("dpo").bf16


def test_the_policy_is_trained_once_and_then_loaded(lesson, capsys):
    policy, reference = policy_and_reference(lesson)
    assert not torch.equal(policy.model.norm.weight, reference.model.norm.weight)
    again, _ = policy_and_reference(open_lesson(lesson.preset))
    assert torch.equal(again.model.norm.weight, policy.model.norm.weight)
    out = capsys.readouterr().out
    assert out.index("training its two models now") < out.index("Loading what lesson 05 trained")


def test_the_stored_run_adds_up_and_says_where_it_comes_from():
    records, summary = stored_run("smollm2-courtesy")
    assert [record["role"] for record in records] == ["chosen", "rejected"] * (len(records) // 2)
    margins = [sum(c["reward"]) - sum(r["reward"]) for c, r in zip(records[::2], records[1::2], strict=True)]
    assert summary["margin_mean"] == pytest.approx(sum(margins) / len(margins), abs=1e-3)
    assert summary["provenance"]["versions"]["torch"]
    assert summary["provenance"]["command"].startswith("dpoq-lab ")


def test_order_notes_come_with_a_trained_base_and_the_shipped_pairs():
    orders = open_orders(PRESETS["ci"])
    assert (len(orders.train_pairs), len(orders.held_out)) == (2000, 300)
    assert orders.settings("dpo").steps < open_orders(PRESETS["laptop"]).settings("dpo").steps == 120
    assert orders.settings("sft").objective == SFT()
    right = [
        sum(s.logp_policy)
        for s in score_responses(
            orders.base, orders.base, orders.tokenizer, [orders.held_out[0].chosen], top=0
        )
    ]
    assert right[0] / len(orders.held_out[0].chosen.ids) > -2.0  # it has read notes: a random model gives -5


def test_at_gpu_the_base_of_the_larger_language_is_trained_and_kept(monkeypatch, tmp_path):
    small = replace(SIZES["gpu"], notes=8, pairs=4, base_steps=1)
    monkeypatch.setitem(SIZES, "gpu", small)
    monkeypatch.setattr(lessons, "runs_folder", lambda: tmp_path)
    first = open_orders(PRESETS["gpu"])
    again = open_orders(PRESETS["gpu"])
    assert torch.equal(first.base.model.norm.weight, again.base.model.norm.weight)
    assert "courier" in first.train_pairs[0].pair.prompt

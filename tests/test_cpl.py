"""CPL: its loss by hand, its task's optimum, and that it learns."""

import math

import pytest
import torch

from dpoq_lab import cpl
from dpoq_lab.cpl import advantage, cpl_loss, main, preferred, segments


def test_the_loss_by_hand_and_that_it_is_dpo_without_a_reference_at_lambda_1():
    chosen, rejected = torch.tensor([[-1.0, -2.0]]), torch.tensor([[-2.0, -4.0]])
    expected = -math.log(1 / (1 + math.exp(-0.5 * (-3.0 + 0.5 * 6.0))))
    assert cpl_loss(chosen, rejected, 0.5, 0.5).item() == pytest.approx(expected)
    assert cpl_loss(chosen, rejected, 0.5, 1.0).item() == pytest.approx(math.log(1 + math.exp(-0.5 * 3.0)))


def test_raising_both_likelihoods_lowers_the_loss_only_if_lambda_is_below_1():
    low, high = torch.full((1, 3), -2.0), torch.full((1, 3), -1.0)
    assert cpl_loss(high, high, 1.0, 0.5) < cpl_loss(low, low, 1.0, 0.5)
    assert cpl_loss(high, high, 1.0, 1.0) == cpl_loss(low, low, 1.0, 1.0)


def test_the_optimal_action_has_advantage_0_and_all_others_less():
    s, a = segments(20, 0)
    assert advantage(s, -s / 2).abs().max() == 0
    assert (advantage(s, a) < 0).all()


def test_the_chosen_segment_has_the_smaller_regret():
    s_w, a_w, s_l, a_l = preferred(0)
    assert (advantage(s_w, a_w).sum(1) >= advantage(s_l, a_l).sum(1)).all()


def test_the_command_writes_both_settings(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cpl, "STEPS", 5)
    monkeypatch.setattr(cpl, "CLONING_STEPS", 5)
    main(["--out", str(tmp_path), "--seeds", "2"])
    assert (tmp_path / "cpl.json").is_file()
    out = capsys.readouterr().out
    assert "no cloning" in out
    assert "cloning first" in out

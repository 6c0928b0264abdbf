"""Objectives: what each reads, needs and weighs, and that its loss is the formula's."""

import math

import pytest
import torch

from dpoq_lab.objectives import CPL, DPO, SFT, described

CHOSEN = torch.tensor([[0.5, -0.1, 0.0], [1.0, 0.0, 0.0]])  # sums 0.4 and 1
REJECTED = torch.tensor([[-0.2, 0.0, -0.3], [0.7, 0.1, 0.0]])  # sums -0.5 and 0.8


def test_sft_is_minus_the_sum_of_the_chosen_alone():
    assert SFT().sides == ("chosen",)
    assert not SFT().needs_reference
    assert SFT().losses(CHOSEN).tolist() == pytest.approx([-0.4, -1.0])


def test_dpo_by_hand():
    """Margins 0.9 and 0.2 at beta 0.3: -log sigma(0.27) and -log sigma(0.06)."""
    expected = [math.log1p(math.exp(-x)) for x in (0.27, 0.06)]
    assert DPO(0.3).losses(CHOSEN, REJECTED).tolist() == pytest.approx(expected)
    assert DPO(0.3).needs_reference


def test_cpl_by_hand():
    """alpha 0.3, bias 0.5: 0.3 (0.4 + 0.25) and 0.3 (1 - 0.4)."""
    expected = [math.log1p(math.exp(-x)) for x in (0.195, 0.18)]
    assert CPL(0.3, 0.5).losses(CHOSEN, REJECTED).tolist() == pytest.approx(expected)
    assert not CPL().needs_reference


def test_a_step_is_divided_by_tokens_for_sft_and_by_pairs_for_the_others(train_pairs):
    some = train_pairs[:3]
    assert SFT().weight(some) == sum(len(pair.chosen.ids) for pair in some) > 3
    assert DPO().weight(some) == CPL().weight(some) == 3


def test_a_record_has_the_name_and_the_numbers():
    assert described(CPL(0.2)) == {"name": "cpl", "beta": 0.2, "bias": 0.5}
    assert described(SFT()) == {"name": "sft"}


def test_what_each_reads_needs_and_is_called():
    both = ("chosen", "rejected")
    assert [(o.name, o.sides, o.needs_reference) for o in (SFT(), DPO(), CPL())] == [
        ("sft", ("chosen",), False),
        ("dpo", both, True),
        ("cpl", both, False),
    ]
    assert (DPO().beta, CPL().beta, CPL().bias) == (0.1, 0.1, 0.5)

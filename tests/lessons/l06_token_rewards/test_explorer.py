"""The order explorer: real widgets are moved, and what changed is asserted."""

import numpy as np
import pytest

from dpoq_lab.lessons.l06_token_rewards import explorer as language_explorers
from dpoq_lab.lessons.l06_token_rewards.explorer import COLOURINGS, OrderExplorer
from dpoq_lab.order_notes.language import order_pairs
from dpoq_lab.order_notes.recipe import encode, stored_policies


@pytest.fixture(scope="module")
def policies():
    return stored_policies()


@pytest.fixture
def explorer(policies):
    return OrderExplorer(policies, encode([p for p in order_pairs(40, 11) if not p.chosen_flaws]))


def marked(explorer, role):
    return [cell.text for cell in explorer.pickers[role].cells if cell.flaw]


def test_a_planted_error_is_marked_blamed_and_costs_two(explorer):
    assert marked(explorer, "chosen") == []
    assert "true return +6.00" in explorer.sums["chosen"].value
    explorer.fact.value = "day"
    explorer.plant.click()
    assert len(marked(explorer, "chosen")) == 1
    assert "true return +4.00" in explorer.sums["chosen"].value
    blame = [float(cell.value.replace("\u2212", "-")) for cell in explorer.pickers["chosen"].cells]
    assert explorer.pickers["chosen"].cells[blame.index(min(blame))].flaw


def test_planting_the_same_error_twice_says_so_and_changes_nothing(explorer):
    explorer.plant.click()
    text = explorer.edit["chosen"].value
    explorer.plant.click()
    assert "does not hold" in explorer.message.value
    assert explorer.edit["chosen"].value == text


def test_another_policy_scores_the_edited_reply(explorer):
    explorer.plant.click()
    text, sums = explorer.edit["chosen"].value, explorer.sums["chosen"].value
    explorer.policy.value = "shuffled labels"
    assert explorer.edit["chosen"].value == text
    assert explorer.sums["chosen"].value != sums
    assert len(marked(explorer, "chosen")) == 1
    assert "true return +4.00" in explorer.sums["chosen"].value


def test_a_reply_edited_to_nothing_keeps_the_scores(explorer):
    sums = explorer.sums["chosen"].value
    explorer.edit["chosen"].value = " "
    assert "is empty" in explorer.message.value
    assert explorer.sums["chosen"].value == sums


def numbers(explorer, role):
    return [float(cell.value.replace("\u2212", "-")) for cell in explorer.pickers[role].cells]


def test_each_colouring_shows_its_own_quantity(explorer):
    scores = explorer._scores["rejected"]
    r = scores.rewards(explorer.beta.value)
    for name, expected in (
        ("r", r),
        ("cumulative reward", np.cumsum(r)),
        ("log pi", scores.logp_policy),
        ("log pi_ref", scores.logp_reference),
        ("entropy", scores.entropy),
    ):
        explorer.colouring.value = name
        assert numbers(explorer, "rejected") == pytest.approx(expected, abs=0.006)
        assert COLOURINGS[name][1] in explorer.scale.value


def test_the_advantage_estimate_sums_to_the_return_less_the_value_of_the_start(explorer, monkeypatch):
    monkeypatch.setattr(language_explorers, "ROLLOUTS", 2)
    explorer.colouring.value = "advantage estimate"
    shown = numbers(explorer, "chosen")
    assert -6 <= 6 - sum(shown) <= 6.2  # V of the start is a possible return, up to rounding
    monkeypatch.setattr(language_explorers, "rollout_advantages", None)
    explorer.beta.value = 1.0  # kept: nothing is sampled again


def test_base_and_sft_can_be_shown_and_base_against_itself_is_zero(explorer):
    explorer.policy.value = "base"
    assert set(numbers(explorer, "chosen")) == {0.0}
    explorer.policy.value = "SFT"
    assert set(numbers(explorer, "chosen")) != {0.0}

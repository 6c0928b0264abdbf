"""The order explorer: real widgets are moved, and what changed is asserted."""

import pytest

from dpoq_lab.language_explorers import OrderExplorer
from dpoq_lab.language_study import encode, stored_study
from dpoq_lab.languages import order_pairs


@pytest.fixture(scope="module")
def study():
    return stored_study()[0]


@pytest.fixture
def explorer(study):
    return OrderExplorer(study, encode([p for p in order_pairs(40, 11) if not p.chosen_flaws]))


def marked(explorer, role):
    return [cell["text"] for cell in explorer.pickers[role].cells if cell["flaw"]]


def test_a_planted_error_is_marked_blamed_and_costs_two(explorer):
    assert marked(explorer, "chosen") == []
    assert "true return +6.00" in explorer.sums["chosen"].value
    explorer.fact.value = "day"
    explorer.plant.click()
    assert len(marked(explorer, "chosen")) == 1
    assert "true return +4.00" in explorer.sums["chosen"].value
    blame = [float(cell["value"].replace("\u2212", "-")) for cell in explorer.pickers["chosen"].cells]
    assert explorer.pickers["chosen"].cells[blame.index(min(blame))]["flaw"]


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

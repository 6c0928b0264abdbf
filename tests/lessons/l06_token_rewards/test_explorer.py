"""The order explorer: real widgets are moved, and what changed is asserted."""

import re
from collections import Counter

import numpy as np
import pytest
from ipywidgets import HTML

from dpoq_lab.lessons.l06_token_rewards import explorer as language_explorers
from dpoq_lab.lessons.l06_token_rewards.explorer import (
    COLOURINGS,
    BlameExplorer,
    OrderExplorer,
    after_the_insult,
    control_hits,
)
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


def test_a_move_draws_every_part_once(explorer):
    """A page that is slow draws what it is told, one after the other."""
    drawn = Counter()

    def watch(part):
        if isinstance(part, HTML):
            part.observe(lambda change: drawn.update([change.owner]), "value")
        for child in getattr(part, "children", ()):
            watch(child)

    watch(explorer)
    for control, value in ((explorer.pair, 2), (explorer.beta, 0.3), (explorer.policy, "shuffled labels")):
        explorer.pickers["chosen"].selected = 1
        drawn.clear()
        control.value = value
        assert set(drawn.values()) == {1}
        assert drawn.keys() >= {explorer.picture, *explorer.sums.values()}


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
        ("r_hat", r),
        ("running sum", np.cumsum(r)),
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


def test_the_picture_runs_along_what_is_shown_and_keeps_its_axis(explorer):
    sums = explorer.picture.data["chosen"].y
    assert sums[1:] == pytest.approx(np.cumsum(explorer.r_hat("chosen")))
    assert explorer.picture.data["a known flaw"].x == tuple(
        i + 1 for i, bad in enumerate(explorer.flaws("rejected")) if bad
    )
    before = explorer.picture.value
    explorer.beta.value /= 2
    assert explorer.picture.data["chosen"].y == pytest.approx(np.array(sums) / 2)

    def numbers(page):
        return re.findall(r'class="quiet">([^<]*)<', page)

    assert numbers(explorer.picture.value) == numbers(before)
    explorer.plant.click()
    assert len(explorer.picture.data["a known flaw"].x) == 1 + sum(explorer.flaws("rejected"))


def by_hand(explorer, policy, fact):
    """Where the lowest r_hat stands after each reply of the list was edited, one by one: hits and replies."""
    found = []
    explorer.policy.value, explorer.fact.value = policy, fact
    for pair in range(len(explorer.pair.options)):
        explorer.pair.value = pair
        explorer.plant.click()
        flaws, r_hat = explorer.flaws("chosen"), explorer.r_hat("chosen")
        if any(flaws):
            found.append(flaws[r_hat.index(min(r_hat))])
    return sum(found), len(found)


@pytest.mark.parametrize(("policy", "fact"), [("shuffled labels", "day"), ("SFT", "city")])
def test_an_error_planted_in_every_reply_at_once_is_one_planted_in_each(explorer, policy, fact):
    hits, n = by_hand(explorer, policy, fact)
    share, guess, replies = explorer.planted(policy)
    assert (round(share * replies), replies) == (hits, n)
    assert 0.02 < guess < 0.06  # a reply has 20 to 40 tokens


def test_what_the_control_hits_is_counted_over_all_replies_and_only_when_asked_for(explorer):
    explorer.fact.value, explorer.policy.value = "day", "shuffled labels"
    assert control_hits(explorer) is None  # no error yet
    explorer.plant.click()
    middle = control_hits(explorer)
    assert middle == "more often than a guess, less than DPO from SFT"
    assert "shuffled labels is the wrong word in 5 of them. A guess finds 0.5" in explorer.message.value
    explorer.policy.value = "DPO from SFT"
    assert control_hits(explorer) is None
    assert "DPO from SFT is the wrong word in 15 of them" in explorer.message.value


@pytest.mark.parametrize(
    ("control", "said"), [(0.06, "about as often as a guess"), (1.0, "as often as DPO from SFT")]
)
def test_another_control_would_give_another_outcome(explorer, monkeypatch, control, said):
    explorer.plant.click()
    explorer.policy.value = "shuffled labels"
    shares = {"shuffled labels": control, "DPO from SFT": 0.95}
    monkeypatch.setattr(explorer, "planted", lambda policy: (shares[policy], 0.04, 20))
    assert control_hits(explorer) == said


@pytest.mark.parametrize(
    ("pair", "change", "outcome"),
    [
        (0, lambda text: text + " kind regards", "rises or stays"),
        (0, lambda text: text.replace("Wednesday", "Thursday"), "falls and is below the rejected reply's"),
        (4, lambda text: text.replace("Tuesday", "Wednesday"), "falls, but is above the rejected reply's"),
    ],
)
def test_what_a_new_text_does_is_read_from_the_two_sums(policies, pair, change, outcome):
    pairs = encode([p for p in order_pairs(40, 11) if not p.chosen_flaws])
    models = (policies.models["DPO from SFT"], policies.models["SFT"], policies.tokenizer)
    explorer = BlameExplorer(*models, pairs, beta=0.5)
    explorer.pair.value = pair
    assert after_the_insult(explorer) is None
    text, before = explorer.edit["chosen"].value, sum(explorer.r_hat("chosen"))
    explorer.edit["chosen"].value = change(text)
    assert explorer.edited("chosen")
    assert sum(explorer.unedited("chosen")) == pytest.approx(before)
    assert after_the_insult(explorer) == outcome
    explorer.edit["chosen"].value = text
    assert after_the_insult(explorer) is None

"""Pairs and the laws they are drawn from: by hand, by counting, and by their own identities."""

import math
from collections import Counter
from random import Random

import numpy as np
import pytest

from dpoq_lab.lessons.l08_reference_policy.pairs import (
    CLEAN,
    KINDS,
    draw_pairs,
    edit_log_prob,
    log_mu,
    minimal_edit_pairs,
    on_policy_kls,
    on_policy_pairs,
)
from dpoq_lab.lessons.l08_reference_policy.writer_law import writer_log_prob
from dpoq_lab.order_notes.language import CAREFUL, FACTS, order_of, order_pairs, true_score
from dpoq_lab.order_notes.recipe import encode, stored_policies
from dpoq_lab.theory.soft_bellman import labelled


@pytest.fixture(scope="module")
def base():
    return stored_policies().models["base"]


def test_a_minimal_edit_changes_one_fact():
    for pair in minimal_edit_pairs(50, 0):
        words = zip(pair.chosen.split(), pair.rejected.split(), strict=True)
        changed = [(a, b) for a, b in words if a != b]
        assert len(changed) == 1
        assert true_score(pair.prompt, pair.chosen) == len(FACTS)
        assert len(pair.rejected_flaws) == 1


def test_the_law_of_an_edit_by_hand():
    """The right reply's law, 1/6 for the fact, and 0.85 + 0.15/(n-1) for the next value of n."""
    for pair in minimal_edit_pairs(30, 1):
        [(right, wrong)] = [
            (a, b) for a, b in zip(pair.chosen.split(), pair.rejected.split(), strict=True) if a != b
        ]
        fact = next(fact for fact, value in order_of(pair.prompt).items() if value == right)
        words = FACTS[fact]
        slip = 0.15 / (len(words) - 1)
        if wrong == words[(words.index(right) + 1) % len(words)]:
            slip += 0.85
        expected = writer_log_prob(pair.prompt, pair.chosen, CLEAN) + math.log(slip / 6)
        assert edit_log_prob(pair.prompt, pair.rejected) == pytest.approx(expected)


def test_every_kind_with_a_formula_can_be_drawn_and_has_a_law(base):
    for kind in KINDS:
        pairs = draw_pairs(kind, 20, 3, base)
        assert 15 < len(pairs) <= 20
        if kind != "on-policy":
            assert np.isfinite([log_mu(kind, pair) for pair in pairs]).all()


def test_cleaner_replies_are_cleaner(base):
    def flaws(kind):
        return sum(len(pair.chosen_flaws) for pair in draw_pairs(kind, 200, 3, base))

    assert flaws("cleaner") < 0.6 * flaws("off-policy")
    pair = order_pairs(1, 0)[0]
    assert log_mu("off-policy", pair)[0] == writer_log_prob(pair.prompt, pair.chosen, CAREFUL)


def test_on_policy_pairs_are_the_policys_own_and_mostly_ranked_by_score(base):
    pairs = on_policy_pairs(base, order_pairs(120, 3), 0)
    gaps = [true_score(p.prompt, p.chosen) - true_score(p.prompt, p.rejected) for p in pairs]
    assert len(pairs) > 100
    assert sum(gap > 0 for gap in gaps) > 2 * sum(gap < 0 for gap in gaps)


def test_labels_are_draws_from_equation_1():
    random = Random(0)
    first = Counter(labelled("a", "b", 1.0, random)[0] for _ in range(20_000))["a"] / 20_000
    assert first == pytest.approx(1 / (1 + math.exp(-1)), abs=0.01)


def test_a_label_moves_both_laws_from_the_policy_but_little(base):
    """2p is between 0 and 2, so each KL is between 0 and log 2; a policy of varied returns is well inside."""
    held_out = encode(order_pairs(40, 9))
    kl_w, kl_l = on_policy_kls(base, held_out, seed=0)
    assert 0.1 < kl_w < math.log(2)
    assert 0.1 < kl_l < math.log(2)

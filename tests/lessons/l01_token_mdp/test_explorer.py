"""Lesson 01's explorer: widgets are moved, and what they show is the exact solution."""

from dataclasses import replace

import numpy as np
import pytest
from hand_made import numbers, sweep
from numpy.testing import assert_allclose

from dpoq_lab.lessons.l01_token_mdp.explorer import RewardExplorer
from dpoq_lab.theory.example_trees import WORDS, mushroom_tree
from dpoq_lab.theory.soft_bellman import solve
from dpoq_lab.theory.token_mdp import flat
from dpoq_lab.views.token_view import signed

MDP, R = mushroom_tree(1.0)


@pytest.fixture
def paying():
    return RewardExplorer(MDP, WORDS, R)


def same(x, y):
    assert_allclose(flat(x), flat(y), rtol=0, atol=1e-10)


def test_the_reward_slider_pays_on_the_chosen_edge_alone(paying):
    paying.edge.value = 4
    assert paying.edge.label == "not \u2192 safe"
    assert paying.reward.value == 2.0
    paying.reward.value = -1.5
    expected = [level.copy() for level in R]
    expected[1][0, 1] = -1.5
    same(paying.r, expected)
    same(paying.solution.Q, solve(MDP, expected).Q)
    same(paying.solution.pi, solve(MDP, expected).pi)
    assert R[1][0, 1] == 2.0  # the lesson's own reward is not touched


def test_choosing_an_edge_changes_no_reward_and_shows_its_own(paying):
    for _, edge in paying.edge.options:
        paying.edge.value = edge
        assert paying.reward.value == flat(R)[edge]
    same(paying.r, R)


def test_the_paid_reward_stays_when_another_edge_is_chosen(paying):
    paying.reward.value = 1.0
    paying.edge.value = 4
    paying.edge.value = 0
    assert paying.reward.value == 1.0
    assert paying.r[0][0, 0] == 1.0


def test_beta_moves_the_optimum_and_the_drawing(paying):
    before = paying.picture.data["labels"].states
    paying.beta.value = 3.0
    expected = solve(replace(MDP, beta=3.0), R)
    same(paying.solution.V, expected.V)
    assert paying.picture.data["labels"].states != before
    assert paying.picture.value == paying.picture.figure.html()
    assert f"V*(s_0) {signed(expected.V[0][0])}" in paying.picture.reading


def test_the_terms_of_equation_7_add_up(paying):
    for _, edge in paying.edge.options[::3]:
        paying.edge.value = edge
        table = numbers(paying.terms.value)  # r, beta log pi_ref, V*(s'), Q*, Q* - V*, pi
        assert_allclose(table[:, :3].sum(axis=1), table[:, 3], atol=0.02)
        assert_allclose(np.exp(table[:, 4]), table[:, 5], atol=0.02)


def test_the_reading_names_the_likeliest_reply(paying):
    assert "likeliest reply: not safe EOS, p 0.77" in paying.picture.reading
    paying.edge.value = 4
    paying.reward.value = -4.0
    assert "likeliest reply: safe EOS" in paying.picture.reading


def test_words_are_escaped_wherever_they_are_shown():
    words = ("<img src=x onerror=alert(1)>", "safe", "EOS")
    explorer = RewardExplorer(MDP, words, R)
    shown = explorer.terms.value + explorer.picture.value
    assert "&lt;img" in shown
    assert "<img" not in shown


def test_redrawing_takes_less_than_100_ms(paying):
    times = sweep(paying, (paying.beta, paying.reward), paying.edge)
    assert np.quantile(times, 0.95) < 0.1

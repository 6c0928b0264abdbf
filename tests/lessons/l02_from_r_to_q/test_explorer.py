"""Lesson 02's explorer: widgets are moved, and what they show is the exact solution."""

from dataclasses import replace

import numpy as np
import pytest
from hand_made import numbers, sweep
from numpy.testing import assert_allclose

from dpoq_lab.lessons.l02_from_r_to_q.explorer import LogitExplorer, edge_into, reward_into
from dpoq_lab.theory.example_trees import WORDS, mushroom_tree
from dpoq_lab.theory.soft_bellman import reward_from_q, solve
from dpoq_lab.theory.token_mdp import flat, levels, random_reward, state_names, trajectory_sums, uniform_tree
from dpoq_lab.views.prediction import Prediction

MDP, R = mushroom_tree(1.0)


@pytest.fixture
def moving():
    return LogitExplorer(MDP, WORDS, [level.round(1) for level in random_reward(MDP, 3)])


def same(x, y):
    assert_allclose(flat(x), flat(y), rtol=0, atol=1e-10)


def test_logits_are_the_optimal_q_of_the_reward_shown(moving):
    moving.state.value = 2
    moving.logits[0].value, moving.beta.value = 3.0, 0.5
    mdp = replace(MDP, beta=0.5)
    assert moving.Q[1][1, 0] == 3.0
    same(moving.r, reward_from_q(mdp, moving.Q))
    same(solve(mdp, moving.r).Q, moving.Q)
    weight = np.exp(flat(moving.Q).reshape(-1, 3) / 0.5)
    assert_allclose(flat(moving.solution.pi), (weight / weight.sum(axis=1, keepdims=True)).ravel())


@pytest.mark.parametrize("state", range(1, 7))
def test_a_shift_moves_rewards_in_and_out_and_neither_policy_nor_returns(moving, state):
    moving.state.value = state
    r, pi = flat(moving.r), flat(moving.solution.pi)
    moving.shift.value = 1.5
    expected = np.zeros(len(r))
    expected[3 * state : 3 * state + 3] = 1.5
    expected[edge_into(MDP, state)] = -1.5
    assert_allclose(flat(moving.r) - r, expected, atol=1e-12)
    assert_allclose(flat(moving.solution.pi), pi, atol=1e-12)
    assert_allclose(trajectory_sums(moving.r), trajectory_sums(levels(MDP, r)), atol=1e-12)
    assert "moves pi by 0.00, r of the edges out of it by +1.50, the edge into it by \u22121.50" in (
        moving.picture.reading
    )


def test_a_shift_at_the_root_moves_every_return(moving):
    moving.state.value = 0
    R_before = trajectory_sums(moving.r)
    moving.shift.value = -2.0
    assert_allclose(trajectory_sums(moving.r) - R_before, -2.0, atol=1e-12)
    assert "no edge leads to it, and R of a reply by at most 2.00" in moving.picture.reading


def test_each_state_keeps_its_logits_and_its_shift(moving):
    moving.logits[2].value, moving.shift.value = 4.0, 1.0
    moved = flat(moving.Q)
    moving.state.value = 3
    assert moving.shift.value == 0.0
    moving.state.value = 1
    assert (moving.logits[2].value, moving.shift.value) == (4.0, 1.0)
    assert_allclose(flat(moving.Q), moved)


def test_the_terms_of_the_way_back_add_up(moving):
    moving.shift.value = 0.7
    table = numbers(moving.terms.value)  # Q, beta log pi_ref, V(s'), r, pi
    assert len(table) == 4  # three edges out and one in
    assert_allclose(table[:, 0] - table[:, 1] - table[:, 2], table[:, 3], atol=0.02)
    moving.state.value = 0
    assert len(numbers(moving.terms.value)) == 3


def test_edge_into_is_the_inverse_of_the_transition():
    mdp = uniform_tree(4, 3, 1.0)
    names = state_names(mdp, ("a", "b", "c", "EOS"))
    for state in range(1, mdp.n_states):
        parent, token = divmod(edge_into(mdp, state), 4)
        stem = "" if parent == 0 else names[parent] + " "
        assert stem + "abc"[token] == names[state]


def test_words_are_escaped_wherever_they_are_shown():
    words = ("<img src=x onerror=alert(1)>", "safe", "EOS")
    explorer = LogitExplorer(MDP, words, R)
    shown = explorer.terms.value + explorer.picture.value
    assert "&lt;img" in shown
    assert "<img" not in shown


def test_redrawing_takes_less_than_100_ms(moving):
    times = sweep(moving, (moving.beta, moving.shift, *moving.logits), moving.state)
    assert np.quantile(times, 0.95) < 0.1


def test_the_outcome_of_the_prediction_is_what_the_explorer_shows(moving):
    assert reward_into(moving) is None
    moving.shift.value = 2.0  # a constant is no single logit
    assert reward_into(moving) is None
    moving.logits[1].value += 1.0
    assert reward_into(moving) == "falls, by less than that"
    moving.beta.value = 0.1  # 'safe' is hardly said at all: V does not feel it
    assert reward_into(moving) == "stays"
    moving.logits[0].value = moving.logits[2].value = -6.0  # nothing but 'safe' is said
    assert reward_into(moving) == "falls by as much"


def test_a_prediction_is_judged_by_the_explorer(moving):
    prediction = Prediction("?", ["stays", "falls, by less than that"])
    prediction.judge_by(moving, reward_into)
    prediction.choice.value = "stays"
    assert "Now try it" in prediction.verdict.value
    moving.logits[1].value += 1.0
    assert "It is: falls, by less than that." in prediction.verdict.value

"""Lesson 04's figures: credit on the tree, and the error by the number of pairs."""

import numpy as np
import pytest

from dpoq_lab.lessons.l04_representation.figures import credit_labels, error_figure
from dpoq_lab.theory.example_trees import TOKENS, polite_tree
from dpoq_lab.theory.soft_bellman import implicit_reward, solve
from dpoq_lab.theory.token_mdp import flat, trajectory_sums
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.trees import FELL, OPEN, ROSE

mdp, r = polite_tree()
SOLUTION = solve(mdp, r)
A = flat(implicit_reward(mdp, SOLUTION.pi))
NONE_OPEN = [np.zeros(level.shape, dtype=bool) for level in r]


def test_every_token_carries_its_reward_and_its_credit_and_looks_like_the_credits_sign():
    labels = credit_labels(mdp, TOKENS, r, SOLUTION, NONE_OPEN)
    assert labels.words == list(TOKENS) * 7
    assert labels.above == [f"r {signed(x)}" for x in flat(r)]
    assert labels.below == [f"A* {signed(a)}" for a in A]
    assert labels.states == [signed(v) for v in flat(SOLUTION.V)]
    assert labels.endings == [f"R {signed(x)}" for x in trajectory_sums(r)]
    assert labels.looks() == [ROSE if a > 0 else FELL for a in A]


def test_an_open_token_is_dotted_and_grey_and_marked():
    left_open = [level.copy() for level in NONE_OPEN]
    left_open[1][1, 0] = True
    labels = credit_labels(mdp, TOKENS, r, SOLUTION, left_open)
    [marked] = [i for i, text in enumerate(labels.below) if "?" in text]
    assert marked == 6  # three edges of the start, then three after 'thanks'
    assert [i for i, look in enumerate(labels.looks()) if look == OPEN] == [6]


def test_the_error_figure_shows_median_seeds_and_slope():
    n = np.array([100, 10_000])
    figure = error_figure(n, {"one": np.array([[1.0, 0.1], [2.0, 0.2], [4.0, 0.3]]), "two": np.ones((3, 2))})
    one, slope = figure.data["one"], figure.data["slope n^-1/2"]
    assert list(one.y) == [2.0, 0.2]
    assert [list(seeds) for seeds in one.seeds] == [[1.0, 2.0, 4.0], [0.1, 0.2, 0.3]]
    assert list(slope.y) == pytest.approx([2.0, 0.2])  # a tenth for a hundred times the pairs
    assert "one 2.00 to 0.200" in figure.reading

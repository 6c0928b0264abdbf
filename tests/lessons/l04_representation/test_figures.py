"""Lesson 04's figures: credit on the tree, and the error by the number of pairs."""

import numpy as np
import pytest

from dpoq_lab.lessons.l04_representation.figures import credit_labels, error_figure
from dpoq_lab.theory.example_trees import TOKENS, polite_tree
from dpoq_lab.theory.soft_bellman import implicit_reward, solve
from dpoq_lab.theory.token_mdp import flat, trajectory_sums
from dpoq_lab.views.figures import BLUE, GREY, ORANGE
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.trees import draw_tree, tree_figure

mdp, r = polite_tree()
SOLUTION = solve(mdp, r)
A = flat(implicit_reward(mdp, SOLUTION.pi))
NONE_OPEN = [np.zeros(level.shape, dtype=bool) for level in r]


def edges(left_open):
    """The edges of the drawn tree, and the texts above and below them, in the states and at the endings."""
    figure = tree_figure(mdp)
    draw_tree(figure, credit_labels(mdp, TOKENS, r, SOLUTION, left_open))
    *drawn, above, below, states, endings = figure.data
    return drawn, above.text, below.text, states.text, endings.text


def test_every_token_carries_its_reward_and_its_credit_and_is_coloured_by_the_credits_sign():
    drawn, above, below, states, endings = edges(NONE_OPEN)
    assert list(above) == [
        f"<b>{word}</b>  r {signed(x)}" for word, x in zip(TOKENS * 7, flat(r), strict=True)
    ]
    assert list(below) == [f"A* {signed(a)}" for a in A]
    assert list(states) == [f"V*<br>{signed(v)}" for v in flat(SOLUTION.V)]
    assert list(endings) == [f" R {signed(x)}" for x in trajectory_sums(r)]
    assert [edge.line.color for edge in drawn] == [BLUE if a > 0 else ORANGE for a in A]
    assert [edge.line.dash for edge in drawn] == ["solid" if a > 0 else "dot" for a in A]


def test_an_open_token_is_dashed_and_grey_and_marked():
    left_open = [level.copy() for level in NONE_OPEN]
    left_open[1][1, 0] = True
    drawn, _, below, _, _ = edges(left_open)
    [marked] = [i for i, text in enumerate(below) if "?" in text]
    assert marked == 6  # three edges of the start, then three after 'thanks'
    assert (drawn[marked].line.color, drawn[marked].line.dash) == (GREY, "dash")
    assert [edge.line.dash for edge in drawn].count("dash") == 1


def test_the_error_figure_shows_median_range_and_slope():
    n = np.array([100, 10_000])
    figure = error_figure(n, {"one": np.array([[1.0, 0.1], [2.0, 0.2], [4.0, 0.3]]), "two": np.ones((3, 2))})
    one, _, slope = figure.data
    assert list(one.y) == [2.0, 0.2]
    assert one.error_y.array == pytest.approx([2.0, 0.1])
    assert one.error_y.arrayminus == pytest.approx([1.0, 0.1])
    assert slope.y == pytest.approx([2.0, 0.2])  # a tenth for a hundred times the pairs


def test_the_figure_is_higher_than_its_margins():
    layout = error_figure(np.array([1, 10]), {"one": np.ones((2, 2)), "two": np.ones((2, 2))}).layout
    assert layout.height > layout.margin.t + layout.margin.b + 70

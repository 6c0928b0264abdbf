"""Figures of lessons 03 and 04: what is drawn is what was computed."""

import numpy as np
import pytest

from dpoq_lab.dpo_explorers import LOG_BETAS, token_names
from dpoq_lab.dpo_figures import LIMIT, draw_reduction, draw_tree, error_figure, reduction_figure, tree_figure
from dpoq_lab.dpo_trees import TOKENS, polite_tree
from dpoq_lab.soft_bellman import implicit_reward, solve
from dpoq_lab.token_mdp import random_tree
from dpoq_lab.token_view import signed

mdp, r = polite_tree()
A = implicit_reward(mdp, solve(mdp, r).pi)
NONE_OPEN = [np.zeros(level.shape, dtype=bool) for level in A]


def reduction(fitted):
    figure = reduction_figure(LOG_BETAS)
    kl = np.linspace(1, 0, len(LOG_BETAS))
    return figure, draw_reduction(figure, A, fitted, token_names(mdp), kl, [0.5, 0.25])


def test_each_token_is_drawn_at_its_exact_and_fitted_advantage():
    fitted = [level + 0.5 for level in A]
    figure, reading = reduction(fitted)
    assert np.array(figure.data[1].y) - np.array(figure.data[1].x) == pytest.approx(np.full(21, 0.5))
    assert figure.data[1].text[3].startswith("thanks after 'thanks': A* ")
    assert "largest error of a token 0.50, median 0.50." in reading
    assert "Beyond" not in reading


def test_what_lies_beyond_the_frame_is_drawn_at_its_border_and_said():
    fitted = [level.copy() for level in A]
    fitted[2][0, 0] = -40.0
    figure, reading = reduction(fitted)
    assert min(figure.data[1].y) == -LIMIT
    assert "Beyond the frame: 1." in reading
    assert f"largest error of a token {abs(-40 - A[2][0, 0]):.2f}" in reading


def test_beta_is_drawn_two_ways():
    figure, reading = reduction(A)
    assert np.array(figure.data[3].y) == pytest.approx(10**LOG_BETAS / 2)
    assert list(figure.data[4].y) == [0.25, 0.25]  # KL as given, push 0.5 / 2
    assert list(figure.data[4].x) == [0.5, 0.5]
    assert "KL of the optimum 0.25 nats; first push 0.25 a nat." in reading


def lines(trace):
    return sum(x is None for x in trace.x)


def test_the_tree_draws_every_token_once_by_its_sign():
    figure = tree_figure(mdp)
    draw_tree(figure, mdp, TOKENS, r, A, NONE_OPEN)
    above, below, left_open, labels = figure.data
    assert lines(above) == sum((level >= 0).sum() for level in A)
    assert lines(below) == sum((level < 0).sum() for level in A)
    assert lines(left_open) == 0
    assert len(labels.text) == 21
    assert len(set(zip(labels.x, labels.y, strict=True))) == 21  # no two labels at one place
    assert any(
        t.startswith("no ") and signed(r[0][0, 1]) in t and signed(A[0][0, 1]) in t for t in labels.text
    )
    assert len({trace.line.dash for trace in (above, below, left_open)}) == 3  # told apart without colour


def test_children_hang_below_their_parent():
    """The three first tokens stand in order, each at the mean height of what follows it."""
    figure = tree_figure(mdp)
    draw_tree(figure, mdp, TOKENS, r, A, NONE_OPEN)
    first = [y for x, y in zip(figure.data[3].x, figure.data[3].y, strict=True) if x < 1]
    assert np.diff(first).max() < 0
    assert first[-1] == pytest.approx(-14 + 0.05)


def test_an_open_token_is_dotted_and_marked():
    left_open = [level.copy() for level in NONE_OPEN]
    left_open[1][1, 0] = True
    figure = tree_figure(mdp)
    draw_tree(figure, mdp, TOKENS, r, A, left_open)
    assert lines(figure.data[2]) == 1
    marked = [text for text in figure.data[3].text if "?" in text]
    assert len(marked) == 1
    assert signed(A[1][1, 0]) in marked[0]


def test_the_error_figure_shows_median_range_and_slope():
    n = np.array([100, 10_000])
    figure = error_figure(n, {"one": np.array([[1.0, 0.1], [2.0, 0.2], [4.0, 0.3]]), "two": np.ones((3, 2))})
    one, _, slope = figure.data
    assert list(one.y) == [2.0, 0.2]
    assert one.error_y.array == pytest.approx([2.0, 0.1])
    assert one.error_y.arrayminus == pytest.approx([1.0, 0.1])
    assert slope.y == pytest.approx([2.0, 0.2])  # a tenth for a hundred times the pairs


def test_no_figure_is_lower_than_its_margins():
    small = random_tree(2, 2, 1.0, 0)
    errors = error_figure(np.array([1, 10]), {"one": np.ones((2, 2)), "two": np.ones((2, 2))})
    for figure in (reduction_figure(LOG_BETAS), tree_figure(small), errors):
        margin = figure.layout.margin
        assert figure.layout.height > margin.t + margin.b + 70

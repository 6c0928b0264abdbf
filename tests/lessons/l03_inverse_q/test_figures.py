"""Lesson 03's figures: what is drawn is what was computed."""

import numpy as np
import pytest

from dpoq_lab.lessons.l03_inverse_q.explorer import LOG_BETAS, token_names
from dpoq_lab.lessons.l03_inverse_q.figures import LIMIT, optimal_kl, reduction_figure
from dpoq_lab.theory.example_trees import polite_tree
from dpoq_lab.theory.soft_bellman import implicit_reward, reverse_kl, solve
from dpoq_lab.theory.token_mdp import trajectory_sums

mdp, r = polite_tree()
A = implicit_reward(mdp, solve(mdp, r).pi)


def reduction(fitted):
    betas = 10**LOG_BETAS
    kl = np.linspace(1, 0, len(betas))
    return reduction_figure(A, fitted, token_names(mdp), betas, kl, (0.5, 0.25), "sum:")


def test_each_token_is_drawn_at_its_exact_and_fitted_advantage():
    figure = reduction([level + 0.5 for level in A])
    tokens = figure.data["a token"]
    assert np.array(tokens.y) - np.array(tokens.x) == pytest.approx(np.full(21, 0.5))
    assert tokens.hovers[3].startswith("thanks after 'thanks': A* ")
    assert figure.reading.startswith("sum: beta 0.50: largest error of a token 0.50, median 0.50.")
    assert "Beyond" not in figure.reading


def test_what_lies_beyond_the_frame_is_drawn_at_its_border_and_said():
    fitted = [level.copy() for level in A]
    fitted[2][0, 0] = -40.0
    figure = reduction(fitted)
    assert min(figure.data["a token"].y) == -LIMIT
    assert "Beyond the frame: 1." in figure.reading
    assert f"largest error of a token {abs(-40 - A[2][0, 0]):.2f}" in figure.reading


def test_beta_is_drawn_two_ways():
    figure = reduction(A)
    assert np.array(figure.data["push beta/2"].y) == pytest.approx(10**LOG_BETAS / 2)
    assert list(figure.data["this beta"].y) == [0.25, 0.25]  # KL as given, push 0.5 / 2
    assert list(figure.data["this beta"].x) == [0.5, 0.5]
    assert "KL of the optimum 0.25 nats; first push 0.25 a nat." in figure.reading


def test_the_optimal_kl_is_the_solvers():
    betas = np.array([0.1, 0.7, 3.0])
    expected = [reverse_kl(mdp, solve(mdp, r).pi) for mdp, r in map(polite_tree, betas)]
    mdp, r = polite_tree()
    assert optimal_kl(mdp, trajectory_sums(r), betas) == pytest.approx(expected, abs=1e-12)

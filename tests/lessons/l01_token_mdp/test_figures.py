"""Lesson 01's figures: every number on the tree is the exact solver's."""

import pytest

from dpoq_lab.lessons.l01_token_mdp.figures import optimum_labels, scaling_figure
from dpoq_lab.lessons.l01_token_mdp.speed_study import timings
from dpoq_lab.theory.example_trees import WORDS, mushroom_tree
from dpoq_lab.theory.soft_bellman import solve, trajectory_probs
from dpoq_lab.theory.token_mdp import flat, trajectory_sums
from dpoq_lab.views.figures import BLUE, GREY, ORANGE
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.trees import draw_tree, tree_figure

MDP, R = mushroom_tree(1.0)
EDGES = MDP.n_states * MDP.vocabulary


def test_the_optimum_stands_on_the_tree():
    solution = solve(MDP, R)
    figure = tree_figure(MDP)
    draw_tree(figure, optimum_labels(MDP, WORDS, R, solution, chosen=4))
    *edges, above, below, states, endings = figure.data
    assert len(edges) == len(above.text) == len(below.text) == EDGES
    assert above.text[4] == "\u25b6 <b>safe</b>  r +2.00"
    assert [text.startswith("\u25b6") for text in above.text].count(True) == 1
    for text, ref, pi in zip(below.text, flat(MDP.pi_ref), flat(solution.pi), strict=True):
        assert text == f"\u03c0<sub>ref</sub> {ref:.2f} \u2192 \u03c0* {pi:.2f}"
    assert list(states.text) == [f"V*<br>{signed(v)}" for v in flat(solution.V)]
    p = trajectory_probs(solution.pi)
    assert list(endings.text) == [
        f" R {signed(x)}, p {y:.2f}" for x, y in zip(trajectory_sums(R), p, strict=True)
    ]
    assert list(states.marker.line.width) == [1, 4, 1, 1, 1, 1, 1]  # edge 4 leaves state 1


def test_width_and_dash_say_what_the_numbers_say():
    solution = solve(MDP, R)
    figure = tree_figure(MDP)
    draw_tree(figure, optimum_labels(MDP, WORDS, R, solution, chosen=0))
    for edge, pi, ref in zip(figure.data, flat(solution.pi), flat(MDP.pi_ref), strict=False):
        rises, same = pi > ref + 1e-6, abs(pi - ref) < 1e-6
        assert edge.line.width == pytest.approx(1 + 7 * pi)
        assert edge.line.dash == ("solid" if rises or same else "dot")
        assert edge.line.color == (GREY if same else BLUE if rises else ORANGE)


def test_a_word_cannot_become_markup():
    labels = optimum_labels(MDP, ("<b>", "<a href=x>", "EOS"), R, solve(MDP, R), chosen=0)
    assert not any("<a" in text for text in labels.above)


def test_scaling_figure_draws_what_was_measured_on_logarithmic_axes():
    figure = scaling_figure(timings(horizons=(3, 5), repeats=1))
    seconds, mib = figure.data
    assert list(seconds.x) == [7, 31]
    assert min(*seconds.y, *mib.y) > 0
    assert seconds.line.dash != mib.line.dash
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"

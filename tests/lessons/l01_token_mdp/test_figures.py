"""Lesson 01's figures: every number on the tree is the exact solver's."""

from hand_made import elements, texts

from dpoq_lab.lessons.l01_token_mdp.figures import optimum_labels, scaling_figure
from dpoq_lab.lessons.l01_token_mdp.speed_study import timings
from dpoq_lab.theory.example_trees import WORDS, mushroom_tree
from dpoq_lab.theory.soft_bellman import solve, trajectory_probs
from dpoq_lab.theory.token_mdp import flat, trajectory_sums
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.trees import FELL, ROSE, STAYED, tree_figure

MDP, R = mushroom_tree(1.0)
EDGES = MDP.n_states * MDP.n_actions


def test_the_optimum_stands_on_the_tree():
    solution = solve(MDP, R)
    labels = optimum_labels(MDP, WORDS, R, solution, chosen=4)
    assert len(labels.words) == len(labels.above) == len(labels.below) == EDGES
    assert (labels.words[4], labels.above[4]) == ("safe", "r +2.00")
    for text, ref, pi in zip(labels.below, flat(MDP.pi_ref), flat(solution.pi), strict=True):
        assert text == f"\u03c0_ref {ref:.2f} \u2192 \u03c0* {pi:.2f}"
    assert labels.states == [signed(v) for v in flat(solution.V)]
    p = trajectory_probs(solution.pi)
    ends = [f"R {signed(x)}, p {y:.2f}" for x, y in zip(trajectory_sums(R), p, strict=True)]
    assert labels.endings == ends
    assert (labels.chosen, labels.marked) == (4, 1)  # edge 4 leaves state 1
    shown = texts(tree_figure(MDP, labels, "alt", "reading"))
    assert shown.count("\u25b6 safe r +2.00") == 1
    assert "\u03c0ref 0.30 \u2192 \u03c0* 0.86" in shown


def test_width_and_look_say_what_the_numbers_say():
    solution = solve(MDP, R)
    labels = optimum_labels(MDP, WORDS, R, solution, chosen=0)
    assert list(labels.width) == list(flat(solution.pi))
    for look, pi, ref in zip(labels.looks(), flat(solution.pi), flat(MDP.pi_ref), strict=True):
        assert look == (STAYED if abs(pi - ref) < 1e-6 else ROSE if pi > ref else FELL)


def test_a_word_cannot_become_markup():
    labels = optimum_labels(MDP, ("<b>", "<a href=x>", "EOS"), R, solve(MDP, R), chosen=0)
    figure = tree_figure(MDP, labels, "alt", "reading")
    assert not elements(figure, "a")
    assert any(text.startswith("<a href=x>") for text in texts(figure))


def test_scaling_figure_draws_what_was_measured():
    figure = scaling_figure(timings(horizons=(3, 5), repeats=1))
    assert list(figure.data["seconds"].x) == [7, 31]
    assert min(*figure.data["seconds"].y, *figure.data["peak MiB"].y) > 0

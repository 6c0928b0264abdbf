"""The drawn tree: every edge and ending has its place, and nothing lies on anything else."""

from dataclasses import replace

import numpy as np
import pytest
from hand_made import drawing, elements, texts
from numpy.testing import assert_allclose

from dpoq_lab.lessons.l01_token_mdp.figures import optimum_labels
from dpoq_lab.theory.example_trees import WORDS, mushroom_tree
from dpoq_lab.theory.soft_bellman import solve
from dpoq_lab.theory.token_mdp import flat, uniform_tree
from dpoq_lab.views.trees import ROW, TreeLabels, tree_figure, tree_rows

MDP, R = mushroom_tree(1.0)


def test_rows_by_hand():
    """V = 3, H = 2: rows 0..2 below the first token, 3..5 below the second, EOS of s_0 on row 6."""
    states, ends = tree_rows(uniform_tree(3, 2, 1.0))
    assert [list(level) for level in states] == [[3], [1, 4]]
    assert [level.tolist() for level in ends] == [[[1, 4, 6]], [[0, 1, 2], [3, 4, 5]]]


@pytest.mark.parametrize(("V", "H"), [(2, 1), (2, 4), (3, 3), (4, 3)])
def test_every_ending_has_a_row_and_every_edge_meets_its_state(V, H):
    mdp = uniform_tree(V, H, 1.0)
    states, ends = tree_rows(mdp)
    last = [*(level[:, -1:] for level in ends[:-1]), ends[-1]]
    assert sorted(flat(last)) == list(range(mdp.n_trajectories))
    for level, below in zip(ends[:-1], states[1:], strict=True):
        assert_allclose(level[:, :-1].ravel(), below)


def test_edges_run_from_their_state_to_where_the_token_leads():
    labels = optimum_labels(MDP, WORDS, R, solve(MDP, R), chosen=0)
    figure = tree_figure(MDP, labels, "alt", "reading")
    states, ends = tree_rows(MDP)
    starts = np.repeat(flat(states), MDP.n_actions)
    drawn = elements(figure, "path", "dpoq-edge")
    assert len(drawn) == MDP.n_states * MDP.n_actions
    for edge, start, end, width in zip(drawn, starts, flat(ends), labels.width, strict=True):
        data = edge.get("d")
        assert float(data[1:].split("C")[0].split()[1]) == pytest.approx(start * ROW, abs=0.06)
        assert float(data.split("H")[0].split()[-1]) == pytest.approx(end * ROW, abs=0.06)
        assert float(edge.get("style")[13:-2]) == pytest.approx(1.5 + 6.5 * width, abs=0.06)


def test_the_marked_state_has_a_thick_frame_and_every_ending_its_text():
    labels = optimum_labels(MDP, WORDS, R, solve(MDP, R), chosen=4)  # edge 4 leaves state 1
    figure = tree_figure(MDP, labels, "alt", "reading")
    frames = [box.get("style") for box in elements(figure, "rect", "dpoq-box")]
    assert [i for i, style in enumerate(frames) if "4px" in style] == [1]
    assert set(labels.endings) <= set(texts(figure))
    assert len(elements(figure, "rect", "fill")) == MDP.n_trajectories


def test_the_canvas_holds_the_longest_texts():
    """At 8.2 pixels a letter no label reaches the next state, no ending the border."""
    words = ("a very long word", "safe", "EOS")
    labels = optimum_labels(MDP, words, R, solve(MDP, R), chosen=0)
    figure = tree_figure(MDP, labels, "alt", "reading")
    longest = max(len(f"{w} {a}") for w, a in zip(labels.words, labels.above, strict=True))
    assert figure.width > MDP.horizon * (58 + 44 + 8.2 * longest)


LABELS = TreeLabels(
    words=["a", "E"] * 2,
    above=["1", "22", "3", "4"],
    below=["p", "q", "r", "log pi_ref"],
    value="V",
    states=["s0", "s1"],
    endings=["x", "yy", "z"],
    width=np.array([0, 0.5, 1, 0.2]),
    change=np.array([1.0, -1.0, 0.0, 2.0]),
    open=np.array([False, False, False, True]),
    chosen=1,
    marked=1,
)
DRAWN = """
g translate(31,19)
path dpoq-edge more M29.0 38.0C73.0 38.0 29.0 19.0 73.0 19.0H208.0 stroke-width:1.5px
text 77.0 13.0
tspan word | a |  1
text 77.0 34.0 quiet | p
path dpoq-edge less M29.0 38.0C73.0 38.0 29.0 76.0 73.0 76.0H208.0 stroke-width:4.8px 9 5
text 77.0 70.0
tspan word | ▶ E |  22
text 77.0 91.0 quiet | q
path dpoq-edge grey M237.0 19.0C281.0 19.0 237.0 0.0 281.0 0.0H416.0 stroke-width:8.0px
text 285.0 -6.0
tspan word | a |  3
text 285.0 15.0 quiet | r
path dpoq-edge grey M237.0 19.0C281.0 19.0 237.0 38.0 281.0 38.0H416.0 stroke-width:2.8px 2 5
text 285.0 32.0
tspan word | E |  4
text 285.0 53.0 quiet | log pi
tspan small 3 | ref
tspan -3 | ​
rect dpoq-box -29.0 21.0 58 34 3 stroke-width:1px
text 0.0 35.0 middle small | V
text 0.0 51.0 middle  | s0
rect dpoq-box 179.0 2.0 58 34 3 stroke-width:4px
text 208.0 16.0 middle small | V
text 208.0 32.0 middle  | s1
rect fill ink 203.0 71.0 10 10
text 220.0 81.0 | x
rect fill ink 411.0 -5.0 10 10
text 428.0 5.0 | yy
rect fill ink 411.0 33.0 10 10
text 428.0 43.0 | z
"""


def test_a_tree_of_two_states_whole():
    """Rows of 38 pixels: s_0 in the middle, row 1, above its end on row 2; s_1 between its ends on rows 0
    and 1. A column is a box of 58, a bend of 44, 24, and 10 letters of 8.2; edges 1.5 to 8 pixels thick."""
    figure = tree_figure(uniform_tree(2, 2, 1.0), LABELS, "alt", "reading")
    assert (figure.width, figure.height) == (pytest.approx(29 + 2 * 208 + 24 + 2 * 8.2), 3 * 38 + 6)
    assert (figure.alt, figure.reading) == ("alt", "reading")
    assert drawing(figure.svg()) == DRAWN.strip("\n").split("\n")


def test_without_what_is_open_every_edge_shows_its_change():
    labels = replace(LABELS, open=None)
    assert [look.colour for look in labels.looks()] == ["more", "less", "grey", "more"]

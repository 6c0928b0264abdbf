"""The drawn tree: every edge and ending has its place, and nothing lies on anything else."""

import numpy as np
import pytest
from hand_made import elements, texts
from numpy.testing import assert_allclose

from dpoq_lab.lessons.l01_token_mdp.figures import optimum_labels
from dpoq_lab.theory.example_trees import WORDS, mushroom_tree
from dpoq_lab.theory.soft_bellman import solve
from dpoq_lab.theory.token_mdp import flat, uniform_tree
from dpoq_lab.views.trees import ROW, tree_figure, tree_rows

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

"""The drawn tree: every edge and ending has its place, and nothing lies on anything else."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dpoq_lab.theory.example_trees import mushroom_tree
from dpoq_lab.theory.token_mdp import flat, uniform_tree
from dpoq_lab.views.trees import tree_figure, tree_rows

MDP, _ = mushroom_tree(1.0)


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
    figure = tree_figure(MDP)
    states, ends = tree_rows(MDP)
    starts = np.repeat(flat(states), MDP.vocabulary)
    for edge, start, end in zip(figure.data, starts, flat(ends), strict=False):
        assert (edge.y[0], edge.y[-1]) == (start, end)
        assert edge.x[-1] - edge.x[0] == 1


def test_the_figure_is_higher_than_its_margins():
    figure = tree_figure(uniform_tree(2, 1, 1.0))
    assert figure.layout.height > figure.layout.margin.t + figure.layout.margin.b + 50

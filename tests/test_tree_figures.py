"""The drawn tree: every number on it is the exact solver's, and nothing lies on anything else."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dpoq_lab.bench_token_mdp import measure
from dpoq_lab.figures import BLUE, GREY, ORANGE
from dpoq_lab.soft_bellman import reward_from_q, solve, trajectory_probs
from dpoq_lab.token_mdp import random_reward, trajectory_sums, uniform_tree
from dpoq_lab.token_view import signed
from dpoq_lab.tree_explorers import WORDS, mushroom_tree
from dpoq_lab.tree_figures import (
    draw_tree,
    flat,
    implied_labels,
    levels,
    optimum_labels,
    reply_names,
    scaling_figure,
    state_names,
    tree_figure,
    tree_rows,
)

MDP, R = mushroom_tree(1.0)
EDGES = MDP.n_states * MDP.vocabulary


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


def test_flat_and_levels_are_inverse():
    for level, same in zip(R, levels(MDP, flat(R)), strict=True):
        assert_allclose(level, same, rtol=0, atol=0)


def test_names():
    assert state_names(MDP, WORDS)[:4] == ["s_0", "not", "safe", "not not"]
    assert state_names(MDP, WORDS)[4:] == ["not safe", "safe not", "safe safe"]
    replies = reply_names(MDP, WORDS)
    assert replies[:4] == ["EOS", "not EOS", "safe EOS", "not not not"]
    assert len(replies) == 15


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


def test_the_implied_reward_stands_on_the_tree_and_what_moved_is_marked():
    Q = random_reward(MDP, 3)
    before = reward_from_q(MDP, Q)
    Q[1][0, 1] += 1.0
    r = reward_from_q(MDP, Q)
    figure = tree_figure(MDP)
    draw_tree(figure, implied_labels(MDP, WORDS, r, before, solve(MDP, r), state=1))
    *edges, above, below, _, _ = figure.data
    assert list(below.text) == [f"r {signed(x)}" for x in flat(r)]
    assert all(f"Q {signed(q)}" in text for text, q in zip(above.text, flat(Q), strict=True))
    colours = [edge.line.color for edge in edges]
    assert (colours[4], colours[0]) == (BLUE, ORANGE)  # its own edge, and the one into its state
    assert colours.count(GREY) == EDGES - 2


def test_edges_run_from_their_state_to_where_the_token_leads():
    figure = tree_figure(MDP)
    states, ends = tree_rows(MDP)
    starts = np.repeat(flat(states), MDP.vocabulary)
    for edge, start, end in zip(figure.data, starts, flat(ends), strict=False):
        assert (edge.y[0], edge.y[-1]) == (start, end)
        assert edge.x[-1] - edge.x[0] == 1


def test_a_word_cannot_become_markup():
    labels = optimum_labels(MDP, ("<b>", "<a href=x>", "EOS"), R, solve(MDP, R), chosen=0)
    assert not any("<a" in text for text in labels.above)


def test_the_figure_is_higher_than_its_margins():
    figure = tree_figure(uniform_tree(2, 1, 1.0))
    assert figure.layout.height > figure.layout.margin.t + figure.layout.margin.b + 50


def test_scaling_figure_draws_what_was_measured_on_logarithmic_axes():
    figure = scaling_figure(measure(horizons=(3, 5), repeats=1))
    seconds, mib = figure.data
    assert list(seconds.x) == [7, 31]
    assert min(*seconds.y, *mib.y) > 0
    assert seconds.line.dash != mib.line.dash
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"

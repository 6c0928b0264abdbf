"""Lesson 04's explorer: widgets are moved, and the drawing is held against the solver."""

import numpy as np
import pytest
from hand_made import redraws

from dpoq_lab.lessons.l04_representation.data import removals
from dpoq_lab.lessons.l04_representation.explorer import RepresentationExplorer, credits_changed
from dpoq_lab.theory.example_trees import polite_tree
from dpoq_lab.theory.population_dpo import all_pairs, fit_dpo, undetermined
from dpoq_lab.theory.soft_bellman import implicit_reward, shape, solve
from dpoq_lab.theory.token_mdp import flat, largest, terminal_only, trajectory_sums
from dpoq_lab.views.token_view import signed


@pytest.fixture
def explorer():
    return RepresentationExplorer()


mdp, r = polite_tree()
A = implicit_reward(mdp, solve(mdp, r).pi)


def drawn(explorer):
    """The texts above and below the edges of the tree in the page."""
    labels = explorer.picture.data["labels"]
    return labels.above, labels.below


def credits(explorer):
    return [label.removeprefix("A* ").rstrip("?") for label in drawn(explorer)[1]]


def test_moving_reward_to_the_end_moves_r_and_no_credit(explorer):
    before, text = credits(explorer), drawn(explorer)
    explorer.late.value = 1.0
    assert largest(explorer.reward(), terminal_only(mdp, r)) < 1e-12
    assert credits(explorer) == before
    assert drawn(explorer) != text
    assert sorted(before) == sorted(signed(a) for a in flat(A))
    assert (
        "reward of a token 2.00, A* of a token 0.00 (0 tokens), probability of a preference 0.00"
        in explorer.picture.reading
    )


@pytest.mark.parametrize(("end", "broken"), [(0, False), (1, False), (2, True)])
def test_a_potential_matters_only_if_it_varies_over_the_ends(explorer, end, broken):
    before = credits(explorer)
    explorer.phi.value, explorer.end.index = 1.5, end
    phi = [np.zeros(1), np.array([0, 1.5]), np.zeros(4)]
    if end < 2:
        assert largest(explorer.reward(), shape(mdp, r, phi, [0.0, 2.0][end])) < 1e-12
    assert (credits(explorer) != before) == broken
    assert ("A* of a token 0.00" not in explorer.picture.reading) == broken


def test_removed_pairs_mark_the_tokens_left_open(explorer):
    data = removals(mdp, all_pairs(trajectory_sums(r)))
    for name, count in zip(explorer.data.options, (0, 9, 3, 9), strict=True):
        explorer.data.value = name
        assert np.concatenate(undetermined(mdp, data[name])).sum() == count
        assert sum("?" in label for label in drawn(explorer)[1]) == count
        assert f"left open by the pairs: {count} of 21" in explorer.picture.reading


def test_what_is_not_left_open_is_recovered():
    for data in removals(mdp, all_pairs(trajectory_sums(r))).values():
        found = implicit_reward(mdp, fit_dpo(mdp, data).pi)
        for x, y, left_open in zip(found, A, undetermined(mdp, data), strict=True):
            assert abs(x - y)[~left_open].max(initial=0) < 1e-6


@pytest.mark.parametrize(
    ("reply", "count"),
    [("no thanks \u27e8EOS\u27e9", "9"), ("thanks \u27e8EOS\u27e9", "6"), ("\u27e8EOS\u27e9", "3")],
)
def test_the_prediction_is_judged_by_the_credits_that_one_end_moves(reply, count):
    """Every state on the way to the end has three tokens; the reward of one of them changed."""
    explorer = RepresentationExplorer(reply)
    assert credits_changed(explorer) is None
    explorer.late.value, explorer.end.index = 1.0, 1
    assert credits_changed(explorer) is None
    before = credits(explorer)
    explorer.end.index = 2
    assert credits_changed(explorer) == count
    assert sum(x != y for x, y in zip(credits(explorer), before, strict=True)) == int(count)
    assert f"({count} tokens)" in explorer.picture.reading


def test_every_move_redraws_within_100_ms():
    explorer = RepresentationExplorer()
    times = redraws(explorer.end, [explorer.data, explorer.late, explorer.phi])
    assert len(times) > 60
    assert np.quantile(times, 0.95) < 0.1

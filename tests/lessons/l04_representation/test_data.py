"""What data settle on the readable tree, against counts by hand and the exact solver."""

import numpy as np
import pytest

from dpoq_lab.lessons.l04_representation.data import settled, visits
from dpoq_lab.theory.example_trees import polite_tree
from dpoq_lab.theory.population_dpo import Pairs, all_pairs, fit_dpo, sample_pairs
from dpoq_lab.theory.soft_bellman import implicit_reward
from dpoq_lab.theory.token_mdp import random_tree, trajectory_sums, uniform_tree


def pairs(*rows):
    first, second, label = (np.array(column) for column in zip(*rows, strict=True))
    return Pairs(first, second, label, np.full(len(rows), 1 / len(rows)))


@pytest.mark.parametrize(
    ("rows", "start", "later"),
    [
        ([(1, 2, 0.5), (0, 1, 0.0)], False, True),  # 'aa' and 'a EOS' beat each other, EOS never wins
        ([(1, 2, 0.5), (0, 1, 0.3)], True, True),
        ([(1, 2, 1.0), (0, 1, 0.3)], False, False),  # 'a EOS' never wins
        ([(0, 1, 0.0), (0, 2, 1.0), (1, 2, 0.0)], True, True),  # a cycle: aa > EOS > a EOS > aa
    ],
)
def test_settled_needs_wins_in_both_directions(rows, start, later):
    """two tokens, H=2: replies EOS, aa, a EOS; state () has all three, state (a) the last two."""
    found = settled(uniform_tree(2, 2, 1.0), pairs(*rows))
    assert [level.all() for level in found] == [start, later]
    assert [level.any() for level in found] == [start, later]
    assert found[0].shape == (1, 2)


def test_what_is_settled_stops_moving_and_what_is_not_runs_away():
    mdp, r = polite_tree()
    sample = sample_pairs(all_pairs(trajectory_sums(r)), 60, 0)
    ok = np.concatenate(settled(mdp, sample))
    assert ok.any()
    assert not ok.all()
    short, long = (
        np.concatenate(implicit_reward(mdp, fit_dpo(mdp, sample, max_iterations=n).pi)) for n in (60, 1000)
    )
    assert abs(short - long)[ok].max() < 0.01
    assert abs(short - long)[~ok].max() > 0.5


def test_visits_by_hand():
    data = Pairs(np.array([0, 1]), np.array([1, 2]), np.ones(2), np.array([0.25, 0.75]))
    start, later = visits(uniform_tree(2, 2, 1.0), data, 4)
    assert start.tolist() == [8]  # four pairs have eight replies
    assert later.tolist() == [7]  # all but EOS


def test_visits_of_every_pair_are_the_replies_below_a_state():
    mdp = random_tree(3, 3, 1.0, 0)
    every = all_pairs(np.zeros(mdp.n_trajectories))
    found = visits(mdp, every, len(every.first))
    assert found[0] == pytest.approx([15 * 14])
    assert found[1] == pytest.approx([7 * 14] * 2)
    assert found[2] == pytest.approx([3 * 14] * 4)

"""The readable tree, and what data settle on it, against counts by hand and the exact solver."""

import numpy as np
import pytest

from dpoq_lab.dpo_trees import TOKENS, optimal_kl, polite_tree, random_replies, replies, settled, visits
from dpoq_lab.population_dpo import Pairs, all_pairs, fit_dpo, sample_pairs
from dpoq_lab.soft_bellman import implicit_reward, reverse_kl, solve
from dpoq_lab.token_mdp import random_tree, trajectory_sums, uniform_tree

EOS = TOKENS[2]


def test_the_returns_of_the_readable_tree_are_those_of_its_rules():
    """thanks first +1, no -1, thanks after no +2, thanks again -1, empty -1."""
    mdp, r = polite_tree()
    R = dict(zip(replies(mdp), trajectory_sums(r), strict=True))
    assert len(R) == 15
    expected = {
        EOS: -1,
        f"thanks {EOS}": 1,
        f"no {EOS}": -1,
        f"no thanks {EOS}": 1,
        f"thanks thanks {EOS}": 0,
        "thanks thanks thanks": -1,
        "no thanks no": 0,
        "no no thanks": 0,
        "no no no": -3,
    }
    for text, value in expected.items():
        assert R[text] == value, text


def test_p_thanks_is_the_reference_after_no():
    mdp, _ = polite_tree(beta=0.3, p_thanks=0.9)
    assert mdp.beta == 0.3
    assert mdp.pi_ref[1][1] == pytest.approx([0.9, 0.02, 0.08])


def test_the_optimal_kl_is_the_solvers():
    betas = np.array([0.1, 0.7, 3.0])
    expected = [reverse_kl(mdp, solve(mdp, r).pi) for mdp, r in map(polite_tree, betas)]
    mdp, r = polite_tree()
    assert optimal_kl(mdp, trajectory_sums(r), betas) == pytest.approx(expected, abs=1e-12)


def test_the_fifteen_replies_of_the_table():
    mdp, r, exists = random_replies()
    assert exists.sum() == 15
    assert mdp.beta == 0.5
    A = implicit_reward(mdp, solve(mdp, r).pi)
    average = (np.exp(log_p(mdp)) * trajectory_sums(A))[exists].sum()
    assert average == pytest.approx(-0.4470463455, abs=1e-9)


def log_p(mdp):
    with np.errstate(divide="ignore"):
        return trajectory_sums([np.log(level) for level in mdp.pi_ref])


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
    """V=2, H=2: replies EOS, aa, a EOS; state () has all three, state (a) the last two."""
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

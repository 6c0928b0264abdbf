"""Trees in which some nodes are nature's: exact values, luck, and population DPO, against enumeration.

`naive_mdp` is the oracle: dictionaries, recursion, and sums over every trajectory.
"""

import math

import naive_mdp
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.optimize import approx_fprime
from scipy.special import log_softmax

from dpoq_lab.theory.population_dpo import Pairs, all_pairs, fit_dpo, undetermined
from dpoq_lab.theory.soft_bellman import (
    environment_luck,
    implicit_reward,
    objective,
    preference,
    return_residual,
    solve,
    trajectory_probs,
)
from dpoq_lab.theory.token_mdp import (
    TokenMDP,
    next_values,
    prefix,
    random_reward,
    random_tree,
    trajectory_sums,
)

TOL = 1e-12
TREES = pytest.mark.parametrize("seed", range(20))


def tree(seed, nature=0.4):
    """V in 2..4, H in 3..5, and a reward; in each state nature moves with probability `nature`."""
    mdp = random_tree(2 + seed % 3, 3 + seed // 3 % 3, 0.3 + 0.06 * seed, seed, nature=nature)
    return mdp, random_reward(mdp, 1000 + seed)


def oracle_of(mdp, r):
    return naive_mdp.Tree(mdp.pi_ref, r, mdp.beta, mdp.chance)


@TREES
def test_values_and_policy_are_those_of_enumeration(seed):
    mdp, r = tree(seed)
    oracle, solution = oracle_of(mdp, r), solve(mdp, r)
    for t, level in enumerate(mdp.pi_ref):
        for i in range(len(level)):
            s = prefix(mdp, t, i)
            assert solution.V[t][i] == pytest.approx(oracle.V_star(s), abs=TOL)
            for a in range(mdp.n_actions):
                assert solution.Q[t][i, a] == pytest.approx(oracle.Q(s, a), abs=TOL)
                assert solution.pi[t][i, a] == pytest.approx(oracle.pi_star(s, a), abs=TOL)


@TREES
def test_the_optimum_is_worth_its_value_by_enumeration_and_every_other_policy_less(seed):
    mdp, r = tree(seed)
    oracle, solution = oracle_of(mdp, r), solve(mdp, r)
    best = oracle.J(oracle.table(solution.pi))
    assert best == pytest.approx(solution.V[0][0], abs=TOL)
    assert objective(mdp, r, solution.pi) == pytest.approx(best, abs=TOL)
    other = random_tree(mdp.n_actions, mdp.horizon, 1.0, seed + 500).pi_ref
    mixed = [np.where(c[:, None], ref, x) for c, ref, x in zip(mdp.chance, mdp.pi_ref, other, strict=True)]
    if any((~c).any() for c in mdp.chance):
        assert oracle.J(oracle.table(mixed)) < best - 100 * TOL


@TREES
def test_a_step_pays_its_log_ratio_and_the_fall_in_value_to_the_mean_of_what_follows(seed):
    """r = beta log pi*/pi_ref + V(s) - E V(s') at the policy's nodes, if nothing is paid at nature's."""
    mdp, r = tree(seed)
    r = [np.where(c[:, None], 0.0, x) for c, x in zip(mdp.chance, r, strict=True)]
    solution, base = solve(mdp, r), mdp.n_actions - 1
    credit = implicit_reward(mdp, solution.pi)
    for t in range(mdp.horizon):
        for i in np.flatnonzero(~mdp.chance[t]):
            for a in range(mdp.n_actions):
                to_come = 0.0
                if a < base and t < mdp.horizon - 1:
                    j = i * base + a
                    to_come = solution.V[t + 1][j]
                    if mdp.chance[t + 1][j]:  # the mean over what nature does there
                        after = next_values(mdp, solution.V)[t + 1][j]
                        assert to_come == pytest.approx(mdp.pi_ref[t + 1][j] @ after, abs=TOL)
                assert r[t][i, a] == pytest.approx(credit[t][i, a] + solution.V[t][i] - to_come, abs=TOL)


@TREES
def test_what_the_log_ratios_leave_of_the_return_is_luck_whose_mean_is_0_under_every_policy(seed):
    mdp, r = tree(seed)
    solution = solve(mdp, r)
    luck = environment_luck(mdp, solution)
    assert abs(return_residual(mdp, r, solution) - luck).max() < 1e-11
    for pi in (solution.pi, mdp.pi_ref):
        assert trajectory_probs(pi) @ luck == pytest.approx(0, abs=1e-11)
    if any(c.any() for c in mdp.chance):
        assert abs(luck).max() > 1e-2


@TREES
def test_without_nature_it_is_the_deterministic_solver_to_the_last_bit(seed):
    """Backward induction written out for trees in which the policy makes every move."""
    mdp, r = tree(seed, nature=0.0)
    solution, after = solve(mdp, r), None
    for t in reversed(range(mdp.horizon)):
        to_come = np.zeros(r[t].shape)
        if t < mdp.horizon - 1:
            to_come[:, :-1] = after.reshape(len(to_come), -1)
        Q = r[t] + mdp.beta * np.log(mdp.pi_ref[t]) + to_come
        top = Q.max(axis=1)
        after = top + mdp.beta * np.log(np.exp((Q - top[:, None]) / mdp.beta).sum(axis=1))
        assert_array_equal(solution.Q[t], Q)
        assert_array_equal(solution.V[t], after)
        assert_array_equal(solution.pi[t], np.exp((Q - after[:, None]) / mdp.beta))


def dpo_loss(oracle, pairs, log_pi):
    """Eq. (9) by lists of trajectories: only the policy's own moves are scored."""
    every = oracle.trajectories()

    def score(y):
        own = [step for step in oracle.steps(y) if step[0] not in oracle.chance]
        return oracle.beta * sum(log_pi[step] - math.log(oracle.pi_ref[step]) for step in own)

    total = 0.0
    for a, b, label, weight in zip(pairs.first, pairs.second, pairs.label, pairs.weight, strict=True):
        margin = score(every[a]) - score(every[b])
        total += weight * (label * math.log1p(math.exp(-margin)) + (1 - label) * math.log1p(math.exp(margin)))
    return total


@pytest.mark.parametrize("seed", range(6))
def test_population_dpo_on_returns_is_at_a_minimum_of_the_enumerated_loss(seed):
    mdp = random_tree(3, 2, 0.7, seed, nature=0.4)
    r = random_reward(mdp, seed)
    pairs, oracle = all_pairs(trajectory_sums(r)), oracle_of(mdp, r)
    fit = fit_dpo(mdp, pairs)
    states = [(t, i) for t, level in enumerate(mdp.chance) for i in np.flatnonzero(~level)]

    def loss(theta):
        log_pi = dict(oracle.pi_ref)
        for (t, i), row in zip(states, theta.reshape(len(states), -1), strict=True):
            for a, value in enumerate(log_softmax(row)):
                log_pi[prefix(mdp, t, i), a] = value
        return dpo_loss(oracle, pairs, log_pi)

    at = np.concatenate([np.log(fit.pi[t][i]) for t, i in states]) if states else np.zeros(0)
    assert loss(at) == pytest.approx(fit.loss, abs=TOL)
    if states:
        assert abs(approx_fprime(at, loss, 1e-7)).max() < 1e-6
        noise = np.random.default_rng(seed).normal(size=(20, at.size))
        assert all(loss(at + 0.3 * row) >= fit.loss - TOL for row in noise)


def ask_and_guess(beta):
    """At the start: ask, wait, or end. After asking, and only there, nature moves."""
    pi_ref = [
        np.array([[0.2, 0.2, 0.6]]),
        np.array([[0.3, 0.3, 0.4], [0.5, 0.2, 0.3]]),
        np.tile([0.4, 0.3, 0.3], (4, 1)),
    ]
    nature = [np.array([False]), np.array([True, False]), np.zeros(4, dtype=bool)]
    return TokenMDP(pi_ref, beta, chance=nature)


def test_dpo_on_returns_is_not_the_optimum_where_nature_moves_and_on_regrets_it_is():
    """Returns hold luck that no log-ratio explains; labels by summed A* hold none."""
    mdp = ask_and_guess(0.6)
    r = random_reward(mdp, 8, scale=2.0)
    best = solve(mdp, r)
    A = trajectory_sums(implicit_reward(mdp, best.pi))
    on_returns = fit_dpo(mdp, all_pairs(trajectory_sums(r)))
    on_regrets = fit_dpo(mdp, all_pairs(A))
    miss = max(abs(x - y).max() for x, y in zip(on_returns.pi, best.pi, strict=True))
    hit = max(abs(x - y).max() for x, y in zip(on_regrets.pi, best.pi, strict=True))
    assert miss > 0.05
    assert hit < 1e-6
    for fit in (on_returns, on_regrets):
        assert fit.pi[1][0] == pytest.approx(mdp.pi_ref[1][0], abs=1e-15)  # nature's law stays nature's


def test_no_pair_need_say_anything_of_nature():
    mdp = ask_and_guess(1.0)
    pair = Pairs(np.array([1]), np.array([2]), np.array([0.5]), np.array([1.0]))
    assert not undetermined(mdp, pair)[1][0].any()
    assert undetermined(mdp, pair)[1][1].any()


def test_preferences_by_returns_are_no_bradley_terry_model_of_the_log_ratios():
    mdp = ask_and_guess(0.6)
    r = random_reward(mdp, 8, scale=2.0)
    R, A = trajectory_sums(r), trajectory_sums(implicit_reward(mdp, solve(mdp, r).pi))
    assert abs(preference(R[:, None], R) - preference(A[:, None], A)).max() > 0.1

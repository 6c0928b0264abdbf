"""Claims that a lesson shows in a cell, by another way: (3), (9) as a KL, rankings, a wrong V, Q."""

from itertools import permutations

import numpy as np
import pytest

from dpoq_lab.theory.population_dpo import all_pairs, fit_dpo
from dpoq_lab.theory.search_values import value_objective
from dpoq_lab.theory.soft_bellman import implicit_reward, preference, solve, trajectory_probs
from dpoq_lab.theory.token_mdp import (
    prefix,
    random_reward,
    random_tree,
    state_of,
    terminal_only,
    trajectories,
    trajectory_sums,
)

SEEDS = range(20)


def instance(seed, beta=0.7):
    mdp = random_tree(3, 3, beta, seed + 50)
    return mdp, random_reward(mdp, seed + 90)


def apart(x, y):
    return max(abs(a - b).max() for a, b in zip(x, y, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_equation_3_pays_the_return_at_the_end_and_keeps_the_optimum(seed):
    mdp, r = instance(seed)
    late, exact = solve(mdp, terminal_only(mdp, r)), solve(mdp, r)
    assert apart(late.pi, exact.pi) < 1e-10
    assert abs(late.V[0][0] - exact.V[0][0]) < 1e-10
    assert apart(late.V[1:], exact.V[1:]) > 0.1  # what is still to be paid is another matter


@pytest.mark.parametrize("seed", SEEDS)
def test_the_dpo_loss_is_a_kl_of_preference_laws_and_the_entropy_of_the_labels(seed):
    mdp, r = instance(seed)
    R = trajectory_sums(r)
    pairs = all_pairs(R, trajectory_probs(mdp.pi_ref) > 0)
    fit = fit_dpo(mdp, pairs, max_iterations=2)  # stopped early: any policy will do
    sums = trajectory_sums(implicit_reward(mdp, fit.pi))
    kl = entropy = 0.0
    for i, j, weight in zip(pairs.first, pairs.second, pairs.weight, strict=True):
        for told, said in ((preference(R[i], R[j]), preference(sums[i], sums[j])),):
            for p, q in ((told, said), (1 - told, 1 - said)):
                kl += weight * p * np.log(p / q)
                entropy -= weight * p * np.log(p)
    assert kl > 1e-4
    assert fit.loss == pytest.approx(kl + entropy, abs=1e-10)


def plackett_luce(order, u):
    """p(order) by drawing the best, then the best of the rest, and so on."""
    left, p = list(order), 1.0
    for reply in order:
        p *= np.exp(u[reply]) / sum(np.exp(u[other]) for other in left)
        left.remove(reply)
    return p


@pytest.mark.parametrize("seed", SEEDS)
def test_the_implicit_reward_ranks_three_replies_by_the_law_of_the_reward(seed):
    mdp, r = instance(seed)
    R, hat = trajectory_sums(r), trajectory_sums(implicit_reward(mdp, solve(mdp, r).pi))
    three = np.random.default_rng(seed).permutation(mdp.n_trajectories)[:3]
    laws = [[plackett_luce(order, u) for order in permutations(three)] for u in (R, hat)]
    assert sum(laws[0]) == pytest.approx(1)
    assert laws[0] == pytest.approx(laws[1], abs=1e-12)
    lengths = trajectories(mdp).lengths
    by_mean = [plackett_luce(order, hat / lengths) for order in permutations(np.argsort(lengths)[[0, 5, -1]])]
    by_sum = [plackett_luce(order, R) for order in permutations(np.argsort(lengths)[[0, 5, -1]])]
    assert max(abs(a - b) for a, b in zip(by_mean, by_sum, strict=True)) > 1e-3  # means rank by another law


@pytest.mark.parametrize("seed", SEEDS)
def test_under_a_wrong_value_12_is_the_likelihood_and_the_bellman_residuals_on_the_way(seed):
    mdp, r = instance(seed)
    rng = np.random.default_rng(seed)
    V = [level + rng.normal(size=level.shape) for level in solve(mdp, r).V]
    for t, level in enumerate(value_objective(mdp, r, V)):
        for (i, a), guided in np.ndenumerate(level):
            likelihood = residuals = 0.0
            told = (*prefix(mdp, t, i), a)
            for k, token in enumerate(told):
                Q = q_of(mdp, r, V, k, told[:k])
                soft = mdp.beta * np.log(np.exp(Q / mdp.beta).sum())
                likelihood += Q[token] - soft
                residuals += soft - V[k][state_of(mdp, told[:k])]
            assert likelihood == pytest.approx(guided - V[0][0] - residuals, abs=1e-10)
            assert abs(residuals) > 1e-6


def q_of(mdp, r, V, t, path):
    """Q of every token after `path` by (7), with the value V of what it leads to, 0 at an end."""
    state = state_of(mdp, path)
    after = [
        V[t + 1][state_of(mdp, (*path, token))] if t + 1 < mdp.horizon and token < mdp.n_actions - 1 else 0.0
        for token in range(mdp.n_actions)
    ]
    return r[t][state] + mdp.beta * np.log(mdp.pi_ref[t][state]) + np.array(after)


def test_dpo_from_the_references_own_pairs_lowers_the_mean_q_of_its_replies():
    """Population DPO on a tree: the objective (2) is reached, and by (16) the references' replies lose."""
    for seed in SEEDS:
        mdp, r = instance(seed)
        R = trajectory_sums(r)
        fit = fit_dpo(mdp, all_pairs(R, trajectory_probs(mdp.pi_ref) > 0))
        ref = trajectory_probs(mdp.pi_ref)
        change = ref @ trajectory_sums(implicit_reward(mdp, fit.pi))  # of the mean Q*, as V*(s_0) stays in it
        assert change < -1e-3
        pi = trajectory_probs(fit.pi)
        assert pi @ (R - trajectory_sums(implicit_reward(mdp, fit.pi))) > ref @ R

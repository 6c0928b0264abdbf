"""Rows 10 and 11 of the checks: (12) is (13) at every prefix, and what each ranking of replies wants."""

import numpy as np
import pytest

from dpoq_lab.theory.search_values import rankings, value_objective
from dpoq_lab.theory.soft_bellman import solve
from dpoq_lab.theory.token_mdp import prefix, random_reward, random_tree, state_of

SEEDS = range(20)


def instance(seed, beta=0.7, n_actions=4, H=4):
    mdp = random_tree(n_actions, H, beta, seed)
    r = random_reward(mdp, seed + 1)
    return mdp, r, solve(mdp, r)


def likelihood(mdp, solution, t, i, a):
    """V*(s_0) + sum beta log pi* of the prefix that ends in token a of state i of level t, token by token."""
    told, total = (*prefix(mdp, t, i), a), float(solution.V[0][0])
    for k, token in enumerate(told):
        total += mdp.beta * np.log(solution.pi[k][state_of(mdp, told[:k]), token])
    return total


@pytest.mark.parametrize("seed", SEEDS)
def test_row_10_equation_12_is_13_for_every_prefix_and_depth(seed):
    mdp, r, solution = instance(seed)
    for t, level in enumerate(value_objective(mdp, r, solution.V)):
        for (i, a), value in np.ndenumerate(level):
            assert value == pytest.approx(likelihood(mdp, solution, t, i, a), abs=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_row_11_likelihood_ranks_by_R_plus_beta_log_pi_ref_and_the_ratio_by_R(seed):
    mdp, r, solution = instance(seed)
    found, start = rankings(mdp, r, solution), float(solution.V[0][0])
    assert abs(found["beta log pi*"] + start - found["R + beta log pi_ref"]).max() < 1e-10
    assert abs(found["beta log pi*/pi_ref"] + start - found["R"]).max() < 1e-10


def test_the_two_rankings_disagree_on_the_best_reply_in_some_trees():
    best = [
        {name: values.argmax() for name, values in rankings(*instance(seed)).items()} for seed in range(50)
    ]
    assert any(row["R"] != row["R + beta log pi_ref"] for row in best)

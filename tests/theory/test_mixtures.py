"""Row 14: a token mixture is exact with one base at lambda 1, and only an approximation elsewhere."""

import numpy as np
import pytest
import torch

from dpoq_lab.theory.mixtures import distance_to_reply_mixture, mixed_logits, reply_mixture, token_mixture
from dpoq_lab.theory.soft_bellman import solve, trajectory_log_probs
from dpoq_lab.theory.token_mdp import random_reward, random_tree

SEEDS = range(20)


@pytest.mark.parametrize("seed", SEEDS)
def test_row_14_with_the_references_base_and_lambda_1_it_is_the_proxy_token_by_token_and_reply_by_reply(seed):
    mdp = random_tree(4, 4, 0.7, seed)
    pi = solve(mdp, random_reward(mdp, seed)).pi
    for ours, theirs in zip(token_mixture(mdp.pi_ref, pi, mdp.pi_ref, 1.0), pi, strict=True):
        assert abs(ours - theirs).max() < 1e-12
    assert distance_to_reply_mixture(mdp, mdp.pi_ref, pi, 1.0) < 1e-12
    assert distance_to_reply_mixture(mdp, mdp.pi_ref, pi, 0.0) < 1e-12


@pytest.mark.parametrize("lam", [0.5, 2.0, 3.0])
def test_at_other_lambdas_the_token_mixture_is_not_the_mixture_of_replies(lam):
    distances = []
    for seed in SEEDS:
        mdp = random_tree(4, 4, 0.7, seed)
        pi = solve(mdp, random_reward(mdp, seed)).pi
        distances.append(distance_to_reply_mixture(mdp, mdp.pi_ref, pi, lam))
    assert min(distances) > 1e-4
    assert max(distances) < 1


def test_another_base_is_not_exact_at_lambda_1_either():
    mdp, other = random_tree(4, 4, 0.7, 0), random_tree(4, 4, 0.7, 99)
    pi = solve(mdp, random_reward(mdp, 0)).pi
    assert distance_to_reply_mixture(mdp, other.pi_ref, pi, 1.0) > 0.01
    assert np.exp(reply_mixture(other.pi_ref, pi, mdp.pi_ref, 1.0)).sum() == pytest.approx(1)
    assert np.exp(
        trajectory_log_probs(token_mixture(other.pi_ref, pi, mdp.pi_ref, 1.0))
    ).sum() == pytest.approx(1)


def test_equation_14_by_hand_for_numpy_and_torch_alike():
    """0.5 (0.9 / 0.3)^2 = 4.5 against 0.5 (0.1 / 0.7)^2: log-odds ln(4.5 * 98)."""
    p = np.log([[0.5, 0.5], [0.9, 0.1], [0.3, 0.7]])
    for x in (p, torch.tensor(p)):
        logits = mixed_logits(x[0], x[1], x[2], 2.0)
        assert float(logits[0] - logits[1]) == pytest.approx(np.log(4.5 * 98))

"""Rows 12 and 13 of the checks: what the mean implicit reward is, and which sign it has."""

import numpy as np
import pytest
from hand_made import state_kl

from dpoq_lab.lessons.l08_reference_policy.theory import (
    chosen_and_rejected,
    chosen_reward_by_beta,
    first_step,
    kl,
    mean_reward,
    small_reward_limit,
)
from dpoq_lab.theory.soft_bellman import forward_kl, policy_of, solve, trajectory_probs
from dpoq_lab.theory.token_mdp import TokenMDP, random_reward, random_tree, stream, trajectory_sums

SEEDS = range(20)


def instance(seed, beta=0.7, scale=1.0):
    mdp = random_tree(4, 4, beta, seed)
    r = random_reward(mdp, seed + 1, scale)
    return mdp, r, solve(mdp, r).pi, trajectory_probs(mdp.pi_ref)


@pytest.mark.parametrize("seed", SEEDS)
def test_row_12_the_identity_holds_for_any_law_of_replies(seed):
    mdp, _, pi, ref = instance(seed)
    mu = np.random.default_rng(seed).dirichlet(np.ones(mdp.n_trajectories))
    assert mean_reward(mdp, mu, pi) == pytest.approx(
        mdp.beta * (kl(mu, ref) - kl(mu, trajectory_probs(pi))), abs=1e-10
    )
    assert mean_reward(mdp, ref, pi) == pytest.approx(-mdp.beta * forward_kl(mdp, pi), abs=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_row_12_it_holds_at_every_state_too(seed):
    mdp, _, pi, _ = instance(seed)
    for ref, level, forward in zip(mdp.pi_ref, pi, state_kl(mdp.pi_ref, pi), strict=True):
        mean = (ref * mdp.beta * np.log(level / ref)).sum(axis=1)
        assert mean == pytest.approx(-mdp.beta * forward, abs=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_row_12_the_identity_holds_per_state_for_any_law_of_the_next_token(seed):
    mdp, _, pi, _ = instance(seed)
    mu = random_tree(4, 4, 1.0, seed + 300).pi_ref
    left = [(m * mdp.beta * np.log(p / q)).sum(axis=1) for m, p, q in zip(mu, pi, mdp.pi_ref, strict=True)]
    kls = zip(left, state_kl(mu, mdp.pi_ref), state_kl(mu, pi), strict=True)
    for mean, to_ref, to_pi in kls:
        assert mean == pytest.approx(mdp.beta * (to_ref - to_pi), abs=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_row_12_with_pairs_from_the_reference_chosen_and_rejected_average_to_minus_beta_kl(seed):
    mdp, r, pi, ref = instance(seed)
    chosen, rejected = chosen_and_rejected(trajectory_sums(r), ref)
    assert chosen.sum() == pytest.approx(1)
    assert (chosen >= 0).all()
    assert (rejected >= -1e-15).all()
    mean = (mean_reward(mdp, chosen, pi) + mean_reward(mdp, rejected, pi)) / 2
    assert mean == pytest.approx(-mdp.beta * forward_kl(mdp, pi), abs=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_row_13_after_sft_on_the_chosen_law_the_chosen_reward_is_exactly_minus_beta_kl(seed):
    mdp, r, _, ref = instance(seed)
    chosen, _ = chosen_and_rejected(trajectory_sums(r), ref)
    after_sft = TokenMDP(policy_of(mdp, chosen), mdp.beta)
    pi = solve(after_sft, r).pi
    found = mean_reward(after_sft, chosen, pi)
    assert found == pytest.approx(-mdp.beta * forward_kl(after_sft, pi), abs=1e-10)
    assert found < 0


def test_row_13_for_small_rewards_the_sign_of_the_chosen_reward_turns_at_beta_1():
    betas = np.array([0.25, 0.5, 1.0, 2.0, 4.0])
    for seed in SEEDS:
        mdp, r, _, ref = instance(seed, scale=0.01)
        found = chosen_reward_by_beta(mdp.pi_ref, r, betas)
        limit = small_reward_limit(trajectory_sums(r), ref, betas)
        assert found == pytest.approx(limit, rel=0.1, abs=2e-5)
        assert (found[:2] < 0).all()
        assert (found[3:] > 0).all()


def test_for_large_rewards_the_chosen_reward_can_rise_at_beta_below_1():
    mdp, r, pi, ref = instance(0, beta=0.7, scale=3.0)
    chosen, rejected = chosen_and_rejected(trajectory_sums(r), ref)
    assert mean_reward(mdp, chosen, pi) > mean_reward(mdp, rejected, pi)


def test_kl_of_one_law_with_itself_is_0_and_off_its_support_infinite():
    assert kl(np.array([0.5, 0.5, 0.0]), np.array([0.5, 0.5, 0.0])) == 0
    assert kl(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == np.inf


def test_the_first_step_goes_where_its_rule_says_for_any_laws():
    """A small natural-gradient step on a table, taken and measured, against the rule; 300 random laws."""
    for seed in range(300):
        ref, chosen, rejected = stream(seed, "laws").dirichlet(np.ones(12), 3)
        log_pi = np.log(ref) + 1e-6 * (chosen - rejected) / ref
        moved = log_pi - np.log(np.exp(log_pi).sum()) - np.log(ref)
        assert chosen @ moved == pytest.approx(1e-6 * first_step(ref, chosen, rejected), rel=1e-3, abs=1e-11)


def test_chosen_replies_that_are_the_references_own_fall_at_first():
    """mu_w = pi_ref leaves no room: the rule gives 0; a law between the two gives a fall."""
    ref, other = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    assert first_step(ref, ref, other) == 0
    assert first_step(ref, 0.9 * ref + 0.1 * other, other) < 0
    assert first_step(ref, other, ref) > 0

"""Row 14: proxy tuning is exact with one base at lambda 1, and only an approximation elsewhere."""

import numpy as np
import pytest
import torch

from dpoq_lab.language_study import PAD, encode, stored_study
from dpoq_lab.languages import order_pairs
from dpoq_lab.proxy_tuning import ProxyTuning, distance_to_reply_mixture, reply_mixture, steer, token_mixture
from dpoq_lab.scorers import MixedScorer, ModelScorer
from dpoq_lab.soft_bellman import solve, trajectory_log_probs
from dpoq_lab.token_mdp import random_reward, random_tree

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


@pytest.fixture(scope="module")
def small():
    return stored_study()[0].policies


@pytest.fixture(scope="module")
def pairs():
    return encode(order_pairs(3, 5))


def test_the_processor_is_the_mixed_scorer_also_beside_padding(small, pairs):
    """Two prompts of different length in one left-padded batch, against the scorer on each alone."""
    prompts = [pairs[0].chosen.prompt_ids, pairs[1].chosen.prompt_ids + pairs[1].chosen.ids[:5]]
    width = max(map(len, prompts))
    ids = torch.tensor([[PAD] * (width - len(p)) + p for p in prompts])
    base, proxy, ref = small["SFT"], small["DPO from base"], small["base"]
    mask = (ids != PAD).long()
    with torch.no_grad():
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        scores = base(ids, attention_mask=mask, position_ids=positions).logits[:, -1]
    found = ProxyTuning(proxy, ref, 1.5, PAD)(ids, scores).log_softmax(-1)
    mixed = MixedScorer([ModelScorer(m, 0) for m in (base, proxy, ref)], [1.0, 1.5, -1.5])
    for row, prompt in enumerate(prompts):
        assert torch.allclose(found[row], mixed.start(tuple(prompt))[1][0], atol=1e-3)


def test_steering_the_reference_itself_at_lambda_1_samples_the_proxy(small, pairs):
    """The same law and the same seed give the same replies."""
    prompts = [pair.chosen.prompt_ids for pair in pairs]
    base, proxy = small["base"], small["DPO from base"]
    steered = steer(base, proxy, base, 1.0, prompts, PAD, seed=3)
    own = steer(proxy, proxy, proxy, 0.0, prompts, PAD, seed=3)
    assert steered == own


def test_lambda_0_is_the_base(small, pairs):
    prompts = [pair.chosen.prompt_ids for pair in pairs]
    a = steer(small["base"], small["DPO from base"], small["base"], 0.0, prompts, PAD, seed=1)
    b = steer(small["base"], small["SFT"], small["SFT"], 1.0, prompts, PAD, seed=1)
    assert a == b

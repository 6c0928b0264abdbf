"""Token rewards and the scores of credit assignment."""

import math
from copy import deepcopy
from inspect import signature

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2LMHeadModel

from dpoq_lab import rewards
from dpoq_lab.credit import auroc, changed_tokens, precision_at_1
from dpoq_lab.encoding import Response
from dpoq_lab.models import tiny as build_tiny
from dpoq_lab.rewards import length_batches, score_pairs, score_responses, token_rewards


def test_token_rewards_by_hand():
    """beta = 0.1, pi doubles one token's probability and halves another's: r = +-0.1 ln 2."""
    r = token_rewards(np.log([0.5, 0.1]), np.log([0.25, 0.2]), beta=0.1)
    assert r.tolist() == pytest.approx([0.1 * math.log(2), -0.1 * math.log(2)])


def test_scores_agree_with_the_batch_of_one_and_keep_the_order(tiny, tokenizer, train_pairs):
    reference = build_tiny(seed=1)
    responses = [response for pair in train_pairs[:5] for response in (pair.chosen, pair.rejected)]
    together = score_responses(tiny, reference, tokenizer, responses, batch_size=4)
    for response, scores in zip(responses, together, strict=True):
        alone = score_responses(tiny, reference, tokenizer, [response])[0]
        assert scores.response is response
        assert scores.logp_policy == pytest.approx(alone.logp_policy, abs=1e-4)
        assert len(scores.rewards(0.1)) == len(response.ids)


def test_a_policy_has_no_reward_and_no_divergence_from_itself(tiny, tokenizer, train_pairs):
    scores = score_responses(tiny, tiny, tokenizer, [train_pairs[0].chosen])[0]
    assert set(scores.rewards(0.1)) == {0.0}
    assert max(map(abs, scores.kl_ref_pi + scores.kl_pi_ref)) < 1e-9


def test_divergences_are_positive_and_alternatives_sorted(tiny, tokenizer, train_pairs):
    scores = score_responses(tiny, build_tiny(seed=1), tokenizer, [train_pairs[0].chosen], top=3)[0]
    assert min(scores.kl_ref_pi + scores.kl_pi_ref) > 0
    for top in scores.top_policy + scores.top_reference:
        values = [value for _, value in top]
        assert len(top) == 3
        assert values == sorted(values, reverse=True)


def test_changed_tokens_by_hand():
    assert changed_tokens([1, 2, 3, 4], [1, 9, 3, 4]) == [False, True, False, False]
    assert changed_tokens([1, 2], [1, 2]) == [False, False]
    assert changed_tokens([5], [6, 7]) == [True]


@given(st.lists(st.integers(0, 5)), st.lists(st.integers(0, 5)))
def test_unchanged_tokens_are_the_same_on_both_sides(ids, other):
    kept = [i for i, changed in zip(ids, changed_tokens(ids, other), strict=True) if not changed]
    remaining = iter(other)
    assert all(token in remaining for token in kept)  # a common subsequence


def test_auroc_by_hand():
    """Positives 3, 1 against negatives 2, 0: three of the four comparisons are won."""
    assert auroc([3, 1, 2, 0], [True, True, False, False]) == 0.75
    assert auroc([1, 1], [True, False]) == 0.5
    assert math.isnan(auroc([1, 2], [True, True]))


def test_auroc_agrees_with_scikit_learn_ties_included():
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(0)
    for _ in range(50):
        scores, labels = generator.integers(0, 5, size=30), generator.random(30) < 0.3
        if 0 < labels.sum() < 30:
            assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_precision_at_1_by_hand():
    """A hit, a hit, a tie that the earliest token wins (a hit), a miss; the last has nothing to find."""
    scores = [[0.1, 0.9], [0.8, 0.9], [0.5, 0.5], [0.9, 0.1], [1.0, 2.0]]
    labels = [[False, True], [False, True], [True, False], [False, True], [False, False]]
    assert precision_at_1(scores, labels) == (3 / 4, 4)
    assert math.isnan(precision_at_1([[1.0]], [[False]])[0])


def test_entropy_is_that_of_the_policy_at_each_visited_state(tiny, tokenizer, train_pairs):
    """entropy = E_pi[-log pi] = -KL(pi||pi_ref) + cross-entropy; for pi = pi_ref uniform it is log V."""
    with torch.no_grad():
        for parameter in tiny.parameters():
            parameter.zero_()
    scores = score_responses(tiny, tiny, tokenizer, [train_pairs[0].chosen])[0]
    assert scores.entropy == pytest.approx([math.log(len(tokenizer))] * len(scores.entropy), abs=1e-4)


def test_dropout_is_off_whoever_passes_the_models_in(tokenizer, train_pairs):
    """A GPT-2 in train mode, as a trainer leaves it: with dropout its rewards against itself are not 0."""
    config = GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2, n_positions=256)
    model = GPT2LMHeadModel(config).train()
    [scores] = score_responses(model, deepcopy(model), tokenizer, [train_pairs[0].chosen], top=0)
    assert set(scores.rewards(1.0)) == {0.0}
    assert model.training


def test_batches_are_by_length_and_hold_so_many_responses_and_logits(monkeypatch):
    """Lengths 5, 1, 3, 2, so in the order 1, 3, 2, 0; then 24 logits over 4 words: 6 places."""
    responses = [Response([0], [1] * n, [(0, 0)] * n, "") for n in (5, 1, 3, 2)]
    assert list(length_batches(responses, 3, 4)) == [[1, 3, 2], [0]]
    assert list(length_batches(responses, 1, 4)) == [[1], [3], [2], [0]]
    monkeypatch.setattr(rewards, "MOST_LOGITS", 24)
    assert list(length_batches(responses, 9, 4)) == [[1, 3], [2], [0]]
    prompts = [Response([0] * p, [1], [(0, 0)], "") for p in (3, 1, 2)]
    assert list(length_batches(prompts, 9, 1)) == [[1, 2, 0]]


def test_the_sizes_of_a_batch_are_the_callers(tiny, tokenizer, train_pairs, monkeypatch):
    asked = []
    whole = rewards.length_batches
    monkeypatch.setattr(rewards, "length_batches", lambda *given: (asked.append(given[1:]), whole(*given))[1])
    score_responses(tiny, tiny, tokenizer, [train_pairs[0].chosen], batch_size=3)
    assert asked == [(3, len(tokenizer))]


def test_logits_take_128_mib_at_most_and_alternatives_are_as_many_as_asked(tiny, tokenizer, train_pairs):
    assert rewards.MOST_LOGITS * 4 == 128 * 2**20
    for top in (0, 1, 2):
        [scores] = score_responses(tiny, build_tiny(seed=1), tokenizer, [train_pairs[0].chosen], top=top)
        assert {len(each) for each in scores.top_policy + scores.top_reference} == {top}


def test_pairs_come_without_alternatives_unless_asked(tiny, tokenizer, train_pairs):
    other = build_tiny(seed=1)
    [[chosen, rejected]] = score_pairs(tiny, other, tokenizer, train_pairs[:1])
    assert not any([*chosen.top_policy, *rejected.top_reference])
    [[chosen, rejected]] = score_pairs(tiny, other, tokenizer, train_pairs[:1], top=2)
    assert {len(top) for top in [*chosen.top_policy, *rejected.top_reference]} == {2}


@pytest.mark.parametrize("shares", [True, False])
def test_pairs_are_scored_as_their_replies_alone(tiny, tokenizer, train_pairs, monkeypatch, shares):
    """Whether or not the models can share a prompt, and in the order of the pairs."""
    other, pairs = build_tiny(seed=1), train_pairs[:6]
    monkeypatch.setattr(rewards, "can_share", lambda batch, *models: models == (tiny, other) and shares)
    monkeypatch.setattr(rewards, "MOST_PAIRS", 4)
    ways = []
    whole = rewards.pair_logits
    monkeypatch.setattr(rewards, "pair_logits", lambda *given: (ways.append(given[2]), whole(*given))[1])
    for pair, scored in zip(pairs, score_pairs(tiny, other, tokenizer, pairs, top=1), strict=True):
        for side, found in zip(rewards.SIDES, scored, strict=True):
            [alone] = score_responses(tiny, other, tokenizer, [getattr(pair, side)], top=1)
            assert found.response is getattr(pair, side)
            for name in ("logp_policy", "logp_reference", "kl_ref_pi", "kl_pi_ref", "entropy"):
                assert getattr(found, name) == pytest.approx(getattr(alone, name), abs=1e-4)
            assert found.shift.at == alone.shift.at
    assert ways == [shares] * 4  # two batches of four and two pairs, under both models


def test_a_batch_of_pairs_holds_the_logits_of_both_replies(tiny, tokenizer, train_pairs, monkeypatch):
    asked, whole = [], rewards.length_batches
    monkeypatch.setattr(rewards, "length_batches", lambda *given: (asked.append(given), whole(*given))[1])
    score_pairs(tiny, tiny, tokenizer, train_pairs[:2])
    [(longer, pairs, words)] = asked
    assert [len(r.ids) for r in longer] == [
        max(len(p.chosen.ids), len(p.rejected.ids)) for p in train_pairs[:2]
    ]
    assert (pairs, words) == (16, 2 * len(tokenizer))


class Letters:
    """Decodes the ids 0, 1, 2, ... as a, b, c, ..."""

    def decode(self, ids):
        return "".join("abcdefgh"[i] for i in ids)


def test_a_scored_response_by_hand():
    """Two actions around an observation, of a policy with a word more than the reference.

    Policy 1/2, 1/4, 1/4 (and next to nothing for a fourth word), reference 1/4, 1/4, 1/2 in the first state;
    the same ones exchanged in the last: KLs of ln 2 / 4 each way, entropy 1.5 ln 2.
    """
    ln2, small = math.log(2), -60.0
    pi, ref = [math.log(p) for p in (0.5, 0.25, 0.25)], [math.log(p) for p in (0.25, 0.25, 0.5)]
    logits = torch.tensor([[*pi, small], [*pi, small], [*ref, small], [0.0] * 4])  # a row of padding
    logits_ref = torch.tensor([ref, ref, pi, [0.0] * 3])
    response = Response([9], [0, 1, 0], [(0, 1), (1, 2), (2, 3)], "aba", actions=[True, False, True])
    found = rewards._token_scores(response, logits, logits_ref, Letters(), 2)
    assert found.response is response
    assert found.logp_policy == pytest.approx([-ln2, 0, -2 * ln2])
    assert found.logp_reference == pytest.approx([-2 * ln2, 0, -ln2])
    assert found.kl_ref_pi == pytest.approx([ln2 / 4, 0, ln2 / 4])
    assert found.kl_pi_ref == pytest.approx([ln2 / 4, 0, ln2 / 4])
    assert found.entropy == pytest.approx([1.5 * ln2, 0, 1.5 * ln2])
    tops = [[(word, round(math.exp(value), 6)) for word, value in top] for top in found.top_policy]
    assert tops == [[("a", 0.5), ("b", 0.25)], [], [("c", 0.5), ("a", 0.25)]]
    tops = [[(word, round(math.exp(value), 6)) for word, value in top] for top in found.top_reference]
    assert tops == [[("c", 0.5), ("a", 0.25)], [], [("a", 0.5), ("b", 0.25)]]
    assert found.shift.at == 0
    assert found.rewards(0.5) == pytest.approx([0.5 * ln2, 0, -0.5 * ln2])


def test_the_two_kls_differ_where_the_laws_are_no_mirror_images():
    pi, ref = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.25, 0.75]]).log()
    response = Response([9], [0], [(0, 1)], "a")
    found = rewards._token_scores(response, pi, ref, Letters(), 0)
    assert found.kl_ref_pi == pytest.approx([0.25 * math.log(0.5) + 0.75 * math.log(1.5)])
    assert found.kl_pi_ref == pytest.approx([0.5 * math.log(2) + 0.5 * math.log(2 / 3)])
    assert (found.top_policy, found.top_reference) == ([[]], [[]])


def test_where_probability_went_at_the_steepest_action():
    """From c, d to a, b, e and f, of which three are told, with pi_ref before pi; nothing that stayed."""
    ref = torch.tensor([0.1, 0.1, 0.4, 0.2, 0.05, 0.05, 0.1])
    pi = torch.tensor([0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1])
    flat = torch.full((7,), 1 / 7)
    found = rewards._shift(
        torch.stack([flat, pi]).log(), torch.stack([flat, ref]).log(), torch.tensor([0.5, -0.6]), Letters()
    )
    assert found.at == 1

    def rounded(moved):
        return [(word, round(before, 4), round(after, 4)) for word, before, after in moved]

    assert rounded(found.gained)[:2] == [("a", 0.1, 0.3), ("b", 0.1, 0.2)]
    assert len(found.gained) == 3
    assert rounded(found.lost) == [("c", 0.4, 0.1), ("d", 0.2, 0.1)]
    few = rewards._shift(pi[None, :2].log(), ref[None, :2].log(), torch.tensor([0.5]), Letters())
    assert (rounded(few.gained), few.lost) == ([("a", 0.1, 0.3), ("b", 0.1, 0.2)], [])


def test_what_is_asked_of_scoring_if_nothing_is_said():
    given = {name: p.default for name, p in signature(score_responses).parameters.items()}
    assert (given["batch_size"], given["top"]) == (8, 5)
    assert signature(score_pairs).parameters["top"].default == 0

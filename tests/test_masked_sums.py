"""What others say is read and not scored: loss, gradient, rewards and credit against sums masked by hand."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from chat_templates import ASK, says, styled
from hand_made import one_character_tokens, summarise

from dpoq_lab import models
from dpoq_lab.batches import collate
from dpoq_lab.credit import credit_report
from dpoq_lab.encoding import EncodedPair, encode_pairs
from dpoq_lab.losses import dpo_loss, log_ratios, response_logits, score, token_log_probs
from dpoq_lab.objectives import DPO, SFT
from dpoq_lab.preferences import Pair
from dpoq_lab.rewards import score_responses
from dpoq_lab.schedule import Settings
from dpoq_lab.training import train

CHATML = styled("ChatML")
BEFORE = "<|im_start|>user\nWhat colour is the sky?<|im_end|>\n<|im_start|>assistant\n"
CHOSEN = [
    (BEFORE, False),
    ("At noon?<|im_end|>", True),
    ("\n<|im_start|>user\nYes.<|im_end|>\n<|im_start|>assistant\n", False),
    ("It is blue.<|im_end|>", True),
]
REJECTED = [(BEFORE, False), ("Who cares? Not I, for one.<|im_end|>", True)]


def two_turn_pair() -> EncodedPair:
    """As the package encodes it: two turns against one, of different lengths."""
    turns = [says("assistant", "At noon?"), says("user", "Yes."), says("assistant", "It is blue.")]
    [pair] = encode_pairs(CHATML, [Pair(ASK, turns, "Who cares? Not I, for one.")], 999).pairs
    return pair


def by_hand(model, parts):
    """Summed log pi over the parts that the assistant said: one sequence, no padding, a mask by part."""
    ids, mine = [], []
    for text, said in parts:
        new = CHATML(text, add_special_tokens=False).input_ids
        ids, mine = ids + new, mine + [said] * len(new)
    log_pi = model(input_ids=torch.tensor([ids[:-1]])).logits[0].float().log_softmax(-1)
    each = log_pi.gather(-1, torch.tensor(ids[1:]).unsqueeze(-1)).squeeze(-1)
    return each[torch.tensor(mine[1:])].sum(), sum(mine)


def policy_and_reference():
    sizes = {"hidden_size": 32, "layers": 1, "initializer_range": 0.3}
    return models.build(CHATML, **sizes), models.build(CHATML, seed=1, **sizes)


def gradients(model):
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def dpo_by_hand(policy, reference, beta):
    ratios = []
    for parts in (CHOSEN, REJECTED):
        with torch.no_grad():
            log_ref, _ = by_hand(reference, parts)
        ratios.append(by_hand(policy, parts)[0] - log_ref)
    return -torch.nn.functional.logsigmoid(beta * (ratios[0] - ratios[1]))


def dpo_of_batch(policy, reference, pair, beta):
    batch = collate([pair.chosen, pair.rejected], CHATML.pad_token_id)
    ratios = log_ratios(token_log_probs(policy, batch), score(reference, batch))
    return dpo_loss(ratios[:1], ratios[1:], beta).mean()


def test_the_dpo_loss_and_its_gradients_are_the_sum_masked_by_hand():
    policy, reference = policy_and_reference()
    expected = dpo_by_hand(policy, reference, 0.3)
    expected.backward()
    by_hand_gradients = gradients(policy)
    policy.zero_grad()
    found = dpo_of_batch(policy, reference, two_turn_pair(), 0.3)
    found.backward()
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)
    for name, gradient in gradients(policy).items():
        assert torch.allclose(gradient, by_hand_gradients[name], atol=1e-5), name


@pytest.mark.parametrize("observation", [4, 6, 8])
def test_an_observation_scored_by_mistake_changes_loss_and_gradient(observation):
    policy, reference = policy_and_reference()
    pair = two_turn_pair()
    place = [i for i, mine in enumerate(pair.chosen.actions) if not mine][observation]
    actions = [mine or i == place for i, mine in enumerate(pair.chosen.actions)]
    wrong = replace(pair, chosen=replace(pair.chosen, actions=actions))
    seen = []
    for each in (pair, wrong):
        policy.zero_grad()
        loss = dpo_of_batch(policy, reference, each, 0.3)
        loss.backward()
        seen.append((loss.item(), gradients(policy)["model.norm.weight"]))
    assert abs(seen[0][0] - seen[1][0]) > 1e-3
    assert not torch.allclose(seen[0][1], seen[1][1], atol=1e-3)


@pytest.mark.parametrize("objective", [SFT(), DPO(beta=0.3)])
def test_a_step_of_training_uses_the_same_sums(objective):
    """The loss and gradient norm that a run logs; SFT is a mean over the actions alone."""
    policy, reference = policy_and_reference()
    copy = deepcopy(policy)
    if isinstance(objective, SFT):
        total, n = by_hand(policy, CHOSEN)
        expected = -total / n
    else:
        expected = dpo_by_hand(policy, reference, 0.3)
    expected.backward()
    norm = torch.cat([parameter.grad.flatten() for parameter in policy.parameters()]).norm()
    settings = Settings(objective, lr=1e-4, steps=1, batch_size=1, micro_batch=1)
    [record] = train(copy, [two_turn_pair()], CHATML.pad_token_id, settings, reference, progress=False)
    assert record["loss_mean"] == pytest.approx(expected.item(), abs=1e-5)
    assert record["grad_norm"] == pytest.approx(norm.item(), rel=1e-4)


def test_rewards_and_divergences_of_observations_are_zero_and_have_no_alternatives():
    policy, reference = policy_and_reference()
    pair = two_turn_pair()
    [scores] = score_responses(policy, reference, CHATML, [pair.chosen])
    total = by_hand(policy, CHOSEN)[0] - by_hand(reference, CHOSEN)[0]
    assert sum(scores.rewards(0.3)) == pytest.approx(0.3 * total.item(), abs=1e-4)
    for mine, r, kl, kl_back, entropy, likeliest in zip(
        pair.chosen.actions,
        scores.rewards(0.3),
        scores.kl_ref_pi,
        scores.kl_pi_ref,
        scores.entropy,
        scores.top_policy,
        strict=True,
    ):
        assert mine == (kl > 0) == (kl_back > 0) == (entropy > 0) == bool(likeliest)
        assert mine or r == 0


def test_credit_and_divergence_are_taken_over_actions():
    """Token 1 of the rejected side is an observation: neither its label nor its place in the mean counts."""
    chosen = one_character_tokens([1, 9, 3], [-1.0, -1.0, -4.0], [-1.0, -1.0, -4.0])
    rejected = one_character_tokens([1, 2, 5], [-1.0, 0.0, -6.0], [-1.0, 0.0, -4.0], flaws=((2, 3),))
    actions = replace(rejected.response, actions=[True, False, True])
    rejected = replace(rejected, response=actions, kl_ref_pi=[2.0, 0.0, 4.0])
    report = credit_report([(chosen, rejected)])
    assert report["marks"]["tokens"] == 2
    assert report["marks"]["-r"]["auroc"] == 1.0
    assert report["side"]["-r"]["tokens"] == 3  # 9, 3 and 5; not the 2 that was read
    summary = summarise([(chosen, rejected)], beta=1.0)
    assert summary["kl_ref_pi_token_mean"] == pytest.approx((0 + 0 + 0 + 2 + 4) / 5)
    assert summary["not_scored"] == {"responses": 2, "observations": 1, "tails": {}}


# With all tokens actions nothing has changed


def test_where_all_tokens_are_actions_the_mask_is_that_of_the_padding(tiny, train_pairs):
    batch = collate([pair.chosen for pair in train_pairs[:6]], pad_id=1)
    lengths = torch.tensor([len(pair.chosen.ids) for pair in train_pairs[:6]])
    padded = torch.arange(batch.response_ids.shape[1]) >= lengths.unsqueeze(1)
    logits = response_logits(tiny, batch)
    unmasked = logits.log_softmax(-1).gather(-1, batch.response_ids.unsqueeze(-1)).squeeze(-1)
    assert torch.equal(token_log_probs(tiny, batch), unmasked.masked_fill(padded, 0.0))


def test_stored_figures_of_plain_replies(tiny, train_pairs):
    """Loss, first summed log-ratios and gradient norms, as they were when every token was an action."""
    batch = collate([p.chosen for p in train_pairs] + [p.rejected for p in train_pairs], 1)
    ratios = log_ratios(token_log_probs(tiny, batch), score(models.tiny(seed=1), batch))
    loss = dpo_loss(ratios[:24], ratios[24:], 0.3).mean()
    loss.backward()
    norms = [parameter.grad.double().norm().item() for parameter in tiny.parameters()]
    assert loss.item() == pytest.approx(0.7138140797615051, rel=1e-6)
    assert ratios.sum(1).tolist()[:3] == pytest.approx([4.426660538, 2.391620159, 0.087286949], abs=1e-5)
    assert norms[:3] == pytest.approx([2.0589221347, 0.0238487994, 0.0241035907], rel=1e-5)

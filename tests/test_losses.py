"""Losses: numbers worked out by hand, and the identities that a DPO run must start from."""

import math

import pytest
import torch

from dpoq_lab.batches import collate
from dpoq_lab.encoding import encode_response
from dpoq_lab.losses import (
    cpl_loss,
    dpo_loss,
    log_probs,
    log_ratios,
    response_logits,
    score,
    sft_loss,
    token_log_probs,
)


def test_dpo_loss_by_hand():
    """beta = 0.5; chosen log-ratios 1 + 1 = 2, rejected -1 - 1 = -2: margin 0.5 * 4 = 2.

    -log sigma(2) = log(1 + e^-2) = log(1.1353353) = 0.1269280.
    """
    chosen, rejected = torch.tensor([[1.0, 1.0]]), torch.tensor([[-1.0, -1.0]])
    assert dpo_loss(chosen, rejected, beta=0.5).item() == pytest.approx(0.1269280, abs=1e-6)


def test_dpo_loss_sums_and_does_not_average():
    """Lengths 2 and 4 with the same mean 1: sums 2 and 4, margin 0.1 * (2 - 4) = -0.2.

    -log sigma(-0.2) = log(1 + e^0.2) = log(2.2214028) = 0.7981389; a mean would give ln 2.
    """
    chosen, rejected = torch.ones(1, 2), torch.ones(1, 4)
    assert dpo_loss(chosen, rejected, beta=0.1).item() == pytest.approx(0.7981389, abs=1e-6)


def test_dpo_loss_is_ln_2_where_policy_is_reference_for_every_beta():
    zero = torch.zeros(3, 5)
    for beta in (0.01, 0.1, 10.0):
        assert torch.allclose(dpo_loss(zero, zero, beta), torch.full((3,), math.log(2)))


def test_dpo_gradient_by_hand():
    """dL/d(log-ratio of a chosen token) = -beta sigma(-margin): at margin 0 and beta 0.4 it is -0.2."""
    chosen = torch.zeros(1, 3, requires_grad=True)
    dpo_loss(chosen, torch.zeros(1, 2), beta=0.4).sum().backward()
    assert torch.allclose(chosen.grad, torch.full((1, 3), -0.2))


def test_dpo_loss_is_finite_for_absurd_margins():
    far = torch.full((1, 1), 1e5)
    assert dpo_loss(far, -far, 1.0).item() == 0.0
    assert dpo_loss(-far, far, 1.0).item() == pytest.approx(2e5)


def test_cpl_loss_by_hand():
    """alpha 0.5, bias 0.5: chosen -2 - 2 = -4, rejected -12: margin 1, -log sigma(1) = 0.3132617."""
    chosen, rejected = torch.tensor([[-2.0, -2.0]]), torch.tensor([[-4.0, -4.0, -4.0]])
    assert cpl_loss(chosen, rejected, alpha=0.5, bias=0.5).item() == pytest.approx(0.3132617, abs=1e-6)


def test_cpl_without_bias_cannot_tell_a_common_shift_and_with_it_can():
    chosen, rejected = torch.tensor([[-1.0]]), torch.tensor([[-3.0]])
    shifted = [
        cpl_loss(chosen - 5, rejected - 5, 1.0, bias) - cpl_loss(chosen, rejected, 1.0, bias)
        for bias in (1, 0.5)
    ]
    assert shifted[0].item() == pytest.approx(0, abs=1e-7)
    assert shifted[1].item() > 1  # moving both away from the data is costly


def test_cpl_with_bias_1_is_dpo_with_a_uniform_reference_for_equal_lengths():
    log_pi = torch.randn(2, 3, 7)
    uniform = torch.full((3, 7), -math.log(150))
    expected = dpo_loss(log_ratios(log_pi[0], uniform), log_ratios(log_pi[1], uniform), 0.3)
    assert torch.allclose(cpl_loss(log_pi[0], log_pi[1], 0.3, 1.0), expected, atol=1e-5)


def test_sft_loss_by_hand():
    """Two tokens of probability 1/2 and 1/4: -log(1/8) = 3 log 2."""
    log_pi = torch.tensor([[0.5, 0.25]]).log()
    assert sft_loss(log_pi).item() == pytest.approx(3 * math.log(2), rel=1e-6)


def batch_of(tokenizer, *texts):
    prompt = [{"role": "user", "content": "Say something."}]
    return collate([encode_response(tokenizer, prompt, text, 99) for text in texts], tokenizer.pad_token_id)


def test_token_log_probs_are_log_softmax_of_the_logits_one_step_before(tiny, tokenizer):
    batch = batch_of(tokenizer, "Yes.")
    P, R = batch.input_ids.shape[1] - batch.response_ids.shape[1], batch.response_ids.shape[1]
    with torch.no_grad():
        logits = tiny(input_ids=batch.input_ids).logits[0]
    expected = [logits[P - 1 + t].log_softmax(-1)[batch.response_ids[0, t]].item() for t in range(R)]
    assert score(tiny, batch)[0].tolist() == pytest.approx(expected, abs=1e-5)


def test_no_logits_are_computed_but_those_that_predict_the_response(tiny, tokenizer):
    """One position before each response token, and the last, whose logits predict nothing."""
    asked = []

    def model(**given):
        asked.append(given["logits_to_keep"])
        return tiny(**given)

    batch = batch_of(tokenizer, "Yes.")
    logits = response_logits(model, batch)
    assert logits.shape[:2] == batch.response_ids.shape
    assert asked == [batch.response_ids.shape[1] + 1]


def test_padding_changes_nothing_and_is_scored_zero(tiny, tokenizer):
    """A response alone, and beside a longer one: the same numbers, and 0 where it is padded."""
    short, long = "Yes.", "No, I would rather not do that today, but thank you for asking me."
    alone, beside = score(tiny, batch_of(tokenizer, short)), score(tiny, batch_of(tokenizer, short, long))
    n = alone.shape[1]
    assert torch.allclose(beside[0, :n], alone[0], atol=1e-5)
    assert (beside[0, n:] == 0).all()


def test_a_longer_prompt_in_the_batch_changes_nothing(tiny, tokenizer):
    prompts = [
        [{"role": "user", "content": text}] for text in ("Hi", "A much longer question than that one?")
    ]
    rows = [encode_response(tokenizer, prompt, "Yes.", 99) for prompt in prompts]
    together = score(tiny, collate(rows, tokenizer.pad_token_id))
    for row, response in zip(together, rows, strict=True):
        alone = score(tiny, collate([response], tokenizer.pad_token_id))
        assert torch.allclose(row, alone[0], atol=1e-5)


def test_absolute_positions_count_from_the_first_real_token(tokenizer):
    """GPT-2 adds a learned vector a position, so left padding must not shift positions."""
    from transformers import GPT2Config, GPT2LMHeadModel

    size = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), initializer_range=0.5, **size)).eval()
    prompts = [[{"role": "user", "content": text}] for text in ("Hi", "A much longer question than that?")]
    rows = [encode_response(tokenizer, prompt, "Yes.", 99) for prompt in prompts]
    together = score(model, collate(rows, tokenizer.pad_token_id))
    alone = score(model, collate(rows[:1], tokenizer.pad_token_id))
    assert torch.allclose(together[0], alone[0], atol=1e-4)


def test_log_ratios_of_a_policy_to_itself_are_zero(tiny, tokenizer):
    batch = batch_of(tokenizer, "Yes.", "Certainly not.")
    log_pi = token_log_probs(tiny, batch)
    assert torch.equal(log_ratios(log_pi, score(tiny, batch)), torch.zeros_like(log_pi))


def test_log_probs_are_float32_under_autocast(tiny, tokenizer):
    batch = batch_of(tokenizer, "Yes.")
    with torch.autocast("cpu", torch.bfloat16):
        logits = response_logits(tiny, batch)
    assert logits.dtype == torch.float32
    assert log_probs(logits, batch).dtype == torch.float32


def test_score_gives_no_gradient_and_ignores_dropout(tiny, tokenizer):
    batch = batch_of(tokenizer, "Yes.")
    for layer in tiny.model.layers:
        layer.self_attn.attention_dropout = 0.5
    tiny.train()
    first, second = score(tiny, batch), score(tiny, batch)
    assert not first.requires_grad
    assert torch.equal(first, second)
    assert tiny.training

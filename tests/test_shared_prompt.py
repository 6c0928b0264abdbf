"""A prompt computed once for both responses: the same numbers and gradients as two rows give."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, MistralConfig, MistralForCausalLM, set_seed

from dpoq_lab.batches import collate
from dpoq_lab.encoding import Response
from dpoq_lab.losses import response_logits, token_log_probs
from dpoq_lab.models import tiny as build_tiny
from dpoq_lab.shared_prompt import _whichever, can_share, pair_logits, shared_log_probs, shared_logits, way

VOCAB = 50


def response(prompt, ids, actions=()):
    return Response(list(prompt), list(ids), [(0, 0)] * len(ids), "", actions=list(actions))


def batch_of(sizes):
    """Pairs of random tokens by (P, R_w, R_l), chosen responses first; of the first an action is masked."""
    draw = torch.Generator().manual_seed(0)

    def some(n):
        return torch.randint(3, VOCAB, (n,), generator=draw).tolist()

    chosen, rejected = [], []
    for P, R_w, R_l in sizes:
        prompt = some(P)
        chosen.append(response(prompt, some(R_w), [k != 1 for k in range(R_w)]))
        rejected.append(response(prompt, some(R_l)))
    return collate(chosen + rejected, pad_id=0)


SIZES = {
    "one pair": [(5, 3, 2)],
    "the rejected one is longer": [(7, 2, 6)],
    "of different lengths": [(9, 4, 3), (3, 2, 5), (6, 6, 1)],
    "a prompt of one token": [(1, 2, 3), (4, 1, 1)],
}


def gradient(model, log_pi, batch):
    """Of a sum in which no two places weigh alike."""
    found = log_pi(model, batch)
    weights = torch.arange(1.0, found.numel() + 1).reshape(found.shape)
    return torch.cat(
        [g.flatten() for g in torch.autograd.grad((found * weights).sum(), list(model.parameters()))]
    )


@pytest.mark.parametrize("sizes", SIZES)
def test_log_probabilities_and_gradients_are_those_of_two_rows(sizes):
    model, batch = build_tiny(), batch_of(SIZES[sizes])
    plain = token_log_probs(model, batch)
    shared = shared_log_probs(model, batch)
    assert shared.shape == plain.shape
    assert torch.allclose(shared, plain, atol=2e-5)
    assert (shared == 0).equal(~batch.action_mask)
    expected = gradient(model, token_log_probs, batch)
    assert torch.allclose(
        gradient(model, shared_log_probs, batch), expected, atol=1e-4 * expected.abs().max()
    )


def test_neither_response_sees_the_other():
    """Another chosen response changes nothing of the rejected one, and the other way round."""
    model, batch = build_tiny(), batch_of([(5, 4, 3)])
    P = 5
    before = shared_log_probs(model, batch)
    for row in (0, 1):
        batch.input_ids[row, P : P + 3] = batch.response_ids[row, :3] = torch.tensor([7, 8, 9])
        after = shared_log_probs(model, batch)
        assert torch.equal(after[1 - row], before[1 - row])
        assert not torch.equal(after[row], before[row])
        before = after


def test_gpt2_has_learned_positions_and_takes_it_too():
    set_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=VOCAB, n_embd=32, n_layer=2, n_head=2)).eval()
    batch = batch_of(SIZES["of different lengths"])
    assert torch.allclose(shared_log_probs(model, batch), token_log_probs(model, batch), atol=2e-5)
    assert way(batch, model, None) is _whichever


def test_a_model_that_attends_otherwise_is_scored_in_two_rows():
    """Within a window the far end of a prompt is not seen, here or in a longer batch."""
    set_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    windows = {}
    batch = batch_of(SIZES["of different lengths"])
    for window in (4, 4000, None):
        config = MistralConfig(vocab_size=VOCAB, num_key_value_heads=2, sliding_window=window, **sizes)
        model = windows[window] = MistralForCausalLM(config).eval()
    apart = (shared_log_probs(windows[4], batch) - token_log_probs(windows[4], batch)).abs().max()
    assert apart > 1e-3
    assert [way(batch, model) for model in windows.values()] == [token_log_probs, token_log_probs, _whichever]
    model = windows[4]
    assert way(batch, build_tiny(), model) is token_log_probs
    assert way(batch, build_tiny(), None) is _whichever


@pytest.mark.parametrize(("sizes", "rows"), [((20, 5, 4), 1), ((2, 20, 20), 2), ((10, 10, 10), 1)])
def test_it_is_used_where_much_is_saved(sizes, rows):
    """29 tokens for 50; 42 for 44; 30 for 40."""
    seen = []
    model = build_tiny()
    model.register_forward_pre_hook(
        lambda module, _, given: seen.append(len(given["input_ids"])), with_kwargs=True
    )
    _whichever(model, batch_of([sizes]))
    assert seen == [rows]


def test_pairs_of_logits_are_the_same_in_both_ways():
    """Of the longest chosen and the longest rejected reply; in two rows a pair both are padded alike."""
    model, batch = build_tiny(), batch_of([(20, 5, 2), (22, 3, 4)])
    assert can_share(batch, model)
    once, twice = pair_logits(model, batch, share=True), pair_logits(model, batch, share=False)
    assert [x.shape[1] for x in once] == [5, 4]
    assert [x.shape[1] for x in twice] == [5, 5]
    for a, b, rows in zip(once, twice, batch.action_mask.chunk(2), strict=True):
        for k, mask in enumerate(rows):
            R = int(mask.nonzero().max()) + 1
            assert torch.allclose(a[k, :R], b[k, :R], atol=2e-5)
    assert all(x.dtype == torch.float32 for x in shared_logits(model.to(torch.bfloat16), batch))


def test_what_does_not_pay_is_computed_in_two_rows():
    model, batch = build_tiny(), batch_of([(2, 20, 20)])
    chosen, rejected = pair_logits(model, batch, share=True)
    assert torch.equal(torch.cat([chosen, rejected]), response_logits(model, batch))

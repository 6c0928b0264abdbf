"""Proxy tuning of models: the processor is equation (14), and sampling follows it."""

from types import SimpleNamespace

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from dpoq_lab.order_notes.language import order_pairs
from dpoq_lab.order_notes.recipe import encode, note_tokenizer, stored_policies
from dpoq_lab.search.proxy_tuning import ProxyTuning, steer
from dpoq_lab.search.scorers import ModelScorer

PAD = 1


def test_the_pad_token_is_the_one_used_here():
    assert note_tokenizer().pad_token_id == PAD


@pytest.fixture(scope="module")
def small():
    return stored_policies().models


@pytest.fixture(scope="module")
def pairs():
    return encode(order_pairs(3, 5))


def test_the_processor_is_equation_14_also_beside_padding(small, pairs):
    """Two prompts of different length in one left-padded batch, against each model on each prompt alone."""
    prompts = [pairs[0].chosen.prompt_ids, pairs[1].chosen.prompt_ids + pairs[1].chosen.ids[:5]]
    width = max(map(len, prompts))
    ids = torch.tensor([[PAD] * (width - len(p)) + p for p in prompts])
    base, proxy, ref = small["SFT"], small["DPO from base"], small["base"]
    mask = (ids != PAD).long()
    with torch.no_grad():
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        scores = base(ids, attention_mask=mask, position_ids=positions).logits[:, -1]
    found = ProxyTuning(proxy, ref, 1.5, PAD)(ids, scores).log_softmax(-1)
    for row, prompt in enumerate(prompts):
        b, p, q = (ModelScorer(m, 0).start(tuple(prompt))[1][0] for m in (base, proxy, ref))
        assert torch.allclose(found[row], (b + 1.5 * (p - q)).log_softmax(-1), atol=1e-3)


def test_steering_the_reference_itself_at_lambda_1_samples_the_proxy(small, pairs):
    """The same law and the same seed give the same replies."""
    prompts = [pair.chosen.prompt_ids for pair in pairs]
    base, proxy = small["base"], small["DPO from base"]
    steered = steer(base, proxy, base, 1.0, prompts, PAD, seed=3)
    own = steer(proxy, proxy, proxy, 0.0, prompts, PAD, seed=3)
    assert steered == own


def test_lambda_0_is_the_base(small, pairs):
    prompts = [pair.chosen.prompt_ids for pair in pairs]
    a = steer(
        small["base"],
        small["DPO from base"],
        small["base"],
        0.0,
        prompts,
        PAD,
        seed=1,
    )
    b = steer(small["base"], small["SFT"], small["SFT"], 1.0, prompts, PAD, seed=1)
    assert a == b


def test_positions_beside_padding_are_those_of_the_prompt_alone():
    """Models with learned positions: the mixture of a padded row is eq. (14) of the prompt by itself."""
    config = GPT2Config(vocab_size=20, n_positions=16, n_embd=8, n_layer=1, n_head=1)
    torch.manual_seed(0)
    proxy, ref = (GPT2LMHeadModel(config).eval() for _ in range(2))
    scores = torch.randn(1, 20)
    with torch.no_grad():
        p, q = (m(torch.tensor([[5, 6, 7]])).logits[:, -1].log_softmax(-1) for m in (proxy, ref))
    found = ProxyTuning(proxy, ref, 0.7, PAD)(torch.tensor([[PAD, PAD, 5, 6, 7]]), scores)
    expected = scores.log_softmax(-1) + 0.7 * (p - q)
    assert torch.allclose(found.log_softmax(-1), expected.log_softmax(-1), atol=1e-5)


def test_what_the_base_is_asked_for(monkeypatch):
    """A weight of its own that is no id; a steering of both small models, none at 0; EOS and pads go."""
    asked = []

    def gives(*given, **how):
        asked.append((given, how))
        return [[5, 7, 9], [7, 1, 5]]

    monkeypatch.setattr("dpoq_lab.search.proxy_tuning.continuations", gives)
    base = SimpleNamespace(config=SimpleNamespace(eos_token_id=9))
    assert steer(base, "proxy", "reference", 0.5, [[3], [4]], 1, 8, 2) == [[5, 7], [7, 5]]
    assert steer(base, "proxy", "reference", 0.0, [[3]], 1) == [[5, 7], [7, 5]]
    (given, how), (plain, unsteered) = asked
    assert given == (base, [[3], [4]], [9], 1, 8, 2)
    assert plain == (base, [[3]], [9], 1, 60, 0)
    [steering] = how.pop("logits_processor")
    assert (steering.models, steering.lam, steering.pad) == (("proxy", "reference"), 0.5, 1)
    assert list(unsteered.pop("logits_processor")) == []
    assert how == unsteered == {"do_sample": True, "top_k": 0}

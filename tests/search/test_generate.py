"""Generation in a conversation: a turn ends at the template's end of turn, and every prefix is read whole."""

from inspect import signature
from types import SimpleNamespace

import pytest
import torch
from chat_templates import ASK, REPLY, STYLES, says, styled
from transformers import GPT2Config, GPT2LMHeadModel

from dpoq_lab.encoding import encode_response
from dpoq_lab.search.generate import continuations, sample_rest


def random_model(vocabulary: int, seed: int = 0) -> GPT2LMHeadModel:
    torch.manual_seed(seed)
    sizes = GPT2Config(vocab_size=vocabulary, n_positions=256, n_embd=16, n_layer=1, n_head=2)
    return GPT2LMHeadModel(sizes).eval()


@pytest.mark.parametrize("style", ["ChatML", "Gemma", "Llama-3"])
def test_a_turn_ends_at_the_end_of_turn_of_the_template(style):
    """The likeliest token is made the end of turn: each turn of the policy is then empty."""
    tokenizer = styled(style)
    model = random_model(len(tokenizer))
    stop = tokenizer.convert_tokens_to_ids(STYLES[style].end_of_turn)
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    model.transformer.ln_f.bias.data[:] = 1.0
    model.lm_head.weight.data[stop] = 100.0
    trajectory = encode_response(tokenizer, ASK, [REPLY, says("user", "Sure?"), REPLY], 999)
    second = max(i for i, mine in enumerate(trajectory.actions) if not mine) + 1
    prefixes = [trajectory.prompt_ids, trajectory.prompt_ids + trajectory.ids[:second]]
    assert tokenizer.decode(prefixes[1]) == tokenizer.apply_chat_template(
        [*ASK, REPLY, says("user", "Sure?")], tokenize=False, add_generation_prompt=True
    )
    assert continuations(model, prefixes, [stop], tokenizer.pad_token_id, 5, 0) == [[stop], [stop]]
    assert sample_rest(model, tokenizer, prefixes, 1, max_new=5) == [[], []]


def test_a_prefix_that_holds_the_pad_token_is_read_whole():
    """Pad equal to the end of turn, as many tokenizers have it: earlier turns stay in the context."""
    tokenizer = styled("ChatML")
    tokenizer.pad_token = "<|im_end|>"
    model, pad = random_model(len(tokenizer)), tokenizer.pad_token_id
    prefix = encode_response(tokenizer, [*ASK, REPLY, *ASK], [REPLY], 999).prompt_ids
    assert prefix.count(pad) == 3
    with torch.no_grad():
        greedy = model(torch.tensor([prefix])).logits[0, -1].argmax().item()
    alone, beside = continuations(model, [prefix, [5, *prefix]], [pad], pad, 1, 0, do_sample=False)
    assert alone == [greedy]
    assert len(beside) == 1


def test_prefixes_are_padded_on_the_left_and_rows_end_with_their_first_stop():
    """Three prefixes of 1 and 2 tokens; what the model adds is cut after a stop, or not at all."""
    asked = []

    def generate(ids, **how):
        asked.append((ids.tolist(), how))
        return torch.cat([ids, torch.tensor([[5, 7, 6, 7], [5, 5, 5, 5], [6, 0, 0, 0]])], dim=1)

    model = SimpleNamespace(device=torch.device("cpu"), generate=generate)
    found = continuations(model, [[1], [2, 3], [4]], [6, 7], 0, 4, 0, top_k=3)
    assert found == [[5, 7], [5, 5, 5, 5], [6]]
    [(ids, how)] = asked
    assert ids == [[0, 1], [2, 3], [0, 4]]
    assert how.pop("attention_mask").tolist() == [[0, 1], [1, 1], [0, 1]]
    assert how == {"max_new_tokens": 4, "top_k": 3, "eos_token_id": [6, 7], "pad_token_id": 0}


def test_the_rest_is_sampled_from_the_whole_law_n_times_a_prefix(monkeypatch):
    tokenizer = styled("ChatML")
    stop, pad = tokenizer.convert_tokens_to_ids("<|im_end|>"), tokenizer.pad_token_id
    asked = []

    def gives(*given, **how):
        asked.append((given[1:], how))
        return [[8, stop], [9, pad], [9, 9], [tokenizer.eos_token_id]]

    monkeypatch.setattr("dpoq_lab.search.generate.continuations", gives)
    assert sample_rest(None, tokenizer, [[1], [2]], 2, max_new=5, seed=3) == [[8], [9], [9, 9], []]
    [((prefixes, stops, *rest), how)] = asked
    assert (prefixes, stop in stops, rest) == ([[1], [1], [2], [2]], True, [pad, 5, 3])
    assert how == {"do_sample": True, "top_k": 0}


def test_the_seed_decides_and_torchs_own_state_is_kept():
    model = random_model(20)
    state = torch.get_rng_state()
    one, again, other = (
        continuations(model, [[1, 2]], [0], 0, 8, seed, do_sample=True) for seed in (3, 3, 4)
    )
    assert one == again != other
    assert torch.equal(torch.get_rng_state(), state)


def test_what_is_sampled_if_nothing_is_said():
    defaults = {name: p.default for name, p in signature(sample_rest).parameters.items()}
    assert (defaults["max_new"], defaults["seed"]) == (60, 0)

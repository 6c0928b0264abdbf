"""Generation in a conversation: a turn ends at the template's end of turn, and every prefix is read whole."""

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

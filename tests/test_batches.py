"""Padding: what is masked, and with which token."""

from types import SimpleNamespace

import pytest
from chat_templates import letters
from transformers import PreTrainedTokenizerFast

from dpoq_lab.batches import collate, pad_id
from dpoq_lab.encoding import Response, encode_response


def test_collate_pads_prompts_left_and_responses_right():
    """Docstring example: [P | R] with P = 3 and R = 3."""
    tokenizer = letters([])
    rows = [encode_response(tokenizer, "ab", "cd", 99), encode_response(tokenizer, "abc", "d", 99)]
    batch = collate(rows, pad_id=0)
    a, b, c, d = (tokenizer.convert_tokens_to_ids(x) for x in "abcd")
    assert batch.input_ids.tolist() == [[0, a, b, c, d, 0], [a, b, c, d, 0, 0]]
    assert batch.attention_mask.tolist() == [[0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]]
    assert batch.position_ids.tolist() == [[0, 0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 4]]
    assert batch.action_mask.tolist() == [[True, True, True], [True, True, False]]


def test_collate_masks_what_the_policy_did_not_choose():
    rows = [
        Response([5, 6], [7, 8, 9], [(0, 1)] * 3, "xyz", actions=[True, False, True]),
        Response([5], [7], [(0, 1)], "x"),
    ]
    batch = collate(rows, pad_id=0)
    assert batch.action_mask.tolist() == [[True, False, True], [True, False, False]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 1, 1], [0, 1, 1, 0, 0]]  # an observation is read


def test_pad_equal_to_eos_does_not_mask_the_real_eos():
    tokenizer = letters([])
    assert pad_id(tokenizer) == tokenizer.eos_token_id
    rows = [encode_response(tokenizer, "a", "b", 99), encode_response(tokenizer, "a", "bcd", 99)]
    batch = collate(rows, pad_id(tokenizer))
    is_eos = batch.response_ids == tokenizer.eos_token_id
    assert (is_eos & batch.action_mask).sum(dim=1).tolist() == [1, 1]


def test_what_fills_masked_places_is_a_token_of_every_model():
    def model(size):
        return SimpleNamespace(config=SimpleNamespace(vocab_size=size))

    tokenizer = letters([])
    tokenizer.pad_token = "z"
    pad = tokenizer.convert_tokens_to_ids("z")
    assert pad_id(tokenizer) == pad_id(tokenizer, model(pad + 1), None) == pad
    assert pad_id(tokenizer, model(99), model(pad)) == pad_id(tokenizer, model(pad), model(99)) == pad - 1
    bare = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer)
    with pytest.raises(ValueError, match="neither a pad nor an EOS"):
        pad_id(bare)


def test_a_batch_goes_to_another_device_whole():
    batch = collate([Response([5], [7], [(0, 1)], "x")], 0).to("meta")
    assert {tensor.device.type for tensor in vars(batch).values()} == {"meta"}
    assert batch.response_ids.shape == batch.action_mask.shape == (1, 1)

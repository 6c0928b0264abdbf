"""Tokens: the boundary holds, EOS is scored exactly once, padding never is."""

import pytest
import torch
from chat_templates import letters, styled
from hypothesis import given
from hypothesis import strategies as st

from dpoq_lab import encoding
from dpoq_lab.chat import Turn
from dpoq_lab.encoding import (
    BYTE,
    EOS,
    BoundaryError,
    EncodedPair,
    Response,
    _check_stops,
    _ends,
    _is_action,
    encode_pairs,
    encode_response,
    flaw_mask,
    stop_ids,
    used_ids,
)
from dpoq_lab.models import tiny_tokenizer
from dpoq_lab.preferences import Pair

CHAT = [{"role": "user", "content": "Hi"}]
TINY = tiny_tokenizer()


def test_a_response_is_its_tokens_and_one_eos():
    response = encode_response(letters([]), "ab", "cd", 99)
    assert len(response.prompt_ids) == 2
    assert response.tokens == ["c", "d", EOS]
    assert response.offsets == [(0, 1), (1, 2), (2, 2)]


def test_a_merge_across_the_boundary_raises_and_names_it():
    """With the merge b+c, "ab" + "cd" is a|bc|d: no token boundary where the prompt ends."""
    tokenizer = letters([("b", "c")])
    with pytest.raises(BoundaryError, match=r"^the tokenizer merges .*'ab' \| 'cd'$"):
        encode_response(tokenizer, "ab", "cd", 99)
    encoding = encode_pairs(tokenizer, [Pair("ab", "cd", "dc", where="file:3"), Pair("a", "d", "e")], 99)
    assert str(encoding.refused[0]).startswith("file:3: the tokenizer merges")
    assert len(encoding.pairs) == 1  # the others go on
    assert encode_response(tokenizer, "ab", "dc", 99).tokens == ["d", "c", EOS]


def test_a_chat_without_a_chat_template_raises():
    with pytest.raises(BoundaryError, match="no chat template"):
        encode_response(letters([]), CHAT, "yes", 99)


def test_a_template_that_rewrites_the_prompt_raises():
    words = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    template = "{% if add_generation_prompt %}a{% else %}b{% endif %}" + words
    with pytest.raises(BoundaryError, match="does not keep the prompt"):
        encode_response(letters([], template), CHAT, "yes", 99)


def test_eos_inside_a_response_raises():
    with pytest.raises(BoundaryError, match="before its end"):
        encode_response(TINY, CHAT, "yes<|end|>no", 99)


def test_eos_in_the_template_is_not_doubled():
    response = encode_response(TINY, CHAT, "Yes, please.", 99)
    assert response.ids.count(TINY.eos_token_id) == 1
    assert response.ids[-1] == TINY.eos_token_id
    assert TINY.decode(response.prompt_ids) == "<|user|>Hi<|assistant|>"


@given(st.text(min_size=1, max_size=40).filter(lambda s: s.strip() and "<|" not in s and "\ud800" not in s))
def test_the_tokens_of_any_text_spell_it_and_end_in_one_eos(text):
    response = encode_response(TINY, CHAT, text, 10_000)
    assert TINY.decode(response.prompt_ids + response.ids) == f"<|user|>Hi<|assistant|>{text}<|end|>"
    assert response.ids.count(TINY.eos_token_id) == 1
    starts = [start for start, _ in response.offsets]
    assert starts == sorted(starts)
    assert all(0 <= start <= end <= len(response.text) for start, end in response.offsets)
    assert response.text == f"{text}<|end|>"
    assert all(response.actions)


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_a_boundary_holds_or_raises_but_never_moves(prompt, response):
    if "<|" in prompt + response or "\ud800" in prompt + response:
        return
    try:
        found = encode_response(TINY, prompt, response, 10_000)
    except BoundaryError:
        return
    assert TINY.decode(found.prompt_ids) == prompt
    assert TINY.decode(found.ids[:-1]) == response


def test_offsets_count_from_the_response_behind_a_template():
    response = encode_response(TINY, CHAT, "Yes, please.", 99)
    assert "".join(response.tokens[:-1]) == "Yes, please."


def test_truncation_drops_eos_and_says_so():
    response = encode_response(letters([]), "ab", "cdef", 4)
    assert (response.tokens, response.truncated) == (["c", "d"], True)


def test_pairs_that_truncation_spoils_are_counted_and_refused():
    tokenizer = letters([])
    pairs = [
        Pair("ab", "cdx", "cdy", where="f:1"),  # identical in 4 tokens
        Pair("abcd", "x", "y", where="f:2"),  # no response left
        Pair("ab", "cxx", "cy", where="f:3"),  # usable, one response truncated
        Pair("a", "x", "y", where="f:4"),
    ]
    encoding = encode_pairs(tokenizer, pairs, max_length=4)
    assert [str(problem) for problem in encoding.refused] == [
        "f:1: the responses are identical within 4 tokens",
        "f:2: no response token is left within 4 tokens",
    ]
    assert [both.pair.where for both in encoding.pairs] == ["f:3", "f:4"]
    assert encoding.truncated == 1


def test_eos_is_named_by_its_id_and_not_by_an_empty_span():
    response = Response([5], [7, 8, 0], [(0, 1), (1, 1), (1, 6)], "x<eos>", eos_id=0)
    assert response.tokens == ["x", "", EOS]


def test_flaw_mask_marks_tokens_that_overlap_a_span():
    response = encode_response(letters([("c", "d")]), "ab", "xcdy", 99, flaws=((2, 3),))
    assert response.tokens == ["x", "cd", "y", EOS]
    assert flaw_mask(response) == [False, True, False, False]


def test_bos_stands_before_both_when_the_tokenizer_adds_it():
    from tokenizers.processors import TemplateProcessing

    tokenizer = letters([])
    tokenizer.add_special_tokens({"bos_token": "<bos>"})
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", tokenizer.bos_token_id)]
    )
    response = encode_response(tokenizer, "ab", "c", 99)
    assert response.prompt_ids[0] == tokenizer.bos_token_id
    assert len(response.prompt_ids) == 3
    assert torch.tensor(response.ids).shape == (2,)


def test_byte_level_pieces_of_one_character_are_shown_as_bytes():
    response = encode_response(TINY, CHAT, "\U0001f600", 99)
    assert response.tokens[1:-1] == ["\u27e8byte\u27e9"] * (len(response.ids) - 2)


def test_generation_stops_at_eos_and_at_the_last_token_of_an_end_of_turn():
    """A template that ends no turn with a token has EOS alone; one whose end of turn is another has both."""
    for style, name in (("ChatML", "<|im_end|>"), ("Gemma", "<end_of_turn>")):
        tokenizer = styled(style)
        end = tokenizer.convert_tokens_to_ids(name)
        assert stop_ids(tokenizer) == list(dict.fromkeys([tokenizer.eos_token_id, end]))


def test_a_plain_response_whole():
    """Prompt "ab", reply "cd", EOS: three actions, of which the last ends it; flaws count from the reply."""
    tokenizer = letters([])
    a, b, c, d = (tokenizer.convert_tokens_to_ids(x) for x in "abcd")
    whole = encode_response(tokenizer, "ab", "cd", 99, flaws=((1, 2),))
    assert (whole.prompt_ids, whole.ids, whole.text, whole.tail) == ([a, b], [c, d, 0], "cd", "")
    assert whole.offsets == [(0, 1), (1, 2), (2, 2)]
    assert (whole.actions, whole.ends, whole.eos_id) == ([True] * 3, (2,), 0)
    assert (whole.flaws, whole.truncated, whole.n_actions) == (((1, 2),), False, 3)
    for most, ids in ((5, [c, d, 0]), (4, [c, d]), (3, [c]), (2, []), (1, [])):
        cut = encode_response(tokenizer, "ab", "cd", most)
        assert (cut.ids, cut.truncated, cut.ends) == (ids, most < 5, (2,) * (most == 5))


def test_eos_inside_a_reply_is_refused_but_where_the_whole_yield_is_scored():
    tokenizer = letters([])
    with pytest.raises(BoundaryError, match="end-of-text token before its end"):
        encode_response(tokenizer, "ab", "c<eos>d", 99)
    whole = encode_response(tokenizer, "ab", "c<eos>d", 99, whole_yield=True)
    assert whole.ids.count(0) == 2
    assert whole.ends == (1, 3)
    assert encode_response(tokenizer, "ab", "cd<eos>", 99).ids.count(0) == 1  # its own end


def test_a_bos_that_the_prompt_has_is_not_doubled_and_turns_are_told_apart():
    """Of turns beside a string each is said word for word; what the user says is no action."""
    tokenizer = letters([])
    turns = [
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "d"},
    ]
    found = encode_response(tokenizer, "ab", turns, 99)
    assert (found.text, found.actions) == ("cxd", [True, False, True, True])
    assert used_ids([EncodedPair(found, found, None)]) == {*found.prompt_ids, *found.ids}


def test_a_pair_is_truncated_if_either_reply_is():
    """Within five tokens, of which the prompt has two: "cd" and EOS fit, "cdc" and EOS do not."""
    tokenizer, rows = letters([]), []
    for chosen, rejected in (("cd", "dc"), ("cdc", "d"), ("c", "dcd"), ("cdd", "dcd")):
        encoding = encode_pairs(tokenizer, [Pair("ab", chosen, rejected)], max_length=5)
        rows.append((len(encoding.pairs), encoding.truncated))
    assert rows == [(1, 0), (1, 1), (1, 1), (1, 1)]
    both = [Pair("ab", "cdc", "d"), Pair("ab", "c", "d"), Pair("ab", "c", "dcd")]
    assert encode_pairs(tokenizer, both, 5).truncated == 2
    for chosen, rejected in (("cd", ""), ("", "cd")):
        [refused] = encode_pairs(tokenizer, [Pair("ab", chosen, rejected, where="f:1")], 2).refused
        assert str(refused) == "f:1: no response token is left within 2 tokens"


def test_each_reply_has_its_own_flaws_and_the_whole_yield_is_asked_for():
    tokenizer = letters([])
    pair = Pair("ab", "cde", "fgh", ((0, 1),), ((1, 3),))
    [both] = encode_pairs(tokenizer, [pair], 99).pairs
    assert (both.chosen.flaws, both.rejected.flaws, both.pair) == (((0, 1),), ((1, 3),), pair)
    turns = [
        {"role": role, "content": x}
        for role, x in zip(("assistant", "user", "assistant"), "cxd", strict=True)
    ]
    for whole, seen in ((False, 1), (True, 0)):
        [both] = encode_pairs(tokenizer, [Pair("ab", turns, "c")], 99, whole_yield=whole).pairs
        assert len(both.chosen.ids) - both.chosen.n_actions == seen
    with pytest.raises(BoundaryError) as caught:
        encode_response(tokenizer, "ab", turns, 99, flaws=((0, 1),))
    assert str(caught.value) == "flaws are spans of one plain reply, not of several turns or tool calls"


def test_where_a_merge_stands_is_shown_by_twelve_letters_of_each_side():
    with pytest.raises(BoundaryError) as caught:
        encode_response(letters([("b", "c")]), "efghijklmnopqab", "cdefghijklmnopq", 99)
    assert str(caught.value) == "the tokenizer merges prompt and response at 'hijklmnopqab' | 'cdefghijklmn'"


TURNS = [Turn(3, (4, 6), (6, 8)), Turn(10, (10, 12), (12, 13))]  # in "us>  hi__ u>yes" of 15 letters
TEXT = "us>xhi__ zyes_."


@pytest.mark.parametrize(
    ("span", "action"),
    [
        *(((3, 4), False), ((4, 5), True), ((5, 6), True), ((6, 8), True), ((7, 8), True), ((8, 9), False)),
        *(
            ((4, 4), True),
            ((6, 6), True),
            ((8, 8), False),
            ((3, 3), False),
            ((13, 13), False),
            ((8, 10), False),
        ),
        *(((5, 7), "hi_"), ((3, 5), "xh"), ((9, 11), "zy"), ((7, 9), True), ((12, 14), "s_")),
    ],
)
def test_a_token_is_an_action_if_it_lies_in_a_turn(span, action):
    """White space may stand beside it; other letters of the template may not."""
    if isinstance(action, bool):
        assert _is_action(TEXT, span, TURNS) == action
    else:
        with pytest.raises(BoundaryError, match="the tokenizer merges the reply with the template at"):
            _is_action(TEXT, span, TURNS)


def test_what_ends_a_turn():
    """EOS anywhere, an end of turn, and all after the last one, where it is an action."""
    spans, mine = [(k, k + 1) for k in range(15)], [True] * 15
    assert _ends([9] * 15, spans, mine, TURNS, 0) == (6, 7, 12, 13, 14)
    assert _ends([0, *[9] * 14], spans, mine, TURNS, 0) == (0, 6, 7, 12, 13, 14)
    assert _ends([0, *[9] * 14], spans, [False, *[True] * 6, False, *[True] * 7], TURNS, 0) == (6, 12, 13, 14)
    no_end = [Turn(3, (4, 6), (6, 6))]  # of a template that ends no turn with a token
    assert _ends([9] * 3, [(5, 6), (6, 7), (7, 8)], [True] * 3, no_end, 0) == (1, 2)


def test_eos_may_stand_in_an_end_of_turn_and_at_the_end():
    for ids, spans, refused in (
        ([5, 0, 5], [(4, 5), (6, 7), (10, 11)], False),
        ([5, 0, 5], [(4, 5), (5, 6), (10, 11)], True),
        ([0, 5, 5], [(4, 5), (5, 6), (10, 11)], True),
        ([5, 5, 0], [(4, 5), (5, 6), (10, 11)], False),
    ):
        if refused:
            with pytest.raises(
                BoundaryError, match="^the response holds the end-of-text token before its end$"
            ):
                _check_stops(ids, spans, [True] * 3, TURNS, 0)
        else:
            _check_stops(ids, spans, [True] * 3, TURNS, 0)
    _check_stops([0, 5], [(8, 9), (10, 11)], [False, True], TURNS, 0)  # what others say may hold it


def test_without_a_template_generation_stops_at_eos_alone_and_without_eos_nothing_ends():
    tokenizer = letters([])
    assert stop_ids(tokenizer) == [0]
    tokenizer.eos_token = None
    with pytest.raises(BoundaryError, match="^the tokenizer has no EOS token, so no response would end$"):
        stop_ids(tokenizer)


def test_a_flaw_touches_the_tokens_that_overlap_it_and_are_actions():
    """Tokens of letters 0 to 1, 1 to 3, none at 3, and 3 to 4; the last is an observation."""
    spans, own = [(0, 1), (1, 3), (3, 3), (3, 4), (4, 5)], [True, True, True, True, False]
    for flaws, marked in (
        (((1, 3),), [1]),
        (((0, 2),), [0, 1]),
        (((2, 4),), [1, 2, 3]),
        (((0, 1), (4, 5)), [0]),
        ((), []),
    ):
        found = flaw_mask(Response([0], [1] * 5, spans, "abcde", flaws, actions=own))
        assert [k for k, flawed in enumerate(found) if flawed] == marked


def test_an_empty_token_before_is_no_part_of_a_character():
    response = Response([5], [7, 8, 9, 4], [(0, 2), (0, 2), (2, 3), (3, 3)], "abc", eos_id=4)
    assert response.tokens == ["ab", BYTE, "c", EOS]
    assert (response.actions, response.n_actions) == ([True] * 4, 4)


def test_pairs_go_to_the_tokenizer_in_chunks_and_each_comes_back_once(monkeypatch):
    assert encoding.CHUNK == 256
    monkeypatch.setattr(encoding, "CHUNK", 2)
    tokenizer = letters([("b", "c")])
    pairs = [Pair("ab" if k == 2 else "a", "cd", "abcde"[: k + 1], where=f"f:{k}") for k in range(5)]
    found = encode_pairs(tokenizer, pairs, 99)
    assert [both.pair.where for both in found.pairs] == ["f:0", "f:1", "f:3", "f:4"]
    assert [problem.where for problem in found.refused] == ["f:2"]
    assert [len(both.rejected.text) for both in found.pairs] == [1, 2, 4, 5]


@pytest.mark.parametrize("first", [True, False])
def test_a_reply_without_an_action_is_refused_whatever_the_other_has(first):
    """The template writes an empty think block before one; the other's thoughts were said: one token each."""
    tokenizer = styled("ChatML, thoughts")
    replies = ["<think>\nair\n</think>\n\nBlue.", "Soup."]
    room = len(encode_response(tokenizer, CHAT, "Soup.", 999).prompt_ids) + 1
    said, plain = (encode_response(tokenizer, CHAT, reply, room) for reply in replies)
    assert (said.n_actions, plain.n_actions) == (1, 0)
    [refused] = encode_pairs(tokenizer, [Pair(CHAT, *replies[:: 1 if first else -1])], room).refused
    assert refused.message == f"no response token is left within {room} tokens"


def test_what_a_response_is_if_nothing_else_is_said():
    plain = Response([5], [7], [(0, 1)], "a")
    assert (plain.flaws, plain.truncated, plain.actions) == ((), False, [True])
    assert (plain.eos_id, plain.tail, plain.ends) == (None, "", ())


def test_an_eos_that_the_tokenizer_adds_is_no_end_of_a_turn():
    from tokenizers.processors import TemplateProcessing

    tokenizer = styled("Gemma")
    eos = tokenizer.eos_token_id
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"$A {tokenizer.eos_token}", special_tokens=[(tokenizer.eos_token, eos)]
    )
    assert tokenizer("a").input_ids[-1] == eos
    assert stop_ids(tokenizer) == [eos, tokenizer.convert_tokens_to_ids("<end_of_turn>")]


def test_of_the_tokens_that_a_tokenizer_adds_bos_alone_stands_before_a_text():
    """One that adds EOS too, and a prompt that begins with BOS itself; a chat has its template's."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = letters([], "{% for m in messages %}{{ m.content }}{% endfor %}")
    tokenizer.add_special_tokens({"bos_token": "<bos>"})
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", bos), ("<eos>", eos)]
    )
    a, c = (tokenizer.convert_tokens_to_ids(x) for x in "ac")
    for prompt in ("a", "<bos>a"):
        found = encode_response(tokenizer, prompt, "c", 99)
        assert (found.prompt_ids, found.ids, found.text) == ([bos, a], [c, eos], "c")
        assert found.offsets == [(0, 1), (1, 1)]
    chat = encode_response(tokenizer, [{"role": "user", "content": "a"}], "c", 99)
    assert (chat.prompt_ids, chat.ids) == ([a], [c, eos])
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", eos)]
    )
    assert encode_response(tokenizer, "a", "c", 99).prompt_ids == [a]

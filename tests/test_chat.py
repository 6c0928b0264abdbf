"""Conversations: the actions are exactly what the assistant said and the token that ends its turn."""

import re
from itertools import groupby
from pathlib import Path

import pytest
from chat_templates import ASK, KINDS, REPLY, STYLES, TOOLS, calls, says, styled, verdict
from hypothesis import given
from hypothesis import strategies as st

from dpoq_lab.chat import BoundaryError, render_chat
from dpoq_lab.encoding import Response, encode_pairs, encode_response, stop_ids
from dpoq_lab.preferences import Pair, read_pairs

CASES = Path(__file__).parents[2] / "shared" / "cases" / "pairs"
TOKENIZERS = {style: styled(style) for style in STYLES}
KEEPING = [style for style in STYLES if style != "ChatML, thoughts"]  # that rewrite no earlier turn
WORDS = st.text(min_size=1, max_size=30).filter(
    lambda s: (
        s.strip() and not re.search(r"<|\[|\||think", s) and all(not "\ud800" <= c <= "\udfff" for c in s)
    )
)


def runs(response: Response) -> list[tuple[bool, list[int]]]:
    """Stretches of tokens of one kind: whether they are actions, and which."""
    marked = list(zip(response.actions, response.ids, strict=True))
    return [(mine, [token for _, token in run]) for mine, run in groupby(marked, key=lambda pair: pair[0])]


def said(style: str, response: Response) -> list[str]:
    """What the actions spell, a text a turn, cut at the end of turn that closes each."""
    spelt = TOKENIZERS[style].decode([i for mine, run in runs(response) if mine for i in run])
    *turns, rest = spelt.split(STYLES[style].end_of_turn)
    assert rest == "", "every turn ends in its end-of-turn token, and nothing follows the last"
    return turns


# What the assistant said, in every style


@given(st.sampled_from(KEEPING), st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=3), WORDS)
def test_the_actions_spell_what_the_assistant_said(style, exchanges, first):
    """Of a reply, the white space at its ends is the template's to keep or to trim."""
    reply = [says("assistant", first)]
    for asked, answered in exchanges:
        reply += [says("user", asked), says("assistant", answered)]
    response = encode_response(TOKENIZERS[style], ASK, reply, 10_000)
    words = [message["content"].strip() for message in reply if message["role"] == "assistant"]
    assert [turn.strip() for turn in said(style, response)] == words


@pytest.mark.parametrize("style", ["ChatML", "Mistral"])
@given(words=WORDS)
def test_where_the_template_does_not_trim_no_white_space_is_lost(style, words):
    response = encode_response(TOKENIZERS[style], ASK, [says("assistant", words)], 10_000)
    space = " " if style == "Mistral" else ""
    assert said(style, response) in ([words], [space + words])  # a space merges with the word after it


@pytest.mark.parametrize("style", STYLES)
def test_context_and_actions_together_are_the_template_s_text(style):
    tokenizer = TOKENIZERS[style]
    response = encode_response(tokenizer, ASK, [REPLY], 10_000)
    rendered = tokenizer.apply_chat_template([*ASK, REPLY], tokenize=False)
    assert tokenizer.decode(response.prompt_ids + response.ids) + response.tail == rendered
    prompt = tokenizer.apply_chat_template(ASK, tokenize=False, add_generation_prompt=True)
    assert tokenizer.decode(response.prompt_ids) == prompt


# Where a turn ends


@pytest.mark.parametrize(
    ("style", "tail"),
    [
        ("ChatML", "\n"),
        ("ChatML, thoughts", "\n"),
        ("Llama-2", ""),
        ("Llama-3", ""),
        ("Gemma", "\n"),
        ("Mistral", ""),
    ],
)
def test_a_reply_ends_once_at_the_template_s_end_of_turn(style, tail):
    response = encode_response(TOKENIZERS[style], ASK, [REPLY], 10_000)
    stop = TOKENIZERS[style].convert_tokens_to_ids(STYLES[style].end_of_turn)
    assert response.ids[-1] == stop
    assert response.ids.count(stop) == 1
    assert TOKENIZERS[style].eos_token_id not in response.ids[:-1]
    assert response.tail == tail
    assert response.actions[-1]


def test_a_template_that_ends_no_turn_gets_eos_once():
    tokenizer = styled("ChatML")
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }}\n{{ m.content }}\n{% endfor %}" + (
        "{% if add_generation_prompt %}assistant\n{% endif %}"
    )
    response = encode_response(tokenizer, ASK, [REPLY], 10_000)
    assert tokenizer.decode(response.ids) == "It is blue.<|im_end|>"
    assert response.tail == "\n"
    with pytest.raises(BoundaryError, match="ends no turn with a token, so an earlier turn cannot stop"):
        encode_response(tokenizer, ASK, [REPLY, *ASK, REPLY], 10_000)


def test_the_whole_yield_is_all_that_the_template_writes_after_the_prompt():
    tokenizer = TOKENIZERS["Gemma"]
    response = encode_response(tokenizer, ASK, [REPLY, *ASK, REPLY], 10_000, whole_yield=True)
    assert tokenizer.decode(response.ids) == (
        "It is blue.<end_of_turn>\n<start_of_turn>user\nWhat colour is the sky?<end_of_turn>\n"
        "<start_of_turn>model\nIt is blue.<end_of_turn>\n"
    )
    assert all(response.actions)
    assert response.tail == ""


@pytest.mark.parametrize("style", STYLES)
def test_generation_stops_where_a_turn_ends(style):
    eos, end_of_turn = STYLES[style].eos, STYLES[style].end_of_turn
    expected = TOKENIZERS[style].convert_tokens_to_ids(list(dict.fromkeys([eos, end_of_turn])))
    assert stop_ids(TOKENIZERS[style]) == expected


# What others say, tools, thoughts


def test_what_a_tool_says_is_an_observation():
    prompt, reply, tools = KINDS["tools"]
    response = encode_response(TOKENIZERS["ChatML"], prompt, reply, 10_000, tools=tools)
    spelt = [(mine, TOKENIZERS["ChatML"].decode(run)) for mine, run in runs(response)]
    call = '<tool_call>{"name": "sky", "arguments": {"hour": 12}}</tool_call><|im_end|>'
    assert spelt == [
        (True, call),
        (False, "\n<|im_start|>tool\nblue<|im_end|>\n<|im_start|>assistant\n"),
        (True, "It is blue.<|im_end|>"),
    ]


def test_the_tools_of_a_pair_stand_in_its_prompt():
    [pair] = encode_pairs(TOKENIZERS["ChatML"], [Pair(ASK, "Blue.", "Soup.", tools=TOOLS)], 999).pairs
    assert 'Tools: [{"type": "function"' in TOKENIZERS["ChatML"].decode(pair.chosen.prompt_ids)


def test_words_beside_a_tool_call_are_actions_too():
    reply = [calls("sky", "I look up.", hour=12)]
    response = encode_response(TOKENIZERS["ChatML"], ASK, reply, 10_000, tools=TOOLS)
    assert all(response.actions)
    assert response.text.startswith("I look up.\n<tool_call>")


def test_an_empty_think_block_of_the_template_is_no_action():
    tokenizer = TOKENIZERS["ChatML, thoughts"]
    response = encode_response(tokenizer, ASK, [REPLY], 10_000)
    assert [(mine, tokenizer.decode(run)) for mine, run in runs(response)] == [
        (False, "<think>\n\n</think>\n\n"),
        (True, "It is blue.<|im_end|>"),
    ]


def test_thoughts_that_were_said_are_actions():
    prompt, reply, _ = KINDS["think block"]
    response = encode_response(TOKENIZERS["ChatML, thoughts"], prompt, reply, 10_000)
    assert said("ChatML, thoughts", response) == [reply[0]["content"]]


# Refusals

REFUSED = {
    ("ChatML, thoughts", "several turns"): "rewrites an earlier turn once others follow",
    ("ChatML, thoughts", "tools"): "rewrites an earlier turn once others follow",
    ("ChatML, thoughts", "think blocks in two turns"): "rewrites an earlier turn once others follow",
    ("Llama-2", "tools"): "the chat template refuses the conversation: ",
    ("Gemma", "system"): "the chat template refuses the conversation: System role not supported",
    ("Gemma", "tools"): "the chat template refuses the conversation: Conversation roles must alternate",
    ("Mistral", "system"): "the chat template refuses the conversation: Only user, assistant and tool roles",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", STYLES)
def test_the_table_of_templates_and_kinds(style, kind):
    expected = REFUSED.get((style, kind), "exact")
    assert expected in verdict(style, kind)


@pytest.mark.parametrize(
    ("template", "reply", "tools", "words"),
    [
        (None, [REPLY], None, "this model's tokenizer has no chat template"),
        ("{{ messages[-1].content }}", [REPLY], None, "leaves out a message of role user"),
        ("{% for m in messages %}{{ m.content }}{% endfor %}", [REPLY], TOOLS, "leaves out the tools"),
        (
            "{{ tools }}{% for m in messages %}{{ m.content }}{% endfor %}",
            [calls("moon", "Up.")],
            TOOLS,
            "leaves out a tool call",
        ),
        (
            "{% for m in messages %}"
            "{{ m.content | upper if m.role == 'assistant' else m.content }}{% endfor %}",
            [REPLY],
            None,
            "does not write the reply as it stands: 'IT IS BLUE.'",
        ),
        ("{% for m in messages %}{{ m.nothing.at_all }}{% endfor %}", [REPLY], None, "has no attribute"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_by_name(template, reply, tools, words):
    tokenizer = styled("ChatML")
    tokenizer.chat_template = template
    with pytest.raises(BoundaryError, match=re.escape(words)):
        render_chat(tokenizer, ASK, reply, tools)


@pytest.mark.parametrize("style", STYLES)
def test_an_end_of_turn_within_a_turn_is_refused(style):
    reply = [says("assistant", f"It{STYLES[style].end_of_turn} is blue.")]
    with pytest.raises(BoundaryError, match="holds the end-of-turn token before its end"):
        encode_response(TOKENIZERS[style], ASK, reply, 10_000)


def test_one_refused_pair_does_not_stop_the_others():
    prompt = [says("system", "Be terse."), *ASK]
    pairs = [Pair(prompt, "Blue.", "Soup.", where="f:1"), Pair(ASK, "Blue.", "Soup.", where="f:2")]
    encoding = encode_pairs(TOKENIZERS["Gemma"], pairs, 99)
    assert [both.pair.where for both in encoding.pairs] == ["f:2"]
    assert str(encoding.refused[0]) == (
        "f:1: the chat template refuses the conversation: System role not supported"
    )


# Files from the wild


@pytest.mark.skipif(not CASES.is_dir(), reason="the folder of cases is not beside this checkout")
@pytest.mark.parametrize(
    ("name", "chosen", "observed"),
    [
        ("multi_turn_diff", ["At noon?", "It is blue."], ["Yes."]),
        ("chosen_several_assistant", ["Let me think.", "It is blue."], ["go on"]),
        ("tool_calls", ['<tool_call>{"name": "sky", "arguments": {"hour": 12}}</tool_call>'], []),
        ("tool_in_prompt", ["It is blue."], []),
        ("two_users", ["It is blue."], []),
        ("chat_system", ["It is blue."], []),
        ("chat_think", ["<think>\nAir scatters short waves.\n</think>\n\nIt is blue."], []),
    ],
)
def test_files_from_the_wild(name, chosen, observed):
    reading = read_pairs(CASES / f"{name}.jsonl")
    assert reading.problems == []
    encoding = encode_pairs(TOKENIZERS["ChatML"], reading.pairs, 10_000)
    assert encoding.refused == []
    first = encoding.pairs[0].chosen
    assert said("ChatML", first) == chosen
    seen = "".join(TOKENIZERS["ChatML"].decode(run) for mine, run in runs(first) if not mine)
    assert all(words in seen for words in observed)


@pytest.mark.skipif(not CASES.is_dir(), reason="the folder of cases is not beside this checkout")
def test_a_field_of_a_message_that_no_template_here_reads_is_named():
    reading = read_pairs(CASES / "reasoning_content.jsonl")
    assert reading.pairs == []
    assert "chosen[0].reasoning_content: is a field of a message that is not read" in str(reading.problems[0])

"""Conversations: the actions are exactly what the assistant said and the token that ends its turn."""

import re
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace

import pytest
from chat_templates import ASK, KINDS, REPLY, STYLES, TOOLS, calls, says, styled, verdict
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from dpoq_lab import chat
from dpoq_lab.chat import BoundaryError, Template, Turn, _calls_in, _stop_in, _words_in, render_chat
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


def test_an_empty_think_block_before_a_call_is_no_action_either():
    tokenizer = TOKENIZERS["ChatML, thoughts"]
    response = encode_response(tokenizer, ASK, [calls("sky", hour=12)], 10_000, tools=TOOLS)
    inserted, call = ((mine, tokenizer.decode(run)) for mine, run in runs(response))
    assert inserted == (False, "<think>\n\n</think>\n\n")
    assert call[0]
    assert call[1].startswith("<tool_call>")


THOUGHTLESS = "{% for m in messages %}<|im_start|>{{ m.role }}\n" + (
    "{{ m.content.split('</think>')[-1].lstrip('\n') }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def with_template(template, special=("<|im_start|>", "<|im_end|>"), eos="<|im_end|>"):
    tokenizer = styled("ChatML")
    tokenizer.add_special_tokens(
        {"additional_special_tokens": list(special)}, replace_extra_special_tokens=False
    )
    tokenizer.eos_token, tokenizer.chat_template = eos, template
    return tokenizer


def test_a_flaw_follows_the_answer_where_thoughts_that_repeat_it_are_taken_off():
    reply, tokenizer = "<think>\nblue\n</think>\n\nblue", with_template(THOUGHTLESS)
    n = len(reply)
    response = encode_response(tokenizer, ASK, reply, 999, flaws=((n - 4, n),))
    assert [response.text[a:b] for a, b in response.flaws] == ["blue"]
    with pytest.raises(BoundaryError, match="a flaw lies in a part of the reply that the chat template"):
        encode_response(tokenizer, ASK, reply, 999, flaws=((8, 12),))


@pytest.mark.parametrize(
    "earlier", ["m.content + '<|im_start|>'", "m.content", "m.content[:-1] + 'x<|im_end|>'"]
)
def test_an_earlier_turn_is_rewritten_to_its_last_letter_and_its_end(earlier):
    written = f"{earlier} if m.role == 'assistant' and not loop.last else m.content + '<|im_end|>'"
    written = "{% for m in messages %}{{ m.role }}\n{{ " + written + " }}\n{% endfor %}"
    template = Template(with_template(written + "{% if add_generation_prompt %}assistant\n{% endif %}"))
    assert len(render_chat(template, ASK, [REPLY]).turns) == 1
    with pytest.raises(BoundaryError, match="rewrites an earlier turn once others follow"):
        render_chat(template, ASK, [REPLY, *ASK, REPLY])


def test_white_space_that_the_template_keeps_on_one_side_is_the_assistant_s():
    response = encode_response(with_template(THOUGHTLESS), ASK, "\nIt is blue.  ", 999)
    assert with_template(THOUGHTLESS).decode(response.ids) == "It is blue.  <|im_end|>"
    assert all(response.actions)


# A turn that ends in several special tokens

DEEPSEEK = (
    "<|bos|>{% for m in messages %}{% if m.role == 'user' %}<|User|>{{ m.content }}"
    "{% elif m.role == 'tool' %}<|output|>{{ m.content }}<|output_end|>"
    "{% else %}<|Assistant|>{{ m.content or '' }}{% if m.tool_calls %}<|calls_begin|>"
    "{% for c in m.tool_calls %}<|call_begin|>"
    "{{ c.function | tojson }}<|call_end|>{% endfor %}<|calls_end|>{% endif %}<|eos|>"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<|Assistant|>{% endif %}"
)
DEEPSEEK_TOKENS = re.findall(r"<\|\w+\|>", DEEPSEEK)


def test_a_call_whose_own_end_is_special_ends_at_eos():
    tokenizer = with_template(DEEPSEEK, DEEPSEEK_TOKENS, "<|eos|>")
    reply = [calls("sky", hour=12), says("tool", "blue"), REPLY]
    response = encode_response(tokenizer, ASK, reply, 999)
    call = '<|call_begin|>{"name": "sky", "arguments": {"hour": 12}}<|call_end|>'
    assert [tokenizer.decode(run) for mine, run in runs(response) if mine] == [
        f"<|calls_begin|>{call}<|calls_end|><|eos|>",
        "It is blue.<|eos|>",
    ]


def test_all_the_special_tokens_up_to_eos_end_a_turn():
    template = "{% for m in messages %}<|S|>{{ m.role }}\n<|R|>{{ m.content }}<|/R|><|E|>{% endfor %}" + (
        "{% if add_generation_prompt %}<|S|>assistant\n<|R|>{% endif %}"
    )
    tokenizer = with_template(template, ["<|S|>", "<|R|>", "<|/R|>", "<|E|>"], "<|E|>")
    response = encode_response(tokenizer, ASK, [REPLY], 999)
    assert tokenizer.decode(response.ids) == "It is blue.<|/R|><|E|>"
    assert all(response.actions)
    assert stop_ids(tokenizer) == [tokenizer.eos_token_id]
    two = encode_response(tokenizer, ASK, [REPLY, *ASK, REPLY], 999)
    assert [tokenizer.decode(run) for mine, run in runs(two) if mine] == ["It is blue.<|/R|><|E|>"] * 2


@pytest.mark.parametrize("style", STYLES)
def test_a_reply_that_ends_in_another_special_token_still_ends_at_the_end_of_turn(style):
    first = STYLES[style].special[0]
    response = encode_response(TOKENIZERS[style], ASK, f"Use {first}", 999)
    assert said(style, response)[0].strip() == f"Use {first}"


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
        ("{{ messages[-1].content }}", [REPLY], None, "leaves out the words of a message of role user"),
        ("{% for m in messages %}{{ m.content }}{% endfor %}", [REPLY], TOOLS, "leaves out a tool"),
        (
            "{{ tools }}{% for m in messages %}{{ m.content }}{% endfor %}",
            [calls("moon", "Up.")],
            TOOLS,
            "leaves out a call of a tool",
        ),
        (
            "{% for m in messages %}"
            "{{ m.content | upper if m.role == 'assistant' else m.content }}{% endfor %}",
            [REPLY],
            None,
            "leaves out the words of a message of role assistant",
        ),
        ("{% for m in messages %}{{ m.nothing.at_all }}{% endfor %}", [REPLY], None, "has no attribute"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_by_name(template, reply, tools, words):
    tokenizer = styled("ChatML")
    tokenizer.chat_template = template
    with pytest.raises(BoundaryError, match=re.escape(words)):
        render_chat(Template(tokenizer, tools), ASK, reply)


@pytest.mark.parametrize("style", STYLES)
def test_an_end_of_turn_within_a_turn_is_refused(style):
    reply = [says("assistant", f"It{STYLES[style].end_of_turn} is blue.")]
    with pytest.raises(BoundaryError, match="holds the end-of-turn token before its end"):
        encode_response(TOKENIZERS[style], ASK, reply, 10_000)


ROLES_ONLY = "{% for m in messages %}{% if m.role in ROLES %}{{ m.content }}\n{% endif %}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "prompt", "reply", "words"),
    [
        (  # the reply quotes the tool, whose message is dropped
            ROLES_ONLY.replace("ROLES", "['user', 'assistant']"),
            ASK,
            [REPLY, says("tool", "blue"), REPLY],
            "the words of a message of role tool",
        ),
        (
            ROLES_ONLY.replace("ROLES", "['user', 'assistant']"),
            [says("system", "blue"), *ASK],
            [REPLY],
            "the words of a message of role system",
        ),
        (  # the user's words name the tool, whose call is dropped
            "{% for m in messages %}{{ m.content or '' }}\n{% endfor %}",
            [says("user", "sky?"), calls("sky", hour=12), says("tool", "blue")],
            [REPLY],
            "a call of a tool",
        ),
        (
            "{% for m in messages %}{{ m.content or '' }}"
            "{% for c in m.tool_calls or [] %}{{ c.function.name }}{% endfor %}\n{% endfor %}",
            [*ASK, calls("sky", hour=12), says("tool", "blue")],
            [REPLY],
            "the arguments of a call of a tool",
        ),
        (
            STYLES["ChatML"].template,
            [{**ASK[0], "name": "Ada"}],
            [REPLY],
            "the name of a message of role user",
        ),
        (
            STYLES["Llama-3"].template,
            [*ASK, calls("sky", "I look up.", hour=12), says("tool", "blue")],
            [REPLY],
            "the words of a message of role assistant",
        ),
        (
            STYLES["Llama-3"].template,
            ASK,
            [calls("sky", "sky", hour=12)],
            "the words of a message of role assistant",
        ),
    ],
)
def test_what_conditions_the_reply_is_never_dropped_in_silence(template, prompt, reply, words):
    """Though the same words stand elsewhere in the text."""
    with pytest.raises(BoundaryError, match=re.escape(f"leaves out {words}")):
        render_chat(Template(with_template(template)), prompt, reply)


@pytest.mark.parametrize(
    ("template", "reply", "words"),
    [
        (
            "{% for m in messages %}{{ m.content[:24] }}{% endfor %}",
            "It is blue because air scatters.",
            "as it",
        ),
        ("{% for m in messages %}{{ m.content }}<end>{% endfor %}", "Blue.", "ends a turn with text"),
        ("{{ 1 / (messages | length - 2) }}", "Blue.", "refuses the conversation: division by zero"),
        (  # thoughts that were said are written in another form
            "{% for m in messages %}{{ m.content | replace('<think>', '<think>\n') }}{% endfor %}",
            "<think>a</think>Blue.",
            "does not write the reply as it stands",
        ),
        (THOUGHTLESS, "Note: <think>\na\n</think>\n\nBlue.", "does not write the reply as it stands"),
        (STYLES["ChatML"].template, "x<|im_end|>", "holds the end-of-turn token before its end"),
    ],
)
def test_a_reply_that_the_template_changes_is_refused(template, reply, words):
    with pytest.raises(BoundaryError, match=words):
        encode_response(with_template(template), ASK, reply, 999)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ([REPLY, *ASK], "ends with a message of the assistant"),
        ([{"role": "assistant"}], "has no text"),
        ([{"role": "assistant", "tool_calls": [{"function": "sky"}]}], "a call of a tool has no name"),
        ([says("assistant", ["Blue."])], "has no text"),
    ],
)
def test_messages_that_no_file_has_are_refused_in_one_line(reply, words):
    with pytest.raises(BoundaryError, match=words):
        encode_response(TOKENIZERS["ChatML"], ASK, reply, 999)


def test_a_tokenizer_without_any_special_token_has_no_end():
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel({"a": 0, "b": 1}, unk_token="a"))
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
    with pytest.raises(BoundaryError, match="the tokenizer has no EOS token"):
        encode_response(tokenizer, ASK, [REPLY], 99)


def test_a_tool_s_words_may_need_escapes():
    seen = says("tool", 'température:\n"20°"')
    response = encode_response(TOKENIZERS["Mistral"], [*ASK, calls("sky", hour=12), seen], [REPLY], 999)
    assert said("Mistral", response) == [" It is blue."]


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


# Variables of the template

NO_THOUGHTS = "{% if quiet is defined and quiet %}<think>\n\n</think>\n\n{% endif %}"
SWITCH = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' and loop.last %}"
    + NO_THOUGHTS
    + "{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}"
    + "{% if add_generation_prompt %}<|im_start|>assistant\n"
    + NO_THOUGHTS
    + "{% endif %}"
)


def test_arguments_of_the_template_are_in_the_prompt_of_a_pair():
    """With `quiet` an empty think block stands before the reply: in the prompt, and no action."""
    tokenizer = with_template(SWITCH)
    pairs = [
        Pair(ASK, "Blue.", "Soup.", arguments=given) for given in (None, {"quiet": True}, {"quiet": False})
    ]
    plain, quiet, loud = (encoded.chosen for encoded in encode_pairs(tokenizer, pairs, 999).pairs)
    assert quiet.ids == plain.ids == loud.ids
    assert (
        tokenizer.decode(quiet.prompt_ids) == tokenizer.decode(plain.prompt_ids) + "<think>\n\n</think>\n\n"
    )
    assert loud.prompt_ids == plain.prompt_ids


@pytest.mark.parametrize("name", ["quite", "chat_template", "messages"])
def test_an_argument_that_the_template_does_not_know_is_refused(name):
    pair = Pair(ASK, "Blue.", "Soup.", arguments={name: True})
    [problem] = encode_pairs(with_template(SWITCH), [pair], 999).refused
    assert problem.message == f"the chat template has no argument {name}"


def test_a_turn_ends_with_eos_or_else_with_the_first_special_token():
    """Where the special tokens begin after the words, and those up to EOS; what comes after is the tail."""
    tokenizer = styled("ChatML")
    end, start, eos = "<|im_end|>", "<|im_start|>", tokenizer.eos_token
    assert _stop_in(f" \n{end}{start}", Template(tokenizer)) == (2, f"{end}{eos}"[: len(end)])
    if eos != end:
        assert _stop_in(f"{end}{eos}{start}", Template(tokenizer)) == (0, end + eos)
    assert _stop_in(f"{eos}{start}{end}", Template(tokenizer)) == (0, eos)
    assert _stop_in(" \n", Template(tokenizer)) == (0, "")
    with pytest.raises(BoundaryError, match="ends a turn with text, not with a token: 'so'"):
        _stop_in("so", Template(tokenizer))


@pytest.mark.parametrize(
    ("body", "head", "foot", "content", "span"),
    [
        ("hi<e>", "", "<e>", "hi", (0, 2)),
        ("so hi<e>", "so ", "<e>", "hi", (3, 5)),  # what the template inserts is no word
        ("hi<e>", "so ", "<e>", "hi", (0, 2)),  # where it inserts nothing
        ("hi", "", "", "hi", (0, 2)),
        (" hi <e>", "", "<e>", " hi ", (0, 4)),
        (" hi<e>", "", "<e>", " hi ", (0, 3)),
        ("hi <e>", "", "<e>", " hi ", (0, 3)),
        ("hi<e>", "", "<e>", " hi ", (0, 2)),
        (" hi<e>", " ", "<e>", " hi", (0, 3)),  # the reply's own white space, not the template's
        ("hi<e>", "", "<e>", "<t>x</t>hi", (0, 2)),  # without its thoughts
        ("<t>x</t>hi<e>", "", "<e>", "<t>x</t>hi", (0, 10)),
        ("no<e>", "", "<e>", "hi", None),
        ("hi<f>", "", "<e>", "hi", None),
        ("a hi<e>", "so ", "<e>", "hi", None),
        ("<e>", "", "<e>", "<t>x</t>", None),  # thoughts alone are no reply
    ],
)
def test_where_the_words_of_a_reply_stand(body, head, foot, content, span):
    if span:
        assert _words_in(body, head, foot, content) == span
    else:
        with pytest.raises(BoundaryError) as caught:
            _words_in(body, head, foot, content)
        assert str(caught.value) == f"the chat template does not write the reply as it stands: {body!r}"


@pytest.mark.parametrize(
    ("body", "head", "ending", "stop", "span"),
    [
        ("call<e>\n", "", "<e>\n", "<e>", (0, 4)),
        ("\n call <e>", "", "<e>", "<e>", (2, 6)),
        ("so call<e>", "so", "<e>", "<e>", (3, 7)),
        ("call<e>", "so", "<e>", "<e>", (0, 4)),  # the head is of plain replies alone
        ("  call<e>", "  ", "<e>", "<e>", (2, 6)),
        ("call<f>", "", "<e>", "<e>", None),
        ("call", "", "", "", None),
    ],
)
def test_where_a_call_of_a_tool_stands(body, head, ending, stop, span):
    if span:
        assert _calls_in(body, head, ending, stop) == span
    else:
        with pytest.raises(BoundaryError) as caught:
            _calls_in(body, head, ending, stop)
        assert str(caught.value) == "the chat template does not end a call of a tool as it ends a turn"


def test_a_conversation_whole():
    """Two turns of ChatML: each begins where the policy goes on, and has its words and its end of turn."""
    start, end = "<|im_start|>", "<|im_end|>"
    reply = [says("assistant", "a b"), says("user", "c"), says("assistant", "d")]
    found = render_chat(Template(styled("ChatML")), ASK, reply)
    before = f"{start}user\n{ASK[0]['content']}{end}\n{start}assistant\n"
    between = f"{end}\n{start}user\nc{end}\n{start}assistant\n"
    assert (found.text, found.tail) == (f"{before}a b{between}d{end}", "\n")
    a, d = len(before), len(before) + 3 + len(between)
    assert found.turns == [
        Turn(a, (a, a + 3), (a + 3, a + 3 + len(end))),
        Turn(d, (d, d + 1), (d + 1, d + 1 + len(end))),
    ]
    for wrong in ([], [*reply, says("user", "e")]):
        with pytest.raises(BoundaryError, match=r"^a response ends with a message of the assistant$"):
            render_chat(Template(styled("ChatML")), ASK, wrong)
    plain = styled("ChatML")
    plain.chat_template = None
    with pytest.raises(BoundaryError) as caught:
        render_chat(Template(plain), ASK, reply)
    assert str(caught.value) == "the prompt is a chat, but this model's tokenizer has no chat template"


def test_every_argument_that_is_not_known_is_named():
    with pytest.raises(BoundaryError, match=r"^the chat template has no argument a, b$"):
        Template(with_template(SWITCH), None, {"b": 1, "quiet": True, "a": 2})


def test_the_texts_used_last_are_kept():
    """Eight of them; by messages, the prompt of a generation, and tools."""
    written = []

    def writes(messages, tokenize, add_generation_prompt, tools):
        written.append((messages, add_generation_prompt, tools))
        return f"{messages} {add_generation_prompt} {tools}"

    template = Template(SimpleNamespace(chat_template="any", apply_chat_template=writes), ["own"])
    for k in (*range(8), 0, 8, 0, *range(2, 9)):
        assert template.write([k]) == f"{[k]} False ['own']"
    assert [messages for messages, *_ in written] == [[k] for k in range(9)]
    for k in (0, 1, 0):
        template.write([k])
    assert [messages for messages, *_ in written[9:]] == [[1]]  # the one that was used least of late
    assert template.write([0], generate=True) == "[0] True ['own']"
    assert template.write([0], tools=["other"]) == "[0] False ['other']"
    assert len(written) == 12


def test_of_special_tokens_that_begin_alike_the_longest_is_meant():
    special = Template(with_template(SWITCH, ("<|a|>", "<|a|>b", "<|a|>bc"))).special
    assert re.findall(special, "<|a|>bc<|a|>b<|a|>") == ["<|a|>bc", "<|a|>b", "<|a|>"]


def test_a_template_without_end_is_stopped_at_the_first_pair(monkeypatch):
    """It would be as slow with the next, so no other pair is tried."""
    monkeypatch.setattr(chat, "LONGEST", 0.05)
    tokenizer = styled("ChatML")
    tokenizer.chat_template = "{% for i in range(9**5) %}{% for j in range(9**5) %}{% endfor %}{% endfor %}"
    pair = Pair(ASK, [REPLY], [says("assistant", "No.")])
    with pytest.raises(TimeoutError, match=r"^the chat template takes more than 0.05 s$"):
        encode_pairs(tokenizer, [pair, pair], 99)

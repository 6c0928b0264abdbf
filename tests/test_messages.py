"""Messages and tools, field by field: what is read, what is refused, and in which words."""

import json

import pytest

from dpoq_lab.columns import FieldError
from dpoq_lab.messages import (
    checked_text,
    messages_in,
    parse_arguments,
    parse_messages,
    parse_tools,
    who_said_what,
)

ASK = {"role": "user", "content": "Sky?"}
CALL = {"type": "function", "function": {"name": "look", "arguments": {"at": "sky"}}}


def refused(read, *given):
    """The field that is refused, and why."""
    with pytest.raises(FieldError) as error:
        read(*given)
    return f"{error.value.field}: {error.value}"


@pytest.mark.parametrize("role", ["role", "from", "content", "value"])
def test_a_string_that_begins_as_messages_do_holds_messages(role):
    for text in (json.dumps([{role: "a"}]), str([{role: "a"}]), f' [\n {{ "{role}": "a"}}]'):
        assert messages_in(text) == [{role: "a"}]


@pytest.mark.parametrize("text", ['[{"other": 1}]', "[role]", "[{'role': 'a'}", '[{"role": "a"}, 3]', "{}"])
def test_any_other_string_is_text(text):
    assert messages_in(text) is None


@pytest.mark.parametrize(
    ("given", "role"),
    [
        ("human", "user"),
        ("prompter", "user"),
        ("GPT", "assistant"),
        ("model", "assistant"),
        ("observation", "tool"),
        ("system", "system"),
    ],
)
def test_roles_by_other_names(given, role):
    assert parse_messages([{"from": given, "value": "x"}], "prompt") == [{"role": role, "content": "x"}]


def test_of_two_names_for_a_field_the_own_one_counts():
    both = {"role": "user", "from": "gpt", "content": "x"}
    assert "prompt[0].from: is a field of a message that is not read" in refused(
        parse_messages, [both], "prompt"
    )


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("hello", "p[1]: is a string, not a message"),
        ({"role": "owl", "content": "x"}, "p[1].role: is 'owl', not system, user, assistant or tool"),
        ({"content": "x"}, "p[1].role: is None, not system, user, assistant or tool"),
        ({"role": "user"}, "p[1].content: is missing"),
        ({"role": "user", "content": None}, "p[1].content: is null, not a string"),
        ({"role": "user", "content": "  "}, "p[1].content: is empty"),
        ({"role": "user", "content": "x", "mood": 1}, "p[1].mood: is a field of a message that is not read"),
        ({"role": "user", "content": "x", "tool_calls": [CALL]}, "p[1].tool_calls: is a field"),
        ({"role": "assistant", "content": "x", "tool_call_id": "1"}, "p[1].tool_call_id: is a field"),
        ({"role": "user", "content": "x", "name": 7}, "p[1].name: is a number, not a string"),
        ({"role": "tool", "content": "x", "tool_call_id": ""}, "p[1].tool_call_id: is empty"),
        ({"role": "user", "content": "\ud800"}, "p[1].content: holds a lone surrogate"),
        ({"role": "user", "content": [{"type": "image"}]}, "p[1].content[0]: is of type image"),
        (
            {"role": "user", "content": [{"type": "text", "text": "a"}, 3]},
            "p[1].content[1]: is of type a number",
        ),
        ({"role": "user", "content": [{"type": "text", "text": 3}]}, "p[1].content[0]: is of type text"),
        (
            {"role": "assistant", "tool_calls": "look"},
            "p[1].tool_calls: is a string, not a list of tool calls",
        ),
        (
            {"role": "assistant", "tool_calls": [3]},
            "p[1].tool_calls[0]: is not an object with the name of a tool",
        ),
        ({"role": "assistant", "tool_calls": [{"function": {}}]}, "p[1].tool_calls[0].name: is missing"),
        ({"role": "assistant", "content": 3, "tool_calls": [CALL]}, "p[1].content: is a number"),
    ],
)
def test_a_message_is_refused_by_the_name_of_its_field(message, why):
    assert why in refused(parse_messages, [ASK, message], "p")


@pytest.mark.parametrize("given", ["text", [], {}, None])
def test_what_is_no_list_of_messages(given):
    assert refused(parse_messages, given, "prompt") == "prompt: is not a list of messages"


def test_text_comes_in_parts_and_fields_that_are_null_are_not_there():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    message = {"role": "user", "content": parts, "name": None, "tool_calls": None}
    assert parse_messages([message], "p") == [{"role": "user", "content": "ab"}]


def test_a_call_of_a_tool_may_have_words_beside_it_and_an_empty_list_is_none():
    for content in ({}, {"content": None}, {"content": ""}):
        [found] = parse_messages([{"role": "assistant", "tool_calls": [CALL], **content}], "p")
        assert found == {"role": "assistant", "tool_calls": [CALL], "content": None}
    [found] = parse_messages([{"role": "assistant", "content": "Hm.", "tool_calls": [CALL]}], "p")
    assert found["content"] == "Hm."
    [found] = parse_messages([{"role": "assistant", "content": "Hm.", "tool_calls": []}], "p")
    assert found == {"role": "assistant", "content": "Hm."}


def test_tools_are_a_list_or_its_json_and_go_with_messages():
    assert parse_tools([CALL], [ASK]) == parse_tools(json.dumps([CALL]), [ASK]) == [CALL]
    for none in (None, "", [], "[]"):
        assert parse_tools(none, [ASK]) is None
    assert "tools: is a number, not a list of tools" in refused(parse_tools, 3, [ASK])
    assert "tools: is not JSON: " in refused(parse_tools, "[", [ASK])
    assert "tools: goes with messages" in refused(parse_tools, [CALL], "Sky?")
    assert "tools[0]: " in refused(parse_tools, [{"name": "a", "x": "\ud800"}], [ASK])


def test_arguments_are_an_object_or_its_json_and_go_with_messages():
    given = {"thinking": False}
    assert parse_arguments(given, [ASK]) == parse_arguments(json.dumps(given), [ASK]) == given
    for none in (None, "", {}, "{}"):
        assert parse_arguments(none, [ASK]) is None
    assert "chat_template_kwargs: is a list, not an object" in refused(parse_arguments, [1], [ASK])
    assert "chat_template_kwargs: goes with messages" in refused(parse_arguments, given, "Sky?")


def test_text_is_a_string_that_is_not_blank_and_every_half_of_a_surrogate_is_none():
    assert checked_text(" a\n", "f") == " a\n"
    for half in ("\ud800", "\udfff", "\udabc"):
        assert refused(checked_text, f"a{half}", "f") == "f: holds a lone surrogate, which is not text"
    assert checked_text("\ud7ff\ue000", "f")  # the neighbours are text


def test_who_said_what_is_a_line_a_message():
    said = [
        ASK,
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "blue"},
    ]
    assert who_said_what(said).split("\n") == [
        "user: Sky?",
        "assistant: {'name': 'look', 'arguments': {'at': 'sky'}}",
        "tool: blue",
    ]
    both = {"role": "assistant", "content": "Hm.", "tool_calls": [CALL["function"], {"name": "b"}]}
    assert who_said_what([both]).startswith("assistant: Hm. {'name': 'look'")
    assert who_said_what("as it is") == "as it is"


OF_MESSAGES = "goes with messages, which a chat template renders; the prompt is a string"


@pytest.mark.parametrize(
    ("read", "given", "said"),
    [
        (parse_tools, ([CALL], "Sky?"), f"tools: {OF_MESSAGES}"),
        (parse_tools, ({}, [ASK]), "tools: is an object, not a list of tools"),
        (parse_tools, ([CALL, 3], [ASK]), "tools[1]: is not an object with the name of a tool"),
        (parse_tools, ([{"function": 3}], [ASK]), "tools[0]: is not an object with the name of a tool"),
        (parse_tools, ([CALL, {"name": " "}], [ASK]), "tools[1].name: is empty"),
        (parse_tools, ([{"function": {"name": 3}}], [ASK]), "tools[0].name: is a number, not a string"),
        (parse_arguments, ({"a": 1}, "Sky?"), f"chat_template_kwargs: {OF_MESSAGES}"),
        (parse_arguments, ([1], [ASK]), "chat_template_kwargs: is a list, not an object"),
        (
            parse_messages,
            ([ASK | {"b": 1, "a": 2}], "p"),
            "p[0].a: is a field of a message that is not read here",
        ),
        (parse_messages, (ASK, "p"), "p: is not a list of messages"),
        (
            parse_messages,
            ([ASK | {"content": ["a"]}], "p"),
            "p[0].content[0]: is of type a string: only text is supported",
        ),
        (checked_text, (None, "f"), "f: is null, not a string"),
        (checked_text, (" \n", "f"), "f: is empty"),
    ],
)
def test_what_is_said_of_a_field_whole(read, given, said):
    assert refused(read, *given) == said


def test_a_long_reason_is_cut_at_a_hundred_letters_and_depth_is_told():
    long = refused(parse_tools, "1" * 5000, [ASK])
    assert long.startswith("tools: is not JSON: Exceeds the limit")
    assert len(long) == len("tools: is not JSON: ") + 100
    deep = {"name": "a"}
    for _ in range(100_000):
        deep = {"name": "a", "x": deep}
    assert refused(parse_tools, [deep], [ASK]) == "tools[0]: is nested too deeply"


def test_names_and_ids_are_kept_where_they_may_stand():
    """An id of a call with all but the assistant, calls with the assistant alone; null is not there."""
    for role in ("system", "user", "tool"):
        message = {"role": role, "content": "x", "name": "a", "tool_call_id": "1"}
        assert parse_messages([message | {"tool_calls": None}], "p") == [message]
    message = {"role": "assistant", "content": "x", "name": "a", "tool_calls": [CALL]}
    assert parse_messages([message | {"tool_call_id": None}], "p") == [message]
    assert parse_messages([{"from": "human", "value": "x", "role": None}], "p") == [
        {"role": "user", "content": "x"}
    ]
    for role in ("gpt", "model", "bot", "chatgpt", "ai", "function", "ipython", "observation"):
        name = "assistant" if role in ("gpt", "model", "bot", "chatgpt", "ai") else "tool"
        assert parse_messages([{"role": role.upper(), "content": "x"}], "p")[0]["role"] == name


def test_tools_in_both_forms_and_json_that_is_blank():
    plain = {"name": "look"}
    assert parse_tools([plain, CALL], [ASK]) == parse_tools(json.dumps([plain, CALL]), [ASK]) == [plain, CALL]
    assert refused(parse_tools, " ", [ASK]) == "tools: is a string, not a list of tools"
    assert parse_tools(None, "Sky?") is parse_arguments("{}", "Sky?") is None

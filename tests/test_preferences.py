"""Reading pairs: four forms, three file kinds, and a clear line for every flaw."""

import json
from dataclasses import replace

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dpoq_lab.columns import How
from dpoq_lab.paths import kit_folder
from dpoq_lab.preferences import (
    FieldError,
    Pair,
    parse_pair,
    read_pairs,
    usable_pairs,
    write_pairs,
    written,
)
from dpoq_lab.sources import PairsError

STANDARD = {"prompt": "Q?", "chosen": " Yes.", "rejected": " No."}


def write(path, *lines):
    path.write_bytes(
        b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    )
    return path


def only_problem(path):
    reading = read_pairs(path)
    assert len(reading.problems) == 1, reading.problems
    return str(reading.problems[0])


# The four forms


def test_standard_keeps_the_strings_word_for_word():
    pair = parse_pair(STANDARD)
    assert (pair.prompt, pair.chosen, pair.rejected, pair.form) == ("Q?", " Yes.", " No.", "standard")


def test_variables_of_the_chat_template_are_a_column_or_one_setting_for_all():
    """What a record says goes before what is said for all; a string prompt has no template."""
    record = {"instruction": "Add.", "chosen": "3", "rejected": "4"}
    how = How(chat_template_kwargs={"think": False, "date": "today"})
    assert parse_pair(record).arguments is None
    assert parse_pair(record, how=how).arguments == {"think": False, "date": "today"}
    own = {**record, "chat_template_kwargs": '{"think": true}'}
    assert parse_pair(own, how=how).arguments == {"think": True, "date": "today"}
    assert parse_pair(STANDARD, how=how).arguments is None
    again = parse_pair(own).to_record()
    assert parse_pair(again).arguments == {"think": True}


def test_instruction_becomes_a_user_message_with_its_input():
    record = {"instruction": "Add.", "input": "1 2", "chosen": "3", "rejected": "4"}
    assert parse_pair(record).prompt == [{"role": "user", "content": "Add.\n\n1 2"}]
    assert parse_pair({**record, "input": ""}).prompt == [{"role": "user", "content": "Add."}]


def test_conversation_with_a_prompt_field():
    user, good, bad = message("user", "Hi"), message("assistant", "Hello"), message("assistant", "What")
    pair = parse_pair({"prompt": [user], "chosen": [good], "rejected": [bad]})
    assert (pair.prompt, pair.chosen, pair.rejected) == ([user], "Hello", "What")


def test_conversation_that_repeats_the_prompt_in_both_responses():
    user, good, bad = message("user", "Hi"), message("assistant", "Hello"), message("assistant", "What")
    with_string = parse_pair({"prompt": "Hi", "chosen": [user, good], "rejected": [user, bad]})
    without = parse_pair({"chosen": [user, good], "rejected": [user, bad]})
    assert with_string.prompt == without.prompt == [user]
    assert with_string.chosen == without.chosen == "Hello"


def test_implicit_prompt_ends_at_the_last_assistant_turn():
    start = "\n\nHuman: Hi\n\nAssistant:"
    pair = parse_pair({"chosen": start + " I think so.", "rejected": start + " I doubt it."})
    assert (pair.prompt, pair.chosen, pair.rejected) == (start, " I think so.", " I doubt it.")


def message(role, content):
    return {"role": role, "content": content}


# Several turns: the prompt is a state in which the assistant acts


def says(*messages):
    return [message(*each) for each in messages]


def test_several_turns_after_the_shared_messages_are_the_responses():
    shared = says(("system", "Be terse."), ("user", "Sky?"))
    chosen = says(("assistant", "When?"), ("user", "Noon."), ("assistant", "Blue."))
    pair = parse_pair({"chosen": shared + chosen, "rejected": shared + says(("assistant", "Soup."))})
    assert (pair.prompt, pair.chosen, pair.rejected) == (shared, chosen, "Soup.")


def test_a_shared_turn_of_the_assistant_before_another_s_is_part_of_both_responses():
    start, shared = says(("user", "Sky?")), says(("assistant", "When?"))
    ends = [says(("user", hour), ("assistant", "Blue.")) for hour in ("Noon.", "Night.")]
    chosen, rejected = (start + shared + end for end in ends)
    pair = parse_pair({"chosen": chosen, "rejected": rejected})
    assert (pair.prompt, pair.chosen, pair.rejected) == (start, shared + ends[0], shared + ends[1])


def test_what_a_message_holds_beside_its_words_is_kept():
    """A name, a call and its id: a template may render them."""
    call = {"role": "assistant", "tool_calls": [{"function": {"name": "sky", "arguments": {}}}]}
    result = {"role": "tool", "name": "sky", "tool_call_id": "c1", "content": "blue"}
    named = {"role": "assistant", "name": "Ada", "content": "Blue."}
    record = {"prompt": says(("user", "Sky?")), "chosen": [call, result, named], "rejected": [named]}
    pair = parse_pair({**record, "tools": '[{"name": "sky"}]'})
    assert pair.chosen == [{**call, "content": None}, result, named]
    assert pair.rejected == [named]
    assert pair.tools == [{"name": "sky"}]
    assert parse_pair(pair.to_record()) == pair


def test_a_table_s_struct_has_the_fields_of_every_row_and_a_call_only_its_own(tmp_path):
    def call_with(**arguments):
        call = {"function": {"name": "sky", "arguments": arguments}}
        return [{"role": "assistant", "content": None, "tool_calls": [call]}]

    start, rejected = says(("user", "Sky?")), says(("assistant", "Soup."))
    rows = [
        {"prompt": start, "chosen": call_with(**arguments), "rejected": rejected}
        for arguments in ({"hour": 12}, {"city": "Oslo"})
    ]
    table = pyarrow.Table.from_pylist(rows)
    pyarrow.parquet.write_table(table, tmp_path / "p.parquet")
    pairs = read_pairs(tmp_path / "p.parquet").pairs
    found = [pair.chosen[0]["tool_calls"][0]["function"]["arguments"] for pair in pairs]
    assert found == [{"hour": 12}, {"city": "Oslo"}]


# Flaws of a record: (record, field, part of the message)


def call(function):
    return {"role": "assistant", "tool_calls": [{"function": function}]}


USER, ASSISTANT = message("user", "Hi"), message("assistant", "Hello")
DIFFERENT = message("assistant", "What")
CHAT = {"prompt": [USER], "chosen": [ASSISTANT], "rejected": [DIFFERENT]}
FLAWED = [
    ([1, 2], "", "is a list, not a JSON object"),
    ({"prompt": "Q", "chosen": "a"}, "rejected", "is missing"),
    ({**STANDARD, "prompt": "  "}, "prompt", "is empty"),
    ({**STANDARD, "chosen": ""}, "chosen", "is empty"),
    ({**STANDARD, "chosen": 3}, "chosen", "is a number, not a string"),
    ({**STANDARD, "rejected": None}, "rejected", "is null, not a string"),
    ({**STANDARD, "rejected": " Yes."}, "rejected", "is equal to chosen"),
    ({**STANDARD, "chosen": "\ud800"}, "chosen", "surrogate"),
    ({"instruction": "Add.", "input": 3, "chosen": "3", "rejected": "4"}, "input", "is a number"),
    ({"chosen": "abc", "rejected": "xyz"}, "rejected", "shares no prefix"),
    ({"chosen": "same text", "rejected": "same text"}, "rejected", "is equal to chosen"),
    ({"prompt": [USER], "chosen": [USER], "rejected": [ASSISTANT]}, "chosen", "assistant message"),
    (
        {"prompt": [USER, ASSISTANT], "chosen": [ASSISTANT], "rejected": [message("assistant", "x")]},
        "chosen",
        "goes on after a message of the assistant",
    ),
    (
        {"prompt": [USER], "chosen": [ASSISTANT, USER], "rejected": [ASSISTANT]},
        "chosen",
        "must end with an assistant message, not one of role user",
    ),
    (
        {"prompt": [USER], "chosen": [ASSISTANT, message("system", "S"), ASSISTANT], "rejected": [ASSISTANT]},
        "chosen",
        "a system message that is not the first",
    ),
    (
        {"prompt": [USER, message("tool", "blue")], "chosen": [ASSISTANT], "rejected": [DIFFERENT]},
        "chosen",
        "a tool message after one of role user",
    ),
    (
        {"prompt": [USER], "chosen": [{**ASSISTANT, "reasoning": "Hm"}], "rejected": [ASSISTANT]},
        "chosen[0].reasoning",
        "is a field of a message that is not read here",
    ),
    (
        {"prompt": [USER], "chosen": [{"role": "assistant", "tool_calls": "sky"}], "rejected": [ASSISTANT]},
        "chosen[0].tool_calls",
        "is a string, not a list of tool calls",
    ),
    ({**CHAT, "tools": "[{"}, "tools", "is not JSON"),
    ({**CHAT, "tools": [3]}, "tools[0]", "is not an object with the name of a tool"),
    ({**CHAT, "tools": [{}]}, "tools[0].name", "is missing"),
    ({**CHAT, "tools": 0}, "tools", "is a number, not a list of tools"),
    ({**CHAT, "chat_template_kwargs": "{"}, "chat_template_kwargs", "is not JSON"),
    ({**CHAT, "chat_template_kwargs": [1]}, "chat_template_kwargs", "is a list, not an object"),
    ({**STANDARD, "chat_template_kwargs": {"a": 1}}, "chat_template_kwargs", "goes with messages"),
    ({**CHAT, "tools": "[" * 100_000}, "tools", "is not JSON"),
    ({**CHAT, "tools": "1" * 5000}, "tools", "is not JSON"),
    ({**CHAT, "prompt": 5}, "prompt", "is a number, not messages"),
    ({**CHAT, "chosen": [{**ASSISTANT, "name": 5}]}, "chosen[0].name", "is a number, not a string"),
    ({**CHAT, "chosen": [call(3)]}, "chosen[0].tool_calls[0]", "is not an object with the name of a tool"),
    ({**CHAT, "chosen": [call({})]}, "chosen[0].tool_calls[0].name", "is missing"),
    (
        {**CHAT, "chosen": [call({"name": "sky", "arguments": "\ud800"})]},
        "chosen[0].tool_calls[0]",
        "lone surrogate",
    ),
    ({**CHAT, "prompt": [message("tool", "blue")]}, "chosen", "has a tool message first"),
    ({**STANDARD, "tools": [{"name": "sky"}]}, "tools", "goes with messages"),
    (
        {**CHAT, "chosen": [ASSISTANT, USER, DIFFERENT], "chosen_flaws": [[0, 2]]},
        "chosen_flaws",
        "characters of one plain reply",
    ),
    (
        {"prompt": [USER], "chosen": [{"role": "robot", "content": "x"}], "rejected": [ASSISTANT]},
        "chosen[0].role",
        "robot",
    ),
    (
        {"prompt": [USER], "chosen": [{"role": "user"}], "rejected": [ASSISTANT]},
        "chosen[0].content",
        "is missing",
    ),
    ({"prompt": [USER], "chosen": "text", "rejected": [ASSISTANT]}, "chosen", "is not a list of messages"),
    ({"chosen": [ASSISTANT], "rejected": [message("assistant", "x")]}, "chosen", "shares no message"),
    ({**STANDARD, "rejected_flaws": [[0, 99]]}, "rejected_flaws", "[0, 99) is outside"),
    ({**STANDARD, "rejected_flaws": [[2, 2]]}, "rejected_flaws", "outside"),
    ({**STANDARD, "rejected_flaws": [[-1, 2]]}, "rejected_flaws", "outside"),
    ({**STANDARD, "rejected_flaws": [[0, 1.5]]}, "rejected_flaws", "not [start, end)"),
    ({**STANDARD, "rejected_flaws": "0-2"}, "rejected_flaws", "is a string"),
]


@pytest.mark.parametrize(("record", "field", "message"), FLAWED)
def test_a_flawed_record_names_its_field(record, field, message):
    with pytest.raises(FieldError) as caught:
        parse_pair(record)
    assert caught.value.field == field
    assert message in str(caught.value)


def test_flaw_spans_of_the_implicit_form_count_from_the_start_of_the_text():
    text = "Say hello: hi there"
    pair = parse_pair({"chosen": text, "rejected": "Say hello: go away", "rejected_flaws": [[11, 18]]})
    start, end = pair.rejected_flaws[0]
    assert pair.rejected[start:end] == "go away"


# Files


def test_json_lines_name_file_line_and_field(tmp_path):
    path = write(tmp_path / "p.jsonl", STANDARD, b"", {**STANDARD, "chosen": ""})
    assert only_problem(path) == f"{path}:3: chosen: is empty"
    assert read_pairs(path).pairs[0].where == f"{path}:1"


def test_a_line_that_is_not_json_does_not_lose_the_others(tmp_path):
    path = write(tmp_path / "p.jsonl", b"{oops", STANDARD)
    assert f"{path}:1: is not JSON" in only_problem(path)
    assert len(read_pairs(path).pairs) == 1


def test_invalid_utf8_names_line_and_byte(tmp_path):
    path = write(tmp_path / "p.jsonl", STANDARD, b'{"prompt": "\xff"}')
    assert only_problem(path) == f"{path}:2: is not UTF-8 at byte 13 of the line"


def test_invalid_utf8_in_an_array_names_its_line(tmp_path):
    path = tmp_path / "p.json"
    path.write_bytes(b'[\n{"prompt": "Q",\n"chosen": "\xff"}]')
    assert only_problem(path).startswith(f"{path}:3: is not UTF-8 at byte 12")


def test_a_json_array_names_the_line_where_a_record_begins(tmp_path):
    path = tmp_path / "p.json"
    path.write_text(json.dumps([STANDARD, {**STANDARD, "chosen": ""}], indent=1))
    assert only_problem(path) == f"{path}:7: chosen: is empty"


def test_a_broken_json_array_keeps_the_records_before_the_break(tmp_path):
    path = tmp_path / "p.json"
    path.write_text(f"[{json.dumps(STANDARD)},\n{{oops}}]")
    assert f"{path}:2: is not JSON" in only_problem(path)
    assert len(read_pairs(path).pairs) == 1


@pytest.mark.parametrize("content", [b"", b"\n\n", b"[]"])
def test_an_empty_file_is_a_problem(tmp_path, content):
    path = tmp_path / "p.json"
    path.write_bytes(content)
    assert only_problem(path) == f"{path}: holds no pairs"
    with pytest.raises(PairsError, match="holds no pairs"):
        usable_pairs(path)


def test_parquet_rows_are_numbered_from_one(tmp_path):
    path = tmp_path / "p.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([STANDARD, {**STANDARD, "chosen": " No."}]), path)
    assert only_problem(path) == f"{path}:2: rejected: is equal to chosen"


def test_sources_that_cannot_be_opened(tmp_path):
    with pytest.raises(PairsError, match="no such file"):
        read_pairs(tmp_path / "none.jsonl")
    with pytest.raises(PairsError, match="not a .jsonl"):
        read_pairs(write(tmp_path / "p.txt", STANDARD))
    with pytest.raises(PairsError, match="not a readable parquet"):
        read_pairs(write(tmp_path / "p.parquet", STANDARD))
    with pytest.raises(PairsError, match="not a dataset that can be loaded"):
        read_pairs("nobody/nothing")


TEXT = st.text(min_size=1).filter(lambda text: text.strip() and text.isprintable())


@example("a", "a", "ab")  # both replies begin with the prompt's own words
@given(TEXT, TEXT, TEXT)
def test_written_pairs_are_read_back(tmp_path_factory, prompt, chosen, rejected):
    if chosen == rejected:
        return
    path = tmp_path_factory.mktemp("pairs") / "p.jsonl"
    pairs = [
        Pair(prompt, chosen, rejected, rejected_flaws=((0, 1),)),
        Pair([message("user", prompt)], chosen, rejected),
    ]
    write_pairs(pairs, path)
    back = usable_pairs(path)
    assert [p.to_record() for p in back] == [p.to_record() for p in pairs]


def test_real_pairs_from_outside():
    """1,100 pairs of another project: six have chosen equal to rejected, and each is named by its line."""
    path = kit_folder().parent / "shared" / "data" / "instruction-data-with-preference.json"
    if not path.is_file():
        pytest.skip("the outside pairs are not beside this clone")
    reading = read_pairs(path)
    assert (len(reading.pairs), len(reading.problems)) == (1094, 6)
    assert {problem.message for problem in reading.problems} == {"is equal to chosen"}
    assert str(reading.problems[0]) == f"{path}:856: rejected: is equal to chosen"


def test_a_prompt_is_cut_off_only_where_both_replies_repeat_it():
    """Flaws then count from the start of the whole text."""
    whole = {"prompt": "Q?", "chosen": "Q? Yes.", "rejected": "Q? No.", "rejected_flaws": [[3, 5]]}
    pair = parse_pair(whole)
    assert (pair.chosen, pair.rejected, pair.rejected_flaws) == (" Yes.", " No.", ((1, 3),))
    for changed in ({"chosen": " Yes."}, {"rejected": " No no."}):
        pair = parse_pair(whole | changed)
        assert (pair.chosen, pair.rejected) == tuple(
            (whole | changed)[side] for side in ("chosen", "rejected")
        )


@pytest.mark.parametrize("side", ["chosen", "rejected"])
@pytest.mark.parametrize(
    "record",
    [
        STANDARD,
        {"instruction": "Q?", "input": "x", "output": " a", "chosen": " Yes.", "rejected": " No."},
        {"chosen": "Q? Yes.", "rejected": "Q? No."},
    ],
)
def test_the_side_that_is_no_text_is_named(record, side):
    record = {key: value for key, value in record.items() if key != "output"} | {side: 7}
    with pytest.raises(FieldError) as error:
        parse_pair(record)
    assert error.value.field == side


@pytest.mark.parametrize("side", ["chosen", "rejected"])
def test_the_flaws_of_each_side_are_its_own(side):
    other = {"chosen": "rejected", "rejected": "chosen"}[side]
    pair = parse_pair(STANDARD | {f"{side}_flaws": [[0, 2], [2, 3]]})
    assert (getattr(pair, f"{side}_flaws"), getattr(pair, f"{other}_flaws")) == (((0, 2), (2, 3)), ())
    end = len(STANDARD[side])
    assert parse_pair(STANDARD | {f"{side}_flaws": [[0, end]]})
    for span in ([0, end + 1], [-1, 2], [2, 2], [1], [1, 2, 3], [0.0, 1], [True, 2], "ab"):
        with pytest.raises(FieldError) as error:
            parse_pair(STANDARD | {f"{side}_flaws": [span]})
        assert error.value.field == f"{side}_flaws"


def test_a_system_column_that_the_messages_have_already_stands_once():
    start = [{"role": "system", "content": "Be."}, {"role": "user", "content": "Q?"}]
    for prompt in (start, start[1:]):
        pair = parse_pair({"prompt": prompt, "chosen": "Yes.", "rejected": "No.", "system": "Be."})
        assert pair.prompt == start
    with pytest.raises(FieldError, match="is not what the system message says"):
        parse_pair({"prompt": start, "chosen": "Yes.", "rejected": "No.", "system": "Do."})


def test_replies_to_messages_may_be_strings_which_are_the_assistants():
    ask = [{"role": "user", "content": "Q?"}]
    pair = parse_pair({"prompt": ask, "chosen": "Yes.", "rejected": "No."})
    assert (pair.prompt, pair.chosen, pair.rejected) == (ask, "Yes.", "No.")
    for side in ("chosen", "rejected"):
        with pytest.raises(FieldError, match="is empty") as error:
            parse_pair({"prompt": ask, "chosen": "Yes.", "rejected": "No.", side: " "})
        assert error.value.field == side


ASK, BYE, AGAIN = message("user", "Hi"), message("user", "Bye"), message("assistant", "Hey")
BOTH = {"chosen": [ASSISTANT], "rejected": [DIFFERENT]}
NOT_LAST = "must end with an assistant message, not one of role user"
NO_START = "shares no message with the other response, and there is no prompt"
OF_ANOTHER = "goes on after a message of the assistant, where it is another's turn"
NO_SPAN = "counts characters of one plain reply, not of several turns or tool calls"
TOLD = {  # record, field, all that is said
    "a shorter reply that ends the longer's prompt": (
        {"chosen": [ASK, AGAIN, BYE], "rejected": [ASK, AGAIN, BYE, ASSISTANT]},
        *("chosen", NOT_LAST),
    ),
    "the other way round": (
        {"chosen": [ASK, AGAIN, BYE, ASSISTANT], "rejected": [ASK, AGAIN, BYE]},
        *("rejected", NOT_LAST),
    ),
    "a rejected reply of another": (
        {"prompt": [ASK], "chosen": [AGAIN], "rejected": [BYE, AGAIN]},
        *("rejected", "must begin with an assistant message, not one of role user"),
    ),
    "messages alike": (
        {"prompt": [ASK], "chosen": [AGAIN], "rejected": [AGAIN]},
        "rejected",
        "is equal to chosen",
    ),
    "rejected as text": (
        {"prompt": "Hi", "chosen": [AGAIN], "rejected": "a"},
        "rejected",
        "is not a list of messages",
    ),
    "chosen as text": (
        {"prompt": "Hi", "chosen": "a", "rejected": [AGAIN]},
        "chosen",
        "is not a list of messages",
    ),
    "a rejected reply of spaces": (STANDARD | {"rejected": " \n"}, "rejected", "is empty"),
    "no shared message": (BOTH, "chosen", NO_START),
    "the assistant's turn is over": (BOTH | {"prompt": [ASK, AGAIN]}, "chosen", OF_ANOTHER),
    "a prompt of numbers": (BOTH | {"prompt": 3.5}, "prompt", "is a number, not messages"),
    "a prompt unlike its messages": (
        {"question": "Bye", "chosen": [ASK, ASSISTANT], "rejected": [ASK, DIFFERENT]},
        *("question", "is not what the messages say; say which it is with --prompt-field"),
    ),
    "what the assistant has said is no prompt": (
        {"prompt": "Hey", "chosen": [ASK, AGAIN, BYE, ASSISTANT], "rejected": [ASK, AGAIN, BYE, DIFFERENT]},
        *("prompt", "is not what the messages say; say which it is with --prompt-field"),
    ),
    "another system": (
        BOTH | {"prompt": [message("system", "a"), ASK], "system": "b"},
        *("system", "is not what the system message says"),
    ),
    "a system beside whole texts": (
        {"chosen": "a b", "rejected": "a c", "system": "S"},
        *("system", "stands beside replies that hold their prompt; put it into them"),
    ),
    "whole texts that part at once": (
        {"chosen": "a b", "rejected": "b b"},
        *("rejected", "shares no prefix with chosen, and there is no prompt field"),
    ),
    "a tool first": (BOTH | {"prompt": [message("tool", "x")]}, "chosen", "has a tool message first"),
    "a tool after a tool after the user": (
        BOTH | {"prompt": [ASK, message("tool", "x"), message("tool", "y")]},
        *("chosen", "has a tool message after one of role user"),
    ),
    "a second system": (
        BOTH | {"prompt": [message("system", "a"), message("system", "b"), ASK]},
        *("chosen", "has a system message that is not the first"),
    ),
    "a flaw of many turns": (
        {"prompt": [ASK], "chosen": [AGAIN, BYE, AGAIN], "rejected": [AGAIN], "chosen_flaws": []},
        *("chosen_flaws", NO_SPAN),
    ),
    "a flaw of three": (
        STANDARD | {"chosen_flaws": [[0, 1, 2]]},
        "chosen_flaws",
        "holds [0, 1, 2], not [start, end)",
    ),
    "a flaw of truths": (
        STANDARD | {"chosen_flaws": [[False, True]]},
        "chosen_flaws",
        "holds [False, True], not [start, end)",
    ),
    "a flaw in letters": (
        STANDARD | {"chosen_flaws": ["ab"]},
        "chosen_flaws",
        "holds 'ab', not [start, end)",
    ),
    "a flaw beyond": (
        STANDARD | {"chosen_flaws": [[0, 6]]},
        "chosen_flaws",
        "span [0, 6) is outside the response's [0, 5)",
    ),
    "a flaw of no length": (
        STANDARD | {"chosen_flaws": [[1, 1]]},
        "chosen_flaws",
        "span [1, 1) is outside the response's [0, 5)",
    ),
    "a flaw of the prompt": (
        {"prompt": "Q?", "chosen": "Q? a", "rejected": "Q? b", "rejected_flaws": [[1, 4]]},
        *("rejected_flaws", "span [1, 4) is outside the response's [2, 4)"),
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_is_told_of_a_flaw_whole(name):
    record, field, told = TOLD[name]
    with pytest.raises(FieldError) as caught:
        parse_pair(record)
    assert (caught.value.field, str(caught.value)) == (field, told)


TOOL, SYSTEM = {"name": "sky"}, message("system", "S")
CALLS = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "sky", "arguments": {}}}]}
READ = {  # record, the pair
    "flaws of the whole reply": (
        STANDARD | {"chosen_flaws": [(0, 5)], "rejected_flaws": [[0, 1], [3, 4]]},
        Pair("Q?", " Yes.", " No.", ((0, 5),), ((0, 1), (3, 4))),
    ),
    "a prompt that one reply repeats": (
        {"prompt": "Q?", "chosen": "a", "rejected": "Q? b"},
        Pair("Q?", "a", "Q? b"),
    ),
    "texts that hold their prompt": (
        {"chosen": "a bc", "rejected": "a bd", "chosen_flaws": [[2, 4]], "hint": "x"},
        Pair("a", " bc", " bd", ((1, 3),), form="implicit", notes=("column hint is not read",)),
    ),
    "a prompt that both repeat": (
        {"prompt": "Q?", "chosen": "Q? a", "rejected": "Q? b", "score_chosen": 2, "score_rejected": 1},
        Pair(
            *("Q?", " a", " b"),
            notes=("the prompt is repeated in both replies: taken off",),
            scores=(2.0, 1.0),
        ),
    ),
    "a system beside a question": (
        {"question": "Hi", "chosen": "a", "rejected": "b", "system": "S"},
        Pair([SYSTEM, ASK], "a", "b", form="instruction"),
    ),
    "messages that hold their prompt": (
        {"prompt": " Bye ", "chosen": [ASK, AGAIN, BYE, ASSISTANT], "rejected": [ASK, AGAIN, BYE, DIFFERENT]},
        Pair([ASK, AGAIN, BYE], "Hello", "What", form="conversational"),
    ),
    "a system beside messages": (
        BOTH | {"system": "S"},
        Pair([SYSTEM], "Hello", "What", form="conversational"),
    ),
    "the same system": (
        BOTH | {"prompt": [SYSTEM, ASK], "system": "S"},
        Pair([SYSTEM, ASK], "Hello", "What", form="conversational"),
    ),
    "tools, one after the other": (
        {"prompt": [ASK], "tools": [TOOL], "chosen_flaws": None}
        | {"chosen": [CALLS, message("tool", "a"), message("tool", "b"), AGAIN], "rejected": [AGAIN]},
        Pair(
            *([ASK], [CALLS, message("tool", "a"), message("tool", "b"), AGAIN], "Hey"),
            form="conversational",
            tools=[TOOL],
        ),
    ),
    "replies that repeat the prompt's messages": (
        {"prompt": [ASK], "chosen": [ASK, AGAIN], "rejected": [ASK, AGAIN, BYE, AGAIN]},
        Pair([ASK], "Hey", [AGAIN, BYE, AGAIN], form="conversational"),
    ),
}


@pytest.mark.parametrize("name", READ)
def test_a_pair_whole(name):
    record, pair = READ[name]
    assert parse_pair(record) == pair
    assert parse_pair(record, "f:3") == replace(pair, where="f:3")


def test_a_record_whole():
    """A chat has its replies as messages, its tools and what else its template reads; a text has its text."""
    pair = Pair([ASK], "a", [AGAIN, BYE, AGAIN], ((0, 1),), tools=[TOOL], arguments={"b": 1})
    assert pair.to_record() == {
        **{"prompt": [ASK], "tools": [TOOL], "chat_template_kwargs": {"b": 1}},
        **{"chosen": [message("assistant", "a")], "chosen_flaws": [[0, 1]], "rejected": [AGAIN, BYE, AGAIN]},
    }
    assert Pair("a", "b", "c").to_record() == {"prompt": "a", "chosen": "b", "rejected": "c"}
    assert Pair("a ", [AGAIN, BYE], "c").to_record() == {"chosen": "a HeyBye", "rejected": "a c"}
    assert Pair("a ", "b", [AGAIN, BYE]).to_record() == {"chosen": "a b", "rejected": "a HeyBye"}
    assert (written("ab"), written([AGAIN, BYE])) == ("ab", "HeyBye")


def test_rows_are_read_in_their_order_with_their_problems():
    reading = read_pairs([STANDARD, STANDARD | {"chosen": ""}, 3, STANDARD | {"hint": "a"}])
    assert [pair.where for pair in reading.pairs] == ["row 1", "row 4"]
    assert [str(problem) for problem in reading.problems] == [
        "row 2: chosen: is empty",
        "row 3: is a number, not a JSON object",
    ]
    assert reading.notes() == {"column hint is not read": 1}
    assert [str(problem) for problem in read_pairs([]).problems] == ["rows: holds no pairs"]
    named = How(chosen_field="good")
    row = {"prompt": "Q?", "good": "a", "rejected": "b"}
    assert usable_pairs([row], named) == [Pair("Q?", "a", "b", where="row 1")]
    with pytest.raises(PairsError) as caught:
        usable_pairs([row])
    assert "row 1: chosen: is missing; of good say which" in str(caught.value)


@pytest.mark.parametrize("side", ["chosen", "rejected"])
def test_a_blank_reply_is_named_by_its_side(side):
    row = {"prompt": "a", "chosen": "b", "rejected": "c"} | {side: " \n"}
    with pytest.raises(FieldError) as caught:
        parse_pair(row)
    assert (caught.value.field, str(caught.value)) == (side, "is empty")


@pytest.mark.parametrize("names", [("prompt",), ("chosen",), ("rejected",), ("chosen", "rejected")])
def test_messages_that_any_field_holds_as_a_string_are_messages(names):
    said = {"prompt": ("user", "a"), "chosen": ("assistant", "b"), "rejected": ("assistant", "c")}
    row = {name: [{"role": role, "content": text}] for name, (role, text) in said.items()}
    assert parse_pair(row | {name: json.dumps(row[name]) for name in names}) == parse_pair(row)
    assert parse_pair(row | {name: row[name][0] for name in names}) == parse_pair(row)  # one message alone

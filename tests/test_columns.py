"""Records of every family, by their columns: what each becomes, what is refused, what is named."""

from pathlib import Path

import pytest

from dpoq_lab.columns import REPLIES, SCORES, Canonical, FieldError, How, canonical
from dpoq_lab.encoding import encode_pairs
from dpoq_lab.messages import messages_in
from dpoq_lab.models import load_tokenizer
from dpoq_lab.preferences import parse_pair, read_pairs, write_pairs

BLUE, SOUP = "It is blue.", "It is soup."


def user(text):
    return {"role": "user", "content": text}


def said(text):
    return {"role": "assistant", "content": text}


def system(text):
    return {"role": "system", "content": text}


ASKED = [user("Sky?")]
FAMILIES = {  # name: (record, prompt)
    "plain": ({"prompt": "Sky?", "chosen": BLUE, "rejected": SOUP}, "Sky?"),
    "a system column": (
        {"system": "Be terse.", "prompt": "Sky?", "chosen": BLUE, "rejected": SOUP},
        [system("Be terse."), user("Sky?")],
    ),
    "orca": ({"system": "", "question": "Sky?", "chosen": BLUE, "rejected": SOUP}, ASKED),
    "distilabel": (
        {
            "system": "Be terse.",
            "input": "Sky?",
            "chosen": BLUE,
            "rejected": SOUP,
            "generations": [BLUE, SOUP],
        },
        [system("Be terse."), user("Sky?")],
    ),
    "alpaca with history": (
        {
            "instruction": "Sky?",
            "input": "At noon.",
            "chosen": BLUE,
            "rejected": SOUP,
            "history": [["Hi", "Hey"]],
        },
        [user("Hi"), said("Hey"), user("Sky?\n\nAt noon.")],
    ),
    "sharegpt": (
        {
            "conversations": [{"from": "human", "value": "Sky?"}],
            "chosen": {"from": "gpt", "value": BLUE},
            "rejected": {"from": "gpt", "value": SOUP},
        },
        ASKED,
    ),
    "messages and strings": ({"messages": ASKED, "chosen": BLUE, "rejected": SOUP}, ASKED),
    "ultrafeedback": (
        {
            "prompt": "Sky?",
            "messages": [*ASKED, said(BLUE)],
            "chosen": [*ASKED, said(BLUE)],
            "rejected": [*ASKED, said(SOUP)],
            "score_chosen": 8.0,
            "score_rejected": 2.0,
        },
        ASKED,
    ),
    "text parts": (
        {
            "prompt": [{"role": "user", "content": [{"type": "text", "text": "Sky?"}]}],
            "chosen": [said([{"type": "text", "text": BLUE}])],
            "rejected": [said(SOUP)],
        },
        ASKED,
    ),
    "messages in a string": (
        {
            "prompt": str(ASKED),
            "chosen": f'[{{"role": "assistant", "content": "{BLUE}"}}]',
            "rejected": str([said(SOUP)]),
        },
        ASKED,
    ),
    "SHP": (
        {
            "history": "Sky?",
            "human_ref_A": SOUP,
            "human_ref_B": BLUE,
            "labels": 0,
            "score_A": 3,
            "post_id": "x",
        },
        ASKED,
    ),
    "better_response_id": (
        {"prompt": "Sky?", "response_0": BLUE, "response_1": SOUP, "better_response_id": 0, "is_safe": True},
        "Sky?",
    ),
    "an overall preference": (
        {"context": ASKED, "response1": SOUP, "response2": BLUE, "overall_preference": 2, "language": "en"},
        ASKED,
    ),
    "NeMo": (
        {
            "prompt": "Sky?",
            "chosen_response": BLUE,
            "rejected_response": SOUP,
            "chosen_reward": 1,
            "rejected_reward": 0,
        },
        "Sky?",
    ),
    "NeMo, ranked": (
        {
            "context": ASKED,
            "completions": [
                {"rank": 1, "completion": [said(SOUP)]},
                {"rank": 0, "completion": [said(BLUE)]},
            ],
        },
        ASKED,
    ),
    "ms-swift": ({"messages": [*ASKED, said(BLUE)], "rejected_response": SOUP}, ASKED),
    "TRL's paired answers": ({"question": "Sky?", "response_j": BLUE, "response_k": SOUP}, ASKED),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_read(name):
    record, prompt = FAMILIES[name]
    pair = parse_pair(record)
    assert (pair.prompt, pair.chosen, pair.rejected) == (prompt, BLUE, SOUP)
    assert pair.notes == ()


REFUSED = {  # record, field, a word of the message
    "pictures": (
        {"prompt": "Sky?", "chosen": BLUE, "rejected": SOUP, "images": ["cat.png"]},
        "images",
        "pictures",
    ),
    "a picture in a message": (
        {"prompt": [user([{"type": "image"}])], "chosen": [said(BLUE)], "rejected": [said(SOUP)]},
        "prompt[0].content[0]",
        "only text",
    ),
    "KTO": ({"prompt": "Sky?", "completion": BLUE, "label": True}, "completion", "KTO"),
    "a context": (
        {"context": "At noon.", "question": "Sky?", "chosen": BLUE, "rejected": SOUP},
        "context",
        "conditions",
    ),
    "a conversation as text": (
        {"conversation": "Human: Sky?", "chosen": BLUE, "rejected": SOUP},
        "conversation",
        "--prompt-field conversation",
    ),
    "replies under other names": (
        {"prompt": "Sky?", "good": BLUE, "bad": SOUP},
        "chosen",
        "of good, bad say which with --chosen-field",
    ),
    "two prompts": (
        {"prompt": "Sky?", "question": "Sea?", "chosen": BLUE, "rejected": SOUP},
        "question",
        "--prompt-field",
    ),
    "a prompt unlike the messages": (
        {"prompt": "Sea?", "chosen": [*ASKED, said(BLUE)], "rejected": [*ASKED, said(SOUP)]},
        "prompt",
        "not what the messages say",
    ),
    "two systems": (
        {
            "system": "Be terse.",
            "prompt": [system("Be long."), *ASKED],
            "chosen": [said(BLUE)],
            "rejected": [said(SOUP)],
        },
        "system",
        "not what the system message says",
    ),
    "a system beside texts that hold their prompt": (
        {"system": "Be terse.", "chosen": f"Sky? {BLUE}", "rejected": f"Sky? {SOUP}"},
        "system",
        "put it into them",
    ),
    "a tie": (
        {"context": ASKED, "response1": SOUP, "response2": BLUE, "overall_preference": 0},
        "overall_preference",
        "prefers neither",
    ),
    "three completions": (
        {"context": ASKED, "completions": [{"rank": k, "completion": [said(BLUE)]} for k in range(3)]},
        "completions",
        "not two",
    ),
    "one reply as text, one as messages": (
        {"prompt": ASKED, "chosen": BLUE, "rejected": [said(SOUP)]},
        "chosen",
        "not a list of messages",
    ),
    "no prompt for a dataset of pairs": (
        {"question": None, "chosen": "a", "rejected": "b"},
        "rejected",
        "no prefix",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_names_its_column(name):
    record, field, word = REFUSED[name]
    with pytest.raises(FieldError, match=word.replace("-", r"\-")) as caught:
        parse_pair(record)
    assert caught.value.field == field


def test_a_column_that_nobody_reads_is_named_and_the_pair_goes_on():
    reading = read_pairs(
        [{"prompt": "Sky?", "chosen": BLUE, "rejected": SOUP, "persona": "a pirate", "id": 3}] * 2
    )
    assert not reading.problems
    assert dict(reading.notes()) == {"column persona is not read": 2}


def test_a_prompt_that_both_replies_repeat_is_taken_off_and_said():
    pair = parse_pair({"prompt": "Sky?\n", "chosen": f"Sky?\n{BLUE}", "rejected": f"Sky?\n{SOUP}"})
    assert (pair.prompt, pair.chosen, pair.rejected) == ("Sky?\n", BLUE, SOUP)
    assert "taken off" in pair.notes[0]
    quoted = parse_pair({"prompt": "Sky?", "chosen": "Sky? Blue.", "rejected": SOUP})
    assert quoted.chosen == "Sky? Blue."
    flawed = {
        "prompt": "Sky?",
        "chosen": f"Sky?{BLUE}",
        "rejected": f"Sky?{SOUP}",
        "rejected_flaws": [[10, 14]],
    }
    assert parse_pair(flawed).rejected_flaws == ((6, 10),)


def test_columns_are_named_by_hand():
    record = {"text": "Sky?", "good": BLUE, "bad": SOUP, "prompt_id": 7}
    how = How(prompt_field="text", chosen_field="good", rejected_field="bad")
    assert parse_pair(record, how=how).prompt == "Sky?"
    with pytest.raises(FieldError, match="missing"):
        parse_pair(record, how=How(prompt_field="nothing", chosen_field="good", rejected_field="bad"))
    both = {"prompt": "Sky?", "question": "Sea?", "chosen": BLUE, "rejected": SOUP}
    assert parse_pair(both, how=How(prompt_field="question")).notes == ("column prompt is not read",)


def test_a_human_who_speaks_again_is_observed():
    """Where two conversations of hh-rlhf part at an earlier turn, what the human says later is no action."""
    start = "\n\nHuman: Sky?\n\nAssistant:"
    chosen = f"{start} When?\n\nHuman: Noon.\n\nAssistant: Blue."
    pair = parse_pair({"chosen": chosen, "rejected": f"{start} Soup."})
    assert pair.prompt == start
    assert [m["role"] for m in pair.chosen] == ["assistant", "user", "assistant"]
    [read] = encode_pairs(load_tokenizer("tiny"), [pair], 128).pairs
    observed = "".join(t for t, own in zip(read.chosen.tokens, read.chosen.actions, strict=True) if not own)
    assert observed == "\n\nHuman: Noon.\n\nAssistant:"
    assert all(read.rejected.actions)


def test_such_a_pair_is_written_and_read_back(tmp_path):
    start = "\n\nHuman: Sky?\n\nAssistant:"
    record = {"chosen": f"{start} When?\n\nHuman: Noon.\n\nAssistant: Blue.", "rejected": f"{start} Soup."}
    write_pairs([parse_pair(record)], tmp_path / "pairs.jsonl")
    [again] = read_pairs(tmp_path / "pairs.jsonl").pairs
    assert (again.prompt, again.chosen) == (parse_pair(record).prompt, parse_pair(record).chosen)


@pytest.mark.parametrize(
    "text", ["[1, 2]", "[Sky]", '[{"text": "a"}]', '[{"role": ', "Say [{'role': 'user'}]"]
)
def test_a_text_with_brackets_stays_a_text(text):
    assert messages_in(text) is None


CASES = Path(__file__).resolve().parents[2] / "shared" / "cases" / "pairs"
READ = {  # name: usable and unusable pairs
    "orca.jsonl": (12, 0),
    "orca_mixed.jsonl": (3, 0),
    "distilabel_orca.jsonl": (12, 0),
    "system_prompt_strings.jsonl": (12, 0),
    "images.jsonl": (0, 12),
    "content_parts.jsonl": (0, 12),
    "content_parts_text.jsonl": (12, 0),
    "reasoning_content.jsonl": (0, 12),
    "prompt_string_unlike_messages.jsonl": (0, 12),
    "prompt_repeated_in_chosen.jsonl": (12, 0),
    "hh_rlhf_multi.jsonl": (3, 1),
    "multi_turn_diff.jsonl": (12, 0),
    "tool_calls.jsonl": (12, 0),
    "two_users.jsonl": (12, 0),
    "axolotl_chat_template.jsonl": (12, 0),
    "llamafactory_sharegpt.jsonl": (12, 0),
    "nulls.jsonl": (2, 4),
    "ultrafeedback.parquet": (12, 0),
    "argilla_mix.jsonl": (12, 0),
}


@pytest.mark.skipif(not CASES.is_dir(), reason="the files from the wild are not here")
@pytest.mark.parametrize("name", READ)
def test_files_from_the_wild(name):
    reading = read_pairs(CASES / name)
    assert (len(reading.pairs), len(reading.problems)) == READ[name]


@pytest.mark.parametrize(
    ("names", "of_first", "of_second"),
    [
        (("human_ref_A", "human_ref_B", "labels"), [1], [0]),
        (("response_0", "response_1", "better_response_id"), [0], [1]),
        (("response_a", "response_b", "winner"), ["model_a", "a"], ["model_b", "b"]),
        (("response1", "response2", "overall_preference"), [-3, -2, -1], [1, 2, 3]),
    ],
)
def test_every_label_prefers_its_reply(names, of_first, of_second):
    first, second, label = names
    replies = {"prompt": "Sky?", first: BLUE, second: SOUP}
    for said_first, expected in ((of_first, (BLUE, SOUP)), (of_second, (SOUP, BLUE))):
        for value in said_first:
            pair = parse_pair(replies | {label: value})
            assert (pair.chosen, pair.rejected) == expected, value
    for value in ("neither", 7, [1], {}):
        with pytest.raises(FieldError, match=f"it prefers neither of {first} and {second}"):
            parse_pair(replies | {label: value})


@pytest.mark.parametrize("names", REPLIES)
def test_the_names_of_both_replies(names):
    good, bad = names
    pair = parse_pair({"prompt": "Sky?", good: BLUE, bad: SOUP})
    assert (pair.chosen, pair.rejected) == (BLUE, SOUP)


@pytest.mark.parametrize("names", SCORES)
def test_the_names_of_both_ratings(names):
    good, bad = names
    row = {"prompt": "Sky?", "chosen": BLUE, "rejected": SOUP}
    assert parse_pair(row | {good: 3, bad: 1.5}).scores == (3.0, 1.5)
    for odd in ("3", None, True):
        assert not parse_pair(row | {good: odd, bad: 1}).scores
        assert not parse_pair(row | {good: 1, bad: odd}).scores


def test_the_side_that_is_missing_is_named():
    for given, missing in (({}, "chosen"), ({"chosen": BLUE}, "rejected"), ({"rejected": SOUP}, "chosen")):
        with pytest.raises(FieldError) as error:
            parse_pair({"prompt": "Sky?", **given})
        assert error.value.field == missing


def test_an_instruction_its_input_and_earlier_turns():
    row = {"instruction": "Say it.", "output": "", "chosen": BLUE, "rejected": SOUP}
    del row["output"]

    def asked(**more):
        return [(m["role"], m["content"]) for m in parse_pair(row | more).prompt]

    assert asked(input="Sky") == [("user", "Say it.\n\nSky")]
    assert asked(input="  ") == asked(input="") == [("user", "Say it.")]
    turns = [["a", "b"], ["c", "d"]]
    assert asked(input="", history=turns) == [
        *(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"), ("user", "Say it.")),
    ]
    assert asked(input="", system="Be.") == [("system", "Be."), ("user", "Say it.")]
    for name, value in (("history", "a"), ("history", [["a"]]), ("system", 3), ("input", 3)):
        with pytest.raises(FieldError) as error:
            parse_pair(row | {"input": ""} | {name: value})
        assert error.value.field == name


def test_columns_that_are_not_read_are_noted_but_for_those_that_describe():
    row = {"prompt": "Sky?", "chosen": BLUE, "rejected": SOUP}
    quiet = {
        "pair_id": "x",
        "Lang-code": "en",
        "margin": "1",
        "flag": True,
        "n": 3,
        "none": None,
        "empty": [],
    }
    assert parse_pair(row | quiet).notes == ()
    [note] = parse_pair(row | {"hint": "blue"}).notes
    assert "hint" in note


def test_one_column_cannot_be_two_things():
    for names in (("chosen_field", "rejected_field"), ("prompt_field", "chosen_field")):
        with pytest.raises(ValueError, match="chosen"):
            How(**dict.fromkeys(names, "a"))


REPLY = {"chosen": BLUE, "rejected": SOUP}
FOUR = [user("Hi"), said("Hey"), *ASKED, said(BLUE)]
MEANS = {  # record, what of it is not as in two replies alone
    "two replies": (REPLY, {}),
    "all that a pair may have": (
        REPLY
        | {"prompt": "Sky?", "system": "Be.", "tools": [1], "chat_template_kwargs": {"a": 1}}
        | {"chosen_flaws": [[0, 1]], "rejected_flaws": [[1, 2]], "score_chosen": 3, "score_rejected": 1}
        | {"images": [], "hint": "x", "persona": {"a": 1}, "id": "7"},
        {
            **{"prompt": "Sky?", "system": "Be.", "tools": [1], "arguments": {"a": 1}, "scores": (3.0, 1.0)},
            **{
                "flaws": {"chosen_flaws": [[0, 1]], "rejected_flaws": [[1, 2]]},
                "unread": ["hint", "persona"],
            },
        },
    ),
    "a prompt column is plain": (REPLY | {"prompt": "a"}, {"prompt": "a", "plain": True}),
    "a question is not": (REPLY | {"question": "a"}, {"prompt": "a", "prompt_field": "question"}),
    "an empty system makes a message of it": (REPLY | {"prompt": "a", "system": ""}, {"prompt": "a"}),
    "an empty prompt is one": (REPLY | {"prompt": ""}, {"prompt": "", "plain": True}),
    "an empty question is none": (REPLY | {"question": ""}, {}),
    "an empty prompt beside a question": (
        REPLY | {"prompt": "", "question": "a"},
        {"prompt": "a", "prompt_field": "question"},
    ),
    "messages that the question repeats": (
        REPLY | {"messages": FOUR[:3], "question": "Sky?", "query": "Hi"},
        {"prompt": FOUR[:3], "prompt_field": "messages"},
    ),
    "as others write messages": (
        REPLY | {"conversations": [{"from": "human", "value": "a"}], "question": "a"},
        {"prompt": [{"from": "human", "value": "a"}], "prompt_field": "conversations"},
    ),
    "the question twice": (
        REPLY | {"question": "a", "query": "a"},
        {"prompt": "a", "prompt_field": "question"},
    ),
    "chosen once more": ({"chosen": FOUR, "rejected": SOUP, "messages": FOUR}, {"chosen": FOUR}),
    "messages and a rejected text": (
        {"messages": FOUR, "rejected": SOUP},
        {"chosen": FOUR[-1:], "rejected": [said(SOUP)], "prompt": FOUR[:-1]},
    ),
    "messages and rejected messages": (
        {"messages": FOUR, "rejected_messages": ASKED},
        {"chosen": FOUR, "rejected": ASKED},
    ),
    "ranks": (
        {"completions": [{"rank": 0.5, "completion": "a"}, {"rank": 0.25, "completion": "b"}]},
        {"chosen": "b", "rejected": "a"},
    ),
    "what was said before, of a label": (
        {"human_ref_A": "a", "human_ref_B": "b", "labels": 1, "history": "Sky?"},
        {"chosen": "a", "rejected": "b", "prompt": "Sky?", "prompt_field": "history"},
    ),
    "of a label without it": (
        {"response_0": "a", "response_1": "b", "better_response_id": 1, "prompt": "p"},
        {"chosen": "b", "rejected": "a", "prompt": "p", "plain": True},
    ),
    "turns without a prompt": (
        REPLY | {"history": [["a", "b"]]},
        {"prompt": [user("a"), said("b")]},
    ),
    "no turns": (REPLY | {"prompt": "a", "history": []}, {"prompt": "a", "plain": True}),
    "turns before messages": (
        REPLY | {"messages": ASKED, "history": [("a", "b")]},
        {"prompt": [user("a"), said("b"), *ASKED], "prompt_field": "messages"},
    ),
    "two names of a rating, the first not of numbers": (
        REPLY | {"score_chosen": "3", "score_rejected": 1, "chosen_score": 2, "rejected_score": 4},
        {"scores": (2.0, 4.0)},
    ),
}


@pytest.mark.parametrize("name", MEANS)
def test_a_record_by_meaning_whole(name):
    record, more = MEANS[name]
    before = dict(record)
    no_flaws = {"flaws": {"chosen_flaws": None, "rejected_flaws": None}}
    assert canonical(record) == Canonical(**(REPLY | no_flaws | more))
    assert record == before


MISSING = "is missing"
PICTURES = "pictures and sound are not supported: the reply answers what is not read"
ONE_REPLY = "is one reply with a label of its own, as KTO trains on; a pair needs two replies to one prompt"
NO_NUMBER = "holds a rank that is no number"
AS_TEXT = "conditions the reply and is text, not messages; "
SAID_WHOLE = {  # record, column, what is said of it
    "nothing": ({}, "chosen", MISSING),
    "half a pair": ({"rejected": SOUP, "id": 3}, "chosen", MISSING),
    "other names": (
        {"chosen": BLUE, "bad": SOUP, "worse": "x", "id": "7", "prompt": "a", "tools": "t"},
        "rejected",
        "is missing; of bad, worse say which with --chosen-field and --rejected-field",
    ),
    "sound": (REPLY | {"audio": "x"}, "audio", PICTURES),
    "a completion": ({"completion": BLUE, "hint": "a"}, "completion", ONE_REPLY),
    "a response with a label": ({"response": BLUE, "label": True}, "response", ONE_REPLY),
    "a response without": (
        {"response": BLUE},
        "chosen",
        "is missing; of response say which with --chosen-field and --rejected-field",
    ),
    "a label without a response": ({"label": True}, "chosen", MISSING),
    "messages without a rejected reply": ({"messages": FOUR}, "chosen", MISSING),
    "no messages": ({"messages": [], "rejected": SOUP}, "chosen", MISSING),
    "messages as text": ({"messages": "a", "rejected": SOUP}, "chosen", MISSING),
    "one of two labelled": (
        {"response_0": "a", "better_response_id": 0},
        "chosen",
        "is missing; of response_0 say which with --chosen-field and --rejected-field",
    ),
    "a label of neither": (
        {"human_ref_A": "a", "human_ref_B": "b", "labels": 2},
        "labels",
        "is 2: it prefers neither of human_ref_A and human_ref_B",
    ),
    "completions in words": (
        {"completions": "a"},
        "chosen",
        "is missing; of completions say which with --chosen-field and --rejected-field",
    ),
    "one without a rank": (
        {"completions": [{"rank": 0}, {"completion": "a"}]},
        "chosen",
        "is missing; of completions say which with --chosen-field and --rejected-field",
    ),
    "one that is none": (
        {"completions": [{"rank": 0}, ["rank"]]},
        "chosen",
        "is missing; of completions say which with --chosen-field and --rejected-field",
    ),
    "one rank in words": ({"completions": [{"rank": 0}, {"rank": "1"}]}, "completions", NO_NUMBER),
    "the same rank": (
        {"completions": [{"rank": 1}, {"rank": 1}]},
        "completions",
        "holds 2 completions, not two of different rank",
    ),
    "one completion": (
        {"completions": [{"rank": 1}]},
        "completions",
        "holds 1 completions, not two of different rank",
    ),
    "two prompts": (
        REPLY | {"question": "a", "query": "b"},
        "query",
        "is a prompt beside question; say which with --prompt-field",
    ),
    "a prompt that the messages do not say": (
        REPLY | {"messages": [*ASKED, "Sea?"], "question": "Sea?"},
        "question",
        "is a prompt beside messages; say which with --prompt-field",
    ),
    "a dialogue as text": (
        REPLY | {"dialogue": "a"},
        "dialogue",
        f"{AS_TEXT}--prompt-field dialogue takes it as it stands",
    ),
    "and a question": (
        REPLY | {"dialogue": "a", "question": "b"},
        "dialogue",
        f"{AS_TEXT}put it into the prompt",
    ),
    "an input of numbers": (
        REPLY | {"instruction": "a", "input": [3]},
        "input",
        "is a list, not a string",
    ),
    "a system of numbers": (REPLY | {"prompt": "a", "system": [3]}, "system", "is a list, not a string"),
    "turns as text": (REPLY | {"history": "a"}, "history", "is not a list of [user, assistant] turns"),
    "turns of three": (
        REPLY | {"history": [["a", "b"], ["a", "b", "c"]]},
        "history",
        "is not a list of [user, assistant] turns",
    ),
    "turns of two letters": (
        REPLY | {"history": ["ab"]},
        "history",
        "is not a list of [user, assistant] turns",
    ),
}


@pytest.mark.parametrize("name", SAID_WHOLE)
def test_what_is_said_of_a_column_whole(name):
    record, column, message = SAID_WHOLE[name]
    with pytest.raises(FieldError) as caught:
        canonical(record)
    assert (caught.value.field, str(caught.value)) == (column, message)


def test_a_column_that_is_named_goes_before_those_known():
    """With one reply named the other is of its usual name; a named prompt is used word for word."""
    record = REPLY | {"good": "a", "text": "b", "prompt": "c", "history": [["d", "e"]]}
    found = canonical(record, How(chosen_field="good"))
    assert (found.chosen, found.rejected, found.unread) == ("a", SOUP, ["chosen", "text"])
    found = canonical(record, How(rejected_field="good", prompt_field="text"))
    assert (found.chosen, found.rejected, found.plain, found.prompt_field) == (BLUE, "a", True, "text")
    assert found.prompt == [user("d"), said("e"), user("b")]
    for how, column in ((How(prompt_field="x"), "x"), (How(chosen_field="x"), "x")):
        with pytest.raises(FieldError) as caught:
            canonical(record, how)
        assert (caught.value.field, str(caught.value)) == (column, MISSING)
    with pytest.raises(ValueError, match=r"^a is named as two of prompt, chosen and rejected$"):
        How(prompt_field="b", chosen_field="a", rejected_field="a")

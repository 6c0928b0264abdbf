"""Records of every family, by their columns: what each becomes, what is refused, what is named."""

from pathlib import Path

import pytest

from dpoq_lab.columns import REPLIES, SCORES, FieldError, How
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

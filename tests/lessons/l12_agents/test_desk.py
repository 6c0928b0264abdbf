"""The desk: who is right, what is paid, and which tokens are actions."""

from collections import Counter
from random import Random

import pytest

from dpoq_lab.encoding import encode_pairs
from dpoq_lab.lessons.l12_agents.desk import (
    CALLS,
    COPIES,
    RIGHT_NAME,
    Episode,
    Question,
    Rules,
    as_response,
    asked_of,
    desk_tokenizer,
    questions,
    tool_says,
    write,
)
from dpoq_lab.lessons.l12_agents.recipe import as_pair

TABLE = {"Ada": "3", "Ben": "7", "Cleo": "0", "Dora": "5"}
HARD, EASY = Question("Dora", TABLE, False), Question("Dora", TABLE, True)
TOLD = Episode(HARD, ("well call Dora", "5", "say 5"))
BUSY = Episode(HARD, ("so call Ben", "busy", "say unsure"))


def test_only_an_easy_prompt_shows_the_digit():
    assert EASY.prompt == "ask Dora 5 : "
    assert HARD.prompt == "ask Dora ? : "


@pytest.mark.parametrize(
    ("turns", "paid"),
    [
        (("well call Dora", "5", "say 5"), 0.7),  # 1 - 0.3
        (("well call Ben", "7", "say 7"), -0.3),
        (("ok say 5",), 1.0),
        (("ok say unsure",), 0.35),
        (("ok say 4",), 0.0),
        (("well call Dora", "busy", "say unsure"), 0.05),
        (("say 5",), 0.0),  # no opener: not in the language
        (("well call Dora", "5", "ok say 5"), -0.3),  # an opener too many
        (("",), 0.0),
        (("well call 5",), 0.0),
    ],
)
def test_what_an_episode_earns(turns, paid):
    assert Episode(HARD, turns).paid(Rules()) == pytest.approx(paid)


def test_price_and_unsure_are_those_of_the_rules():
    assert BUSY.paid(Rules(price=0.1, unsure=0.6)) == pytest.approx(0.5)


def test_the_tool_tells_the_digit_of_the_name_it_is_asked_for_or_is_busy():
    assert tool_says(HARD, "Ben", 0.0, Random(0)) == "7"
    random = Random(0)
    said = Counter(tool_says(HARD, "Dora", 0.6, random) for _ in range(2000))
    assert set(said) == {"5", "busy"}
    assert said["busy"] / 2000 == pytest.approx(0.6, abs=0.03)


def test_a_call_has_an_opener_and_a_name():
    assert asked_of("ok call Cleo") == "Cleo"
    for turn in ("call Cleo", "ok call 5", "ok say 5", "", "ok call Cleo Cleo"):
        assert asked_of(turn) is None


def test_the_writer_calls_names_and_copies_as_often_as_it_says():
    asked = questions(6000, 0, "test")
    written = [write(question, 0.0, Random(k)) for k, question in enumerate(asked)]
    called = [episode for episode in written if episode.called]
    assert len(called) / len(written) == pytest.approx(CALLS, abs=0.02)
    named = [asked_of(episode.turns[0]) == episode.question.name for episode in called]
    assert sum(named) / len(named) == pytest.approx(RIGHT_NAME, abs=0.03)
    copied = [episode.turns[2] == f"say {episode.turns[1]}" for episode in called]
    assert sum(copied) / len(copied) == pytest.approx(COPIES, abs=0.03)
    assert all(episode.well_formed for episode in written)
    assert sum(question.easy for question in asked) == 3000


def test_the_tools_word_is_the_only_token_that_is_no_action():
    response = as_response(TOLD)
    assert [word for word, own in zip(response.tokens, response.actions, strict=True) if not own] == ["5"]
    assert response.tokens == ["well", "call", "Dora", "⟨EOS⟩", "5", "say", "5", "⟨EOS⟩"]
    assert response.actions.index(False) == 4
    assert all(as_response(TOLD, masked=False).actions)


@pytest.mark.parametrize("pair", [(TOLD, BUSY), (Episode(HARD, ("ok say unsure",)), TOLD)])
def test_a_preference_file_of_the_desk_is_read_as_the_same_tokens_and_mask(pair):
    """What `train` and `inspect` make of the chat is what the lesson trains on."""
    [read] = encode_pairs(desk_tokenizer(), [as_pair(*pair)], 64).pairs
    for mine, theirs in zip(map(as_response, pair), (read.chosen, read.rejected), strict=True):
        assert (mine.prompt_ids, mine.ids, mine.actions) == (theirs.prompt_ids, theirs.ids, theirs.actions)
        assert mine.tokens == theirs.tokens

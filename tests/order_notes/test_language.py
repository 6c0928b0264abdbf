"""Order notes: every word has a known reward, planted errors are marked, and the seed decides all."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpoq_lab.encoding import encode_pairs, flaw_mask
from dpoq_lab.order_notes.language import (
    CAREFUL,
    CARELESS,
    FACTS,
    LARGE_FACTS,
    SLOPPY,
    VALUE_OF,
    Writer,
    flaws_of,
    notes,
    order_of,
    order_pairs,
    order_tokenizer,
    prompt_of,
    random_order,
    slipped,
    stitching_pairs,
    token_rewards_of,
    true_score,
    vocabulary,
    write,
)

PROMPT = "day : Monday ; who : Anna ; item : lamp ; price : 20 ; colour : red ; city : Rome ; note :\n"
RIGHT = (
    "hello , Anna wants a red lamp . it costs 20 euros . it ships on Monday . "
    "send everything to Rome . many thanks"
)
PERFECT = Writer(slip=0.0)


def test_a_right_reply_earns_one_a_fact():
    assert true_score(PROMPT, RIGHT) == 6
    assert sum(map(abs, token_rewards_of(PROMPT, RIGHT))) == 6


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("", 0),
        ("Anna Anna", 1),  # a second mention pays nothing
        ("Boris", -1),
        ("Anna Boris", 0),
        ("Boris Anna", 0),  # a wrong mention does not spend the right one
        ("fools", -1),
        ("nothing in this reply is a fact", 0),
        ("Tuesday 20", 0),
    ],
)
def test_the_scorer_takes_any_reply(reply, score):
    assert true_score(PROMPT, reply) == score


def test_a_flaw_is_marked_where_it_stands_though_the_word_occurred_inside_another():
    reply = "100 10 fools"  # 100 is no price of the language; 10 is a wrong one
    assert [reply[start:end] for start, end in flaws_of(PROMPT, reply)] == ["10", "fools"]


def test_values_belong_to_one_fact_and_to_nothing_else():
    assert len(VALUE_OF) == sum(map(len, LARGE_FACTS.values()))
    for facts in (FACTS, LARGE_FACTS):
        words = vocabulary(facts)
        assert len(words) == len(set(words))
        unstated = [word for word in words if word in VALUE_OF and VALUE_OF[word] not in facts]
        assert unstated == []


@pytest.mark.parametrize("facts", [FACTS, LARGE_FACTS], ids=["small", "large"])
def test_a_perfect_reply_of_either_language_earns_one_a_fact(facts):
    random = Random(1)
    order = random_order(random, facts)
    assert true_score(prompt_of(order, random), write(order, PERFECT, random)) == len(facts)


@given(st.integers(0, 10_000))
def test_a_prompt_states_its_facts_in_any_order(seed):
    random = Random(seed)
    order = random_order(random)
    assert order_of(prompt_of(order, random)) == order


def test_a_prompt_without_a_fact_is_named():
    with pytest.raises(ValueError, match="states no city"):
        order_of(PROMPT.replace("city", "town"))


@given(st.integers(0, 10_000))
def test_a_careful_reply_is_perfect_and_planted_errors_cost_two_each(seed):
    """A slip forgoes +1 and pays -1."""
    random = Random(seed)
    order = random_order(random)
    prompt = prompt_of(order, random)
    assert true_score(prompt, write(order, PERFECT, random)) == 6
    wrong = set(random.sample(list(FACTS), 2))
    reply = write(order, PERFECT, random, wrong)
    assert true_score(prompt, reply) == 2
    assert {VALUE_OF[reply[start:end]] for start, end in flaws_of(prompt, reply)} == wrong


def test_most_slips_are_the_next_value_and_none_is_the_right_one():
    random = Random(0)
    found = [slipped("Sunday", random) for _ in range(2000)]
    assert "Sunday" not in found
    assert 0.85 < found.count("Monday") / 2000 < 0.9  # 0.85, and a sixth of the other 0.15


def test_writers_differ_as_they_say():
    def slip_rate(writer):
        found = [len(flaws_of(*note)) for note in notes(1000, 3, Writer(slip=writer.slip))]
        return sum(found) / 6000

    for writer in (CAREFUL, SLOPPY, CARELESS):
        assert slip_rate(writer) == pytest.approx(writer.slip, abs=0.03)


def test_the_same_seed_gives_the_same_pairs():
    assert order_pairs(20, 7) == order_pairs(20, 7)
    assert order_pairs(20, 7) != order_pairs(20, 8)


@pytest.mark.parametrize("slips", [1, 2])
def test_stitching_replies_hold_exactly_their_errors(slips):
    for pair in stitching_pairs(50, 0, slips):
        assert (len(pair.chosen_flaws), len(pair.rejected_flaws)) == (0, slips)


def test_a_word_is_a_token_and_marks_fall_on_it():
    tokenizer = order_tokenizer()
    encoding = encode_pairs(tokenizer, order_pairs(100, 0), 256)
    assert not encoding.refused
    for pair in encoding.pairs:
        words = pair.rejected.text.split()
        assert pair.rejected.tokens[:-1] == words
        assert tokenizer.unk_token_id not in pair.rejected.prompt_ids + pair.rejected.ids
        rewards = token_rewards_of(pair.pair.prompt, pair.rejected.text)
        assert flaw_mask(pair.rejected) == [reward < 0 for reward in rewards] + [False]


def test_a_word_from_outside_is_shown_and_not_lost():
    tokenizer = order_tokenizer()
    assert tokenizer("hello zebra").input_ids[1] == tokenizer.unk_token_id

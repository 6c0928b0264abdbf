"""The law of a writer: it sums to 1, agrees with counts, and knows what the writer never writes."""

import re
from math import exp, log
from random import Random

import numpy as np
import pytest

from dpoq_lab.lessons.l08_reference_policy.writer_law import fact_prob, writer_log_prob
from dpoq_lab.order_notes.language import (
    CAREFUL,
    CARELESS,
    FACTS,
    SENTENCES,
    SLOPPY,
    Writer,
    notes,
    prompt_of,
    write,
)

ORDER = {fact: words[0] for fact, words in FACTS.items()}
PROMPT = prompt_of(ORDER, Random(0))


@pytest.mark.parametrize("writer", [SLOPPY, CAREFUL, CARELESS])
def test_every_reply_of_a_writer_has_a_probability(writer):
    assert all(-60 < writer_log_prob(prompt, reply, writer) < -10 for prompt, reply in notes(500, 0, writer))


@pytest.mark.parametrize("fact", FACTS)
def test_what_is_told_of_a_fact_sums_to_1(fact):
    told = [*FACTS[fact], *([None] if fact in SENTENCES else [])]
    assert sum(fact_prob(fact, FACTS[fact][2], value, SLOPPY) for value in told) == pytest.approx(
        1, abs=1e-12
    )


def test_a_probability_by_hand():
    """All right: 4 greetings, 5 verbs, no adjective, 3 x 3 x 3 wordings, 3! orders, 4 closers."""
    reply = (
        "hello , Anna wants a red lamp . the price is 10 euros . it ships on Monday . "
        "the parcel goes to Athens . best wishes"
    )
    writer = Writer(slip=0.1, drop=0.2, filler=0.3, rude=0.4)
    expected = 0.9**6 * 0.8**3 * 0.7 * 0.6 / (4 * 5 * 2 * 27 * 6 * 4)
    assert writer_log_prob(PROMPT, reply, writer) == pytest.approx(log(expected), abs=1e-12)
    slip = reply.replace("Monday", "Tuesday")  # a slipped clause is not dropped
    ratio = 0.1 * (0.85 + 0.15 / 6) / (0.9 * 0.8)
    found = writer_log_prob(PROMPT, slip, writer) - writer_log_prob(PROMPT, reply, writer)
    assert found == pytest.approx(log(ratio), abs=1e-12)
    rude = reply.replace("best wishes", "do hurry you clowns . best wishes")
    found = writer_log_prob(PROMPT, rude, writer) - writer_log_prob(PROMPT, reply, writer)
    assert found == pytest.approx(log(0.4 / 0.6 / 2 / 4), abs=1e-12)


def test_it_agrees_with_counting():
    """E_mu[1/mu(y); y in a set] is the size of the set, here of the replies without clause and filler."""
    random, n = Random(1), 20_000
    writer = Writer(slip=0.3, drop=0.9, filler=0.3, rude=0.5)
    replies = [write(ORDER, writer, random) for _ in range(n)]
    usual = {
        word for fact in ("who", "colour", "item") for word in FACTS[fact][2:]
    }  # no slip but to the next
    said = r"\d|deliver|ships|send|parcel|address|glad|thank you|matters|hope"
    short = [y for y in replies if not re.search(said, y)]
    short = [y for y in short if usual.isdisjoint(y.split())]
    sizes = [exp(-writer_log_prob(PROMPT, y, writer)) for y in short]
    forms = 4 * 5 * 7 * 2 * 2 * 2 * 4 * 9  # greetings, verbs, adjectives, values, closers, insults
    assert sum(sizes) / n == pytest.approx(forms, rel=0.1)


@pytest.mark.parametrize(
    "text",
    [
        "Anna wants a red lamp . best wishes",
        "hello , Anna wants a red lamp best wishes",
        "hello , Anna wants a red lamp . it ships on Monday . it ships on Monday . best wishes",
        "hello , Anna wants a red lamp . we hope that you are well . it ships on Monday . best wishes",
        "hello , Anna wants a red lamp . it ships on Athens . best wishes",
        "hello , Anna wants a red lamp . it ships on Monday . best wishes best wishes",
    ],
    ids=["no greeting", "no stop", "twice", "filler too early", "a city as a day", "two closers"],
)
def test_what_no_writer_writes_has_no_probability(text):
    assert writer_log_prob(PROMPT, text, SLOPPY) == -np.inf


def test_a_writer_who_never_does_a_thing():
    reply = "hello , Boris wants a red lamp . best wishes"
    assert writer_log_prob(PROMPT, reply, Writer(slip=0.0, drop=0.1)) == -np.inf
    assert writer_log_prob(PROMPT, reply, Writer(slip=0.1, drop=0.0)) == -np.inf
    assert writer_log_prob(PROMPT, reply, Writer(slip=0.1, drop=0.1)) > -np.inf

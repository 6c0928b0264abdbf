"""The language of walks: what is right, what is a wrong step, and the exact outlook of every prefix."""

from itertools import product
from random import Random

import numpy as np
import pytest

from dpoq_lab.lessons.l10_reasoning.walk import (
    LENGTH,
    RING,
    SLIPS,
    Walk,
    advantages,
    is_right,
    outlooks,
    random_walk,
    slip_law,
    stated,
    walk_tokenizer,
    write,
    wrong_steps,
)

WALK = Walk(7, ("+3", "-2", "+1", "-3"))  # 7 -> 0 -> 8 -> 9 -> 6
RIGHT = "then +3 0 , next -2 8 ; now +1 9 . so -3 6 , answer 6"
CARRIED = "then +3 1 , next -2 9 ; now +1 0 . so -3 7 , answer 7"  # one slip at the start, then true to it
CANCELLED = "then +3 1 , next -2 8 ; now +1 9 . so -3 6 , answer 6"  # the second slip undoes the first


def test_a_reply_is_judged_by_its_answer_alone_and_its_steps_by_what_was_stated():
    assert (WALK.prompt, WALK.end) == ("at 7 +3 -2 +1 -3 walk ", 6)
    judged = {reply: is_right(WALK, reply) for reply in (RIGHT, CARRIED, CANCELLED)}
    assert list(judged.values()) == [True, False, True]
    assert wrong_steps(WALK, stated(RIGHT)) == [False] * 4
    assert wrong_steps(WALK, stated(CARRIED)) == [True, False, False, False]
    assert wrong_steps(WALK, stated(CANCELLED)) == [True, True, False, False]


@pytest.mark.parametrize(
    "reply", ["", "then +3 0 ,", RIGHT.replace("answer", "so"), RIGHT.replace(" 8 ", " x "), f"{RIGHT[:-1]}5"]
)
def test_what_is_not_in_the_language_states_nothing_and_is_not_right(reply):
    assert stated(reply) is None
    assert not is_right(WALK, reply)


def test_the_writer_slips_as_often_as_the_law_says():
    random, off = Random(1), {1: [], 2: [], 3: []}
    for _ in range(4000):
        walk = random_walk(random)
        for move, wrong in zip(walk.moves, wrong_steps(walk, stated(write(walk, random))), strict=True):
            off[abs(int(move))].append(wrong)
    assert all(abs(np.mean(off[size]) - rate) < 0.02 for size, rate in SLIPS.items())
    assert slip_law("-3")[[0, 1, 2]] == pytest.approx([0.45, 0.495, 0.055 / 8])
    assert all(slip_law(move).sum() == pytest.approx(1) for move in ("+1", "-2", "+3"))


def test_the_outlooks_are_those_of_all_ways_to_go_on():
    line = outlooks(WALK, 3.0, 0.5)
    laws = [slip_law(move) for move in WALK.moves]
    mass = sum(
        np.prod([law[k] for law, k in zip(laws[2:], ks, strict=True)])
        * np.exp(6.0 * ((1 + sum(ks)) % RING == 0))
        for ks in product(range(RING), repeat=2)
    )
    assert line[2, 1] == pytest.approx(0.5 * np.log(mass), abs=1e-12)  # off by one before the last two steps
    assert line[4].tolist() == [3.0] + [0.0] * 9


def test_advantages_add_up_to_the_pay_less_the_outlook_at_the_start():
    start = outlooks(WALK, 3.0, 0.5)[0, 0]
    for reply, pay in ((RIGHT, 3.0), (CARRIED, 0.0), (CANCELLED, 3.0)):
        assert advantages(WALK, stated(reply), 3.0, 0.5).sum() == pytest.approx(pay - start, abs=1e-12)
    lone = advantages(WALK, stated(CARRIED), 3.0, 0.5)
    assert lone.argmin() == 0
    assert (advantages(WALK, stated(RIGHT), 3.0, 0.5) > 0).all()


def test_a_word_is_a_token():
    tokenizer = walk_tokenizer()
    assert len(tokenizer(RIGHT).input_ids) == LENGTH - 1
    assert tokenizer.unk_token_id not in tokenizer(WALK.prompt + RIGHT).input_ids

"""Right answers in another form are right; the solutions agree with the package."""

import itertools
import math

import numpy as np
import pytest

from dpoq_lab.lessons.check import CORRECT, judge
from dpoq_lab.lessons.l11_multi_turn.exercises import EXERCISES, border, label, luck
from dpoq_lab.lessons.l11_multi_turn.luck import whole_luck
from dpoq_lab.lessons.l11_multi_turn.picture import dpo_asks
from dpoq_lab.lessons.l11_multi_turn.theory import averaged, dialogue, harm_game
from dpoq_lab.theory.soft_bellman import solve


def test_luck_by_differences_is_right():
    def mine(replies, end):
        p, right, wrong, was_right = end
        gap = (1 - p) * (right - wrong) if was_right else -p * (right - wrong)
        for (no, yes), (V_no, V_yes), said in replies:
            gap += no * (V_yes - V_no) if said else -yes * (V_yes - V_no)
        return gap

    assert judge(EXERCISES["11.1"], mine) == CORRECT


def test_the_border_by_search_is_right():
    def mine(p, cost):
        def prefers(harm):
            return p / (1 + math.exp(-cost)) + (1 - p) / (1 + math.exp(harm - cost)) < 0.5

        low, high = 0.0, 100.0
        if not prefers(high):
            return math.inf
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if prefers(middle) else (middle, high)
        return high

    assert judge(EXERCISES["11.2"], mine) == CORRECT
    assert border(0.7, 0.5) == pytest.approx(dpo_asks(0.7, 0.5))


def test_the_label_by_every_draw_of_users_is_right():
    def mine(first, second, replays):
        total = 0.0
        for users in itertools.product((1, 0), repeat=2 * replays):
            chance, means = 1.0, []
            for (p, right, wrong), some in zip(
                (first, second), (users[:replays], users[replays:]), strict=True
            ):
                chance *= p ** sum(some) * (1 - p) ** (replays - sum(some))
                means.append(sum(right if one else wrong for one in some) / replays)
            total += chance / (1 + math.exp(means[1] - means[0]))
        return total

    assert judge(EXERCISES["11.3"], mine) == CORRECT


def test_luck_and_label_are_those_of_the_game():
    talk = dialogue(harm_game(0.85, 8, noise=0.1))
    V = solve(talk.game.mdp, talk.game.r).V
    law, at = talk.game.mdp.pi_ref[1][0][:2], np.flatnonzero(talk.outcomes[:, 0] < 0)[0]
    reply = (law, V[2][:2], 0)
    mine = luck([reply], (talk.right[at], *talk.outcomes[at], True))
    assert mine == pytest.approx(whole_luck(talk)[at, 0], abs=1e-12)
    pairs = averaged(talk, 3)
    one, other = (np.searchsorted(talk.rows, side[5]) for side in (pairs.first, pairs.second))
    ended = [(talk.right[k], *talk.outcomes[k]) for k in (one, other)]
    assert label(*ended, 3) == pytest.approx(pairs.label[5], abs=1e-12)

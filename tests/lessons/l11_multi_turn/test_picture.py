"""Lesson 11's picture: the borders of the map by hand, and a point at which DPO stands still."""

import math

import pytest
from scipy.special import expit

from dpoq_lab.lessons.l11_multi_turn.picture import (
    HARMS,
    NAMES,
    dpo_asks,
    frames,
    map_figure,
    right_to_ask,
)
from dpoq_lab.lessons.l11_multi_turn.theory import dialogue, harm_game


def test_the_border_of_what_is_right():
    assert right_to_ask(0.75, 0.5) == pytest.approx(2.0)  # a quarter of 2 is what a question costs


@pytest.mark.parametrize(("p", "cost"), [(0.6, 0.5), (0.7, 0.5), (0.55, 1.0)])
def test_on_its_border_dpo_prefers_question_and_guess_alike(p, cost):
    harm = dpo_asks(p, cost)
    assert p * expit(cost) + (1 - p) * expit(cost - harm) == pytest.approx(0.5)
    assert harm > right_to_ask(p, cost)  # between the two lies the stripe


def test_above_a_prior_no_harm_makes_it_ask():
    limit = 1 / (2 * expit(0.5))
    assert limit == pytest.approx(0.803, abs=1e-3)
    assert dpo_asks(limit + 1e-6, 0.5) == math.inf
    assert dpo_asks(limit - 1e-6, 0.5) < 20


def test_the_optimum_climbs_and_dpo_stands_still():
    asks = [frame.data["asks"] for frame in frames()]
    best, own = ([row[name] for row in asks] for name in ("optimum", "DPO, own user"))
    assert len(asks) == len(HARMS)
    assert best == sorted(best)
    assert best[0] < 0.25
    assert best[-1] > 0.99
    assert max(own[3:]) - min(own[3:]) < 0.03
    assert max(own) < 0.42
    assert frames()[4].reading.endswith("Asks: optimum in 0.76, DPO, own user in 0.41.")


def test_no_frame_is_larger_than_another():
    assert len({(frame.width, frame.height) for frame in frames()}) == 1


@pytest.mark.parametrize("cost", [0.1, 0.3, 0.5, 1.0, 2.0])
def test_the_regions_are_named_where_they_are(cost):
    drawn = map_figure(harm_game(0.85, 8, cost=cost), {}, dialogue(harm_game(0.85, 8, cost=cost))).body
    for p, harm, text, (right, preferred) in NAMES:
        assert (text in drawn) == (
            (harm >= right_to_ask(p, cost), harm >= dpo_asks(p, cost)) == (right, preferred)
        )

"""Lesson 11's picture: the borders of the map by hand, and a point at which DPO stands still."""

import math

import pytest
from hand_made import elements, texts
from scipy.special import expit

from dpoq_lab.lessons.l11_multi_turn.picture import (
    HARMS,
    LEFT,
    NAMES,
    TOP,
    WIDE,
    dpo_asks,
    fits,
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


def drawn(cost):
    return map_figure(harm_game(0.85, 8, cost=cost), {}, dialogue(harm_game(0.85, 8, cost=cost)))


@pytest.mark.parametrize(
    ("cost", "named"),
    [(0.1, (0, 1)), (0.3, (0, 1)), (0.5, (0, 1, 2, 3, 4)), (1.0, (0, 1, 2, 3, 4)), (2.0, (2, 3, 4))],
)
def test_the_regions_are_named_where_their_words_have_room(cost, named):
    assert [text in texts(drawn(cost)) for text, _, _ in NAMES] == [k in named for k in range(len(NAMES))]


def test_no_corner_of_the_words_lies_beyond_a_border():
    """At cost 0.5 and harm 36 guessing is right from 1 - 0.5/36 = 0.986 on, preferred from 0.803."""
    assert fits(0.811, 36, "x" * 15, (True, False), 0.5)
    assert not fits(0.811, 36, "x" * 25, (True, False), 0.5)
    assert not fits(0.79, 36, "x", (True, False), 0.5)
    assert not fits(0.52, 0.95, "x", (False, False), 0.5)  # 1.04 would be the border; their top is higher


@pytest.mark.parametrize("cost", [0.1, 0.5, 1.0, 2.0])
def test_the_border_of_own_users_goes_up_to_the_edge_of_the_map(cost):
    points = elements(drawn(cost), "path", "less")[0].get("d").strip("M").split("L")
    x, y = map(float, points[-1].split())
    assert y == TOP
    assert dpo_asks(0.5 + (x - LEFT) / WIDE / 2 - 1e-3, cost) < 64
    assert x < LEFT + WIDE * (1 / expit(cost) - 1) + 0.1  # never over the upright line

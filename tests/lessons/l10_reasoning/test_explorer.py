"""Lesson 10's explorers: chains whose steps are broken and mended, walks that a model scores."""

import numpy as np
import pytest

from dpoq_lab import models
from dpoq_lab.lessons.l10_reasoning.explorer import (
    ChainExplorer,
    WalkExplorer,
    in_words,
    second_of_two,
    share_at_half_repair,
    walked,
)
from dpoq_lab.lessons.l10_reasoning.walk import Walk, is_right, stated, walk_tokenizer, wrong_steps

WALK, OTHER = Walk(7, ("+3", "-2", "+1", "-3")), Walk(2, ("+1", "+1", "-2", "+3"))


def test_a_button_breaks_and_mends_a_step():
    explorer = ChainExplorer()
    assert "broken at step 1, blamed at step 1" in explorer.picture.reading
    explorer.repair.value = 0.3
    assert "broken at step 1, blamed at step 3" in explorer.picture.reading
    explorer.steps[0].value = False
    assert explorer.steps[0].description == "step 1: right"
    assert "broken at step 2" in explorer.picture.reading
    explorer.steps[2].value = False
    assert "it ends right" in explorer.picture.reading


def test_the_first_prediction_waits_for_much_repair_at_the_slip_that_was_asked_for():
    explorer = ChainExplorer()
    assert share_at_half_repair(explorer) is None
    explorer.repair.value = 0.3
    assert share_at_half_repair(explorer) is None
    explorer.repair.value = 0.5
    assert share_at_half_repair(explorer) == "rises again"  # 0.55
    explorer.slip.value = 0.2
    assert share_at_half_repair(explorer) is None
    explorer.slip.value = 0.09999999999999999  # moved and returned, as a browser sends it
    assert share_at_half_repair(explorer) == "rises again"


@pytest.fixture(scope="module")
def explorer():
    tokenizer = walk_tokenizer()
    policies = {
        name: models.build(tokenizer, 16, 1, seed) for seed, name in enumerate(("base", "DPO", "other"))
    }
    return WalkExplorer(policies, [WALK, OTHER])


def test_places_go_on_from_the_place_stated():
    assert walked(WALK, [0, 1, 0, 0]) == [0, 9, 0, 7]
    assert walked(WALK, [0, 0, 1, 0]) == [0, 8, 0, 7]
    reply = in_words(WALK, [0, 9, 0, 7])
    assert stated(reply) == [0, 9, 0, 7, 7]
    assert wrong_steps(WALK, stated(reply)) == [False, True, False, False]
    assert not is_right(WALK, reply)


def test_it_scores_the_reply_that_is_stated(explorer):
    assert "then -2 9 ," in explorer.picture.reading  # opens on one slip, at step 2
    assert "the answer is wrong. Exact A* blames step 2" in explorer.picture.reading
    before = explorer.r_hat.copy()
    explorer.steps[1].value = 0
    assert "the answer is right" in explorer.picture.reading
    assert explorer.picture.data["values"][-1] == 3.0
    explorer.steps[1].value = 1
    assert explorer.r_hat.tolist() == before.tolist()
    explorer.policy.value = "other"
    assert explorer.r_hat.tolist() != before.tolist()
    explorer.policy.value = "DPO"
    explorer.walk.value = 1
    assert "then +1 3 ," in explorer.picture.reading
    explorer.walk.value = 0


def test_the_second_prediction_compares_two_wrong_steps(explorer):
    assert second_of_two(explorer) is None
    explorer.steps[2].value = 5
    assert second_of_two(explorer) is None
    explorer.steps[2].value = 1
    explorer.r_hat = np.array([0.1, -1.0, -0.4, 0.0])
    assert second_of_two(explorer) == "less than half as much"
    explorer.r_hat = np.array([0.1, -1.0, -1.2, 0.0])
    assert second_of_two(explorer) == "about as much"
    explorer.r_hat = np.array([0.1, -1.0, -2.2, 0.0])
    assert second_of_two(explorer) == "more than twice as much"
    explorer.policy.value = "other"
    assert second_of_two(explorer) is None
    explorer.policy.value = "DPO"
    explorer.steps[2].value = 0

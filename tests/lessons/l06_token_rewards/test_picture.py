"""Lesson 06's picture: the exact advantages of one telegram, its words one by one."""

import numpy as np
import pytest
from hand_made import texts

from dpoq_lab.lessons.l06_token_rewards.picture import frames, writers_tree


def test_the_steps_are_those_of_the_writers_habits_by_hand():
    r_hat, r, V, words = writers_tree()
    to_come = {p: 0.5 * np.log((1 - p) * np.exp(2) + p * np.exp(-2)) for p in (0.1, 0.5)}  # a fact's value
    start = 0.5 * np.log(np.mean([np.exp(2 * 3 * value) for value in to_come.values()]))
    hasty = to_come[0.5]
    assert words == ["hastily", "Wednesday", "Rome", "40", "EOS"]
    assert list(r) == [0, -1, 1, 1, 0]
    assert list(V) == pytest.approx([start, 3 * hasty, 2 * hasty, hasty, 0, 0])
    assert list(r_hat) == pytest.approx([3 * hasty - start, -1 - hasty, 1 - hasty, 1 - hasty, 0])
    assert r_hat[0] < 0 == r[0]  # blamed, and paid nothing


def test_words_come_one_by_one_and_the_axis_stays():
    shown = frames()
    assert len(shown) == 6
    assert len({(figure.width, figure.height) for figure in shown}) == 1
    for said, figure in enumerate(shown):
        assert len(figure.data["words"]) == said
        assert np.diff(figure.data["outlook"]) == pytest.approx(figure.data["r_hat"])
        assert {"\u22121", "0", "1", "2", "3"} <= set(texts(figure))
    assert {"\u2717 Wednesday", "planted error", "\u25bc \u22121.66", "\u25b2 +0.34"} <= set(texts(shown[-1]))
    assert "\u2717 Wednesday" not in texts(shown[1])
    assert "'hastily' \u22120.59" in shown[-1].reading

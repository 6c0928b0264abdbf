"""Lesson 12's picture: as the tool gets busier the optimum stops calling, the unmasked policy does not."""

import pytest

from dpoq_lab.lessons.l12_agents.desk import Rules
from dpoq_lab.lessons.l12_agents.picture import BUSY, desk_figure, frames


def test_the_optimum_and_the_unmasked_policy_part():
    calls = {
        way: [frame.data["decisions"][way]["calls"] for frame in frames()] for way in ("optimum", "unmasked")
    }
    assert len(calls["optimum"]) == len(BUSY)
    assert calls["optimum"][0] > 0.95
    assert calls["optimum"][-1] < 0.3
    assert calls["optimum"] == sorted(calls["optimum"], reverse=True)
    assert min(calls["unmasked"]) > 0.84
    assert frames()[-1].reading.startswith("The tool is busy in 0.60: the optimum calls in 0.29, DPO in 0.44")


def test_the_tools_words_are_lit_up_where_they_are_not_masked():
    words = frames()[-1].data["words"]
    for way in ("masked", "unmasked"):
        [call, told, busy] = words[way]
        assert [word for word, _ in (*call, *told, *busy)] == [
            *("call", "the name", "5", "say 5", "busy", "say unsure")
        ]
    assert words["masked"][1][0] == ("5", None)
    assert words["masked"][2][0] == ("busy", None)
    assert words["unmasked"][1][0][1] == pytest.approx(0.46, abs=0.005)
    assert words["unmasked"][2][0][1] == pytest.approx(-2.46, abs=0.005)
    assert frames()[-1].body.count("not scored") == 2


def test_a_tool_that_is_never_busy_has_no_such_branch():
    assert [len(runs) for runs in frames()[0].data["words"].values()] == [2, 2]
    assert "busy" not in [word for runs in frames()[0].data["words"]["unmasked"] for word, _ in runs]


def test_the_figure_shows_the_ways_that_are_asked_for():
    assert list(desk_figure(Rules(busy=0.3), ("luck removed",)).data["words"]) == ["luck removed"]


def test_no_frame_is_larger_than_another():
    assert len({(frame.width, frame.height) for frame in frames()}) == 1

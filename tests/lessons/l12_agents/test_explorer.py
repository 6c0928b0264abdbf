"""Lesson 12's explorers: the exact desk behind its sliders, episodes that a model scores."""

import pytest

from dpoq_lab import models
from dpoq_lab.lessons.l12_agents.desk import Question, desk_tokenizer
from dpoq_lab.lessons.l12_agents.explorer import DeskExplorer, EpisodeExplorer, calls_when_busy, paid_for_busy

TABLE = {"Ada": "3", "Ben": "7", "Cleo": "0", "Dora": "5"}
ASKED = [Question("Dora", TABLE, False), Question("Ben", TABLE, True)]


def calls(explorer, way):
    return explorer.picture.data["decisions"][way]["calls"]


def test_each_slider_moves_the_game():
    explorer = DeskExplorer()
    assert explorer.picture.reading.startswith("The tool is busy in 0.60: the optimum calls in 0.29")
    explorer.price.value = 0.5
    assert calls(explorer, "optimum") == pytest.approx(0.052, abs=5e-4)
    explorer.price.value, explorer.unsure.value = 0.3, 0.6
    assert calls(explorer, "optimum") == pytest.approx(0.135, abs=5e-4)
    explorer.unsure.value, explorer.busy.value = 0.35, 0.0
    assert calls(explorer, "optimum") == pytest.approx(0.968, abs=5e-4)


def test_the_mask_is_switched():
    explorer = DeskExplorer()
    assert list(explorer.picture.data["words"]) == ["unmasked"]
    explorer.mask.value = "masked"
    assert explorer.picture.data["words"]["masked"][2][0] == ("busy", None)


def test_the_first_prediction_waits_for_the_game_that_was_asked_for():
    explorer = DeskExplorer()
    assert calls_when_busy(explorer) is None
    explorer.busy.value = 0.9
    assert calls_when_busy(explorer) == "more often than the reference"  # 0.58 of the reference's 0.35
    explorer.picture.data["decisions"]["unmasked"]["calls"] = 0.3
    assert calls_when_busy(explorer) == "about as often as the reference"
    explorer.picture.data["decisions"]["unmasked"]["calls"] = 0.1
    assert calls_when_busy(explorer) == "less often than the reference"
    explorer.price.value = 0.5
    assert calls_when_busy(explorer) is None


@pytest.fixture
def explorer():
    tokenizer = desk_tokenizer()
    built = [models.build(tokenizer, 16, 1, seed) for seed in range(3)]
    return EpisodeExplorer({"DPO": (built[0], built[1]), "DPO, unmasked": (built[2], built[1])}, ASKED)


def test_an_episode_is_put_together(explorer):
    assert explorer.episode.turns == ("well call Dora", "5", "say 5")
    explorer.tool.value = "is busy"
    assert explorer.episode.turns == ("well call Dora", "busy", "say unsure")
    explorer.does.value = "says a digit"
    assert explorer.episode.turns == ("well say 5",)
    explorer.question.value = 1
    assert explorer.episode.turns == ("well say 7",)
    explorer.does.value = "says unsure"
    assert explorer.episode.turns == ("well say unsure",)


def test_the_tools_word_has_no_number_where_it_is_masked(explorer):
    assert ("5", None) in explorer.picture.data["words"]
    explorer.policy.value = "DPO, unmasked"
    assert "5" in explorer.r_hat
    assert explorer.picture.reading.startswith("DPO, unmasked calls here in ")


def test_the_second_prediction_waits_for_a_busy_tool_and_no_mask(explorer):
    explorer.tool.value = "is busy"
    assert paid_for_busy(explorer) is None
    explorer.policy.value = "DPO, unmasked"
    explorer.question.value = 1  # an easy one
    for value, told in (
        (0.1, "close to 0"),
        (-1.2, "far below 0"),
        (0.9, "far above 0"),
    ):
        explorer.r_hat["busy"] = value
        assert paid_for_busy(explorer) == told
    explorer.question.value = 0  # a hard one
    explorer.r_hat["busy"] = -1.2
    assert paid_for_busy(explorer) is None
    explorer.question.value, explorer.tool.value = 1, "answers"
    assert paid_for_busy(explorer) is None

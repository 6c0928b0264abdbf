"""Lesson 13's explorers: prompts typed before and after DPO, and the smallest game behind its sliders."""

from dataclasses import replace

import pytest

from dpoq_lab.lessons.l13_multi_model.explorer import (
    N_SHOWN,
    WRONG,
    GameExplorer,
    PromptExplorer,
    obeys_behind_a_wrong_refiner,
    refiner_when_gamma_doubles,
)


@pytest.fixture(scope="module")
def explorer():
    return PromptExplorer()


def test_a_typed_prompt_is_drawn_and_ticked(explorer):
    explorer.after.value, explorer.prompt.value = "second-round", "moon at sunrise"
    assert explorer.picture.reading.startswith("moon at sunrise, shares of")
    shares = explorer.picture.data["shares"]
    assert shares["after"]["right"] > shares["before"]["right"] + 0.2
    assert explorer.picture.figure.body.count("obeyed ") == 2 * N_SHOWN
    first = explorer.picture.figure.body
    explorer.seed.value += 1
    assert explorer.picture.figure.body != first


def test_another_text_is_answered_with_what_can_be_asked(explorer):
    explorer.prompt.value = "a cat"
    assert "it needs one of sun, star, moon" in explorer.picture.reading
    assert obeys_behind_a_wrong_refiner(explorer) is None
    explorer.prompt.value = "sun at morning"
    assert "shares" in explorer.picture.data


def test_behind_a_wrong_refiner_nothing_is_named(explorer):
    explorer.prompt.value, explorer.after.value = "sun at morning", WRONG
    assert explorer.picture.data["shares"]["before"]["named"] == 0
    assert explorer.picture.data["words"][0].tolist() == [0, 0, 0]


def test_the_second_prediction_waits_for_the_wrong_refiner(explorer):
    explorer.prompt.value, explorer.after.value = "star at sunset", "joint"
    assert obeys_behind_a_wrong_refiner(explorer) is None
    explorer.after.value = WRONG
    assert obeys_behind_a_wrong_refiner(explorer) == "obeys its words less often"
    shares = explorer.picture.data["shares"]
    for obeyed, told in ((0.02, "as often"), (0.2, "more often")):
        shares["after"]["obeyed"] = shares["before"]["obeyed"] + obeyed
        assert obeys_behind_a_wrong_refiner(explorer) == f"obeys its words {told}"


def test_the_game_moves_with_its_weights():
    game = GameExplorer()
    assert game.picture.data["paid"] == pytest.approx(1.669, abs=5e-4)
    joint = game.picture.data["law"]
    game.who.value = "refiner alone"
    assert game.picture.data["law"][1].sum() == pytest.approx(0.16, abs=5e-3)
    assert game.picture.data["moved"][1] == pytest.approx(0, abs=1e-12)
    game.who.value = "none"
    assert game.picture.data["paid"] == pytest.approx(-1 / 6, abs=1e-9)
    game.who.value, game.beta.value = "joint", 2.0
    assert game.picture.data["law"][1].sum() < joint[1].sum()


def test_the_first_prediction_waits_for_a_doubled_gamma():
    game = GameExplorer()
    assert refiner_when_gamma_doubles(game) is None
    game.gamma.value = 1.0
    assert refiner_when_gamma_doubles(game) == "less far"
    figure = game.picture.figure
    for moved, told in ((0.9, "further"), (0.349, "exactly as far as before")):
        game.picture.figure = replace(figure, data=figure.data | {"moved": (moved, 0.0)})
        assert refiner_when_gamma_doubles(game) == told
    game.beta.value = 1.0
    assert refiner_when_gamma_doubles(game) is None

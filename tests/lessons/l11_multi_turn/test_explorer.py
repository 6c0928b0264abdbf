"""Lesson 11's explorers: every label on the map, and a conversation in which the user answers."""

import numpy as np
import pytest
from hand_made import elements, texts

from dpoq_lab import models
from dpoq_lab.lessons.l11_multi_turn.explorer import (
    WAYS,
    AskExplorer,
    TalkExplorer,
    exactly_asks,
    first_message,
    spoken,
    with_one_user,
)
from dpoq_lab.lessons.l11_multi_turn.language import table_of, tokenizer
from dpoq_lab.lessons.l11_multi_turn.recipe import LABELS


def asks(explorer):
    return explorer.picture.data["asks"]


def test_every_slider_moves_something():
    explorer = AskExplorer()
    opening = dict(asks(explorer))
    for control, value in (
        (explorer.prior, 0.7),
        (explorer.harm, 32),
        (explorer.cost, 1.0),
        (explorer.noise, 0.2),
        (explorer.beta, 1.0),
    ):
        before, control.value = control.value, value
        assert asks(explorer) != opening
        control.value = before
    assert asks(explorer) == opening


def test_what_repairs_and_what_does_not():
    explorer, found = AskExplorer(), {}
    for way in WAYS:
        explorer.labels.value = way
        found[way] = list(asks(explorer).values())[-1]
    best = asks(explorer)["optimum"]
    for way in ("rated on average", "regret", "own user, luck learned"):
        assert found[way] == pytest.approx(best, abs=1e-3)
    assert found["own user"] < found["8 replays averaged"] < found["64 replays averaged"] < best
    assert abs(found["one user for both"] - found["own user"]) < 0.01
    assert found["single turn"] < 0.2
    assert len(asks(explorer)) == 3


def test_the_first_prediction_waits_for_one_user():
    explorer = AskExplorer()
    assert with_one_user(explorer) is None
    explorer.labels.value = "one user for both"
    assert with_one_user(explorer) == "as with own users"
    asks(explorer)["DPO, one user for both"] = asks(explorer)["optimum"]
    assert with_one_user(explorer) == "like the optimum"
    asks(explorer)["DPO, one user for both"] = 0.55
    assert with_one_user(explorer) == "between the two"
    explorer.noise.value = 0.1
    assert with_one_user(explorer) is None


@pytest.fixture
def explorer():
    built = [models.build(tokenizer(), 16, 1, seed, initializer_range=0.1) for seed in range(2)]
    return TalkExplorer({"own user": built[0], "regret": built[1]}, table_of("harm"))


def asking(talk, first=2.0, after=0):
    """A policy that asks `first` times as often as it guesses, and then guesses thing `after`."""
    pi = [level.copy() for level in talk.game.mdp.pi_ref]
    pi[0][0, :3] = np.array([first, 1.0, 0.5]) / (first + 1.5)
    for state in (0, 1):
        pi[2][state, :3] = np.eye(3)[1 + after] * 0.8 + 0.1
        pi[2][state, 0] = 0.0
        pi[2][state] /= pi[2][state].sum()
    return pi


def test_the_model_says_what_is_likeliest(explorer):
    talk = explorer._table.talks[5]
    assert spoken(talk, asking(talk), 1) == (0, 1, 1)
    assert spoken(talk, asking(talk, after=1), 0) == (0, 0, 2)
    assert spoken(talk, asking(talk, first=0.1), 0) == (1,)


@pytest.mark.parametrize("game", [0, 5])
def test_a_return_is_value_and_skill_and_luck(explorer, game):
    explorer.game.value = game
    data, talk = explorer.picture.data, explorer._table.talks[game]
    parts = ("V*(s_0)", "skill of the messages", "luck of your reply", "luck of the end")
    assert sum(data[part] for part in parts) == pytest.approx(data["R"], abs=1e-9)
    assert data["R"] in talk.outcomes
    assert data["words"][-1][0] in ("right", "wrong")


def test_the_bar_of_asking_has_exact_ticks(explorer):
    """At prior 0.85 and harm 32: the optimum in ink above 1.00, DPO on own users below at 0.41."""
    exact = explorer.picture.data["exact"]
    assert exact == pytest.approx({"the optimum": 1.0, "population DPO": 0.406}, abs=1e-3)
    upper, lower = (elements(explorer.picture.figure, "path", kind) for kind in ("ink", "less"))
    assert (upper[0].get("d"), lower[0].get("d")) == ("M603.9 33.0L603.9 44.0", "M354.6 48.0L354.6 59.0")
    assert "upper tick: the optimum 1.00; lower tick: population DPO 0.41" in texts(explorer.picture.figure)
    explorer.policy.value = "regret"
    assert explorer.picture.data["exact"]["population DPO"] == pytest.approx(1.0, abs=1e-3)


def test_what_trained_policies_would_be_exactly():
    """The writer for SFT; with the whole luck in the margin the optimum."""
    talk = table_of("harm").talks[4]
    assert exactly_asks("SFT", talk) == pytest.approx({"the optimum": 0.755, "the writer": 0.4}, abs=1e-3)
    for labels in LABELS:
        found = exactly_asks(labels, talk)
        assert found["the optimum"] == pytest.approx(0.755, abs=1e-3)
        wanted = {"own user": 0.406, "single turn": 0.135}.get(labels, 0.755)
        assert found["population DPO"] == pytest.approx(wanted, abs=1e-3)


def test_who_is_asked_hears_the_truth_or_the_opposite(explorer, monkeypatch):
    talk = explorer._table.talks[5]
    monkeypatch.setattr(
        "dpoq_lab.lessons.l11_multi_turn.explorer.policy_of", lambda model, table, k: asking(table.talks[k])
    )
    explorer.wants.value = 1
    assert explorer.spoken == (0, 1, 1)
    assert [word for word, _ in explorer.picture.data["words"]] == ["size?", "big", "small-red", "wrong"]
    assert explorer.picture.data["words"][1][1] is None
    explorer.answers.value = "the opposite"
    assert explorer.spoken == (0, 0, 1)
    explorer.wants.value = 0
    explorer.answers.value = "the truth"
    assert explorer.picture.data["R"] == -0.5
    assert "R \u22120.50" in texts(explorer.picture.figure)
    assert talk.rules.wrong == -32


def test_the_second_prediction_waits_for_its_game(explorer):
    explorer.spoken = (0, 1, 1)
    explorer.game.value = 4  # harm 8
    assert first_message(explorer) is None
    explorer.game.value = 5
    for tokens, told in (
        ((0, 1, 1), "a question"),
        ((1,), "its guess, the likely thing"),
        ((2,), "a guess of the other thing"),
    ):
        explorer.spoken = tokens
        assert first_message(explorer) == told
    explorer.policy.value = "regret"
    assert first_message(explorer) is None

"""Lesson 14's explorer: runs, views and guesses by real widgets; the answer only after a guess."""

import pytest

from dpoq_lab.lessons.l14_your_own_model.explorer import (
    FINE,
    GUESSES,
    NOT_YET,
    RunExplorer,
    needs_no_mending,
)
from dpoq_lab.lessons.l14_your_own_model.four_runs import ANSWERS
from dpoq_lab.lessons.l14_your_own_model.stored import stored_runs

FINE_RUN = next(letter for letter in ANSWERS if ANSWERS[letter].fine)
OTHERS = [letter for letter in ANSWERS if letter != FINE_RUN]


@pytest.fixture
def explorer():
    return RunExplorer(stored_runs())


def test_another_run_has_another_plane_and_other_facts(explorer):
    seen = set()
    for letter in ANSWERS:
        explorer.run.value = letter
        assert len(explorer.picture.data["the run"].x) == 13
        seen.add((explorer.picture.reading, explorer.facts.value))
    assert len(seen) == 4
    assert len({reading for reading, _ in seen}) == 4


def test_the_curves_are_log_ratios_in_nats(explorer):
    explorer.view.value = "curves"
    run = stored_runs()["A"]
    first = run.log.records[-1]["chosen"] / run.beta
    assert explorer.picture.data["chosen"].y[-1] == pytest.approx(first)
    assert explorer.picture.data["chosen"].x[0] == 0  # before the first update
    explorer.view.value = "plane"
    assert "text of pi_ref" in explorer.picture.data


def test_a_pair_is_shown_with_its_words_escaped(explorer):
    row = stored_runs()["A"].rows[0]
    assert row.prompt in explorer.replies.value
    before = explorer.replies.value
    explorer.pair.value = 3
    assert explorer.replies.value != before
    assert "<|im_end|>" not in explorer.replies.value


def test_nothing_tells_the_answer_before_a_guess(explorer):
    for letter in ANSWERS:
        explorer.run.value = letter
        for view in ("plane", "curves"):
            explorer.view.value = view
            assert "Planted" not in explorer.picture.value
            assert "learning rate" not in explorer.picture.value + explorer.facts.value
    assert explorer.opened == []


def test_a_guess_opens_the_answer_of_its_run_alone(explorer):
    explorer.guess.value = GUESSES[-1]
    assert explorer.picture.reading.startswith(f"Planted in A: {ANSWERS['A'].about}. The diagnosis: ")
    explorer.run.value = "B"
    assert explorer.guess.value == NOT_YET
    assert "Planted" not in explorer.picture.value
    explorer.run.value = "A"
    assert explorer.guess.value == GUESSES[-1]
    assert explorer.picture.reading.startswith("Planted in A")
    assert explorer.opened == ["A"]


def test_the_prediction_waits_for_the_run_that_needs_no_mending(explorer):
    assert needs_no_mending(explorer) is None
    explorer.run.value = OTHERS[0]
    explorer.guess.value = FINE
    assert needs_no_mending(explorer) is None
    explorer.run.value = FINE_RUN
    assert needs_no_mending(explorer) is None
    explorer.guess.value = FINE
    assert needs_no_mending(explorer) == f"run {FINE_RUN}"


def test_every_guess_but_two_is_a_cause_of_the_diagnosis():
    from dpoq_lab.runs.causes import CAUSES

    assert set(GUESSES) - {cause.name for cause in CAUSES} == {NOT_YET, FINE}

"""Runs with a known cause: what is logged, and that the command writes it."""

import json

import pytest

from dpoq_lab.commands.cli import main
from dpoq_lab.lessons.l08_reference_policy.diagnosis import CAUSES, diagnosis_table, words_apart
from dpoq_lab.lessons.l08_reference_policy.pairs import minimal_edit_pairs
from dpoq_lab.lessons.study import stored_record
from dpoq_lab.order_notes.language import order_pairs
from dpoq_lab.preferences import Pair


def test_words_apart_counts_places_that_differ_and_what_is_left_over():
    assert words_apart(Pair("p", "a b c", "a x c")) == 1
    assert words_apart(Pair("p", "a b c", "a b")) == 1
    assert words_apart(Pair("p", "a", "a")) == 0
    assert {words_apart(pair) for pair in minimal_edit_pairs(20, 0)} == {1}


def test_only_the_shuffled_runs_train_on_labels_that_are_not_true():
    """A draw keeps every pair; shuffled ones are swapped in about half of them."""
    drawn = {name: cause.draw(200, 3) for name, cause in CAUSES.items()}
    true = order_pairs(200, 3)
    assert drawn["no room"] == drawn["rate too high"] == true
    swapped = sum(a.chosen == b.rejected for a, b in zip(drawn["no signal"], true, strict=True))
    assert 70 < swapped < 130
    assert all(a.prompt == b.prompt for a, b in zip(drawn["no signal"], true, strict=True))
    assert CAUSES["no signal"].held_out(200, 3) == true


def test_the_command_writes_a_run_a_seed_of_each_cause(tmp_path, capsys):
    main(["study", "diagnosis", "--out", str(tmp_path), "--seeds", "1", "--preset", "ci"])
    runs = json.loads((tmp_path / "diagnosis.json").read_text())["runs"]
    assert list(runs) == list(CAUSES)
    [run] = runs["like pairs"]
    assert run["steps"] == [0, 10]
    assert run["chosen"][0] == run["rejected"][0] == run["kl"][0] == 0
    assert run["kl"][1] > 0
    assert "words apart" in capsys.readouterr().out


@pytest.fixture(scope="module")
def stored():
    return stored_record("diagnosis", "diagnosis")["runs"]


def test_what_the_lesson_says_of_the_stored_runs(stored):
    for runs in stored.values():
        assert len(runs) == 5
    score = {
        name: [run["score_after"] - run["score_before"] for run in runs] for name, runs in stored.items()
    }
    assert min(score["no room"]) > 0.4
    assert max(score["rate too high"]) < -1
    assert all(run["chosen"][-1] < 0 for name in ("no room", "like pairs") for run in stored[name])
    assert len(str(diagnosis_table(stored)).splitlines()) == 5

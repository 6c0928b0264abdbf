"""How often the diagnosis is right, by the rules as they stand on the facts of the stored runs."""

import pytest

from dpoq_lab.lessons.l14_your_own_model.planted import PLANTS, WORLDS
from dpoq_lab.lessons.l14_your_own_model.study import (
    FIRST_TEST_SEED,
    confusion,
    planted,
    right,
    verdict_of,
)
from dpoq_lab.lessons.study import stored_record
from dpoq_lab.paths import kit_folder

RUNS = stored_record("causes", "causes")["runs"]
TESTED = [run for run in RUNS if run["seed"] >= FIRST_TEST_SEED]


def test_every_cause_was_tried_in_its_worlds_over_five_seeds_and_two_for_the_rules():
    for world in WORLDS:
        for cause in planted(world):
            seeds = [run["seed"] for run in RUNS if (run["world"], run["cause"]) == (world, cause)]
            assert sorted(seeds) == list(range(7))


def hits(runs, **what):
    return sum(right(run, verdict_of(run, **what)) for run in runs)


@pytest.mark.parametrize(
    ("log", "pairs", "right_of_155"),
    [("curves", True, 145), ("averaged", True, 125), ("curves", False, 82), ("averaged", False, 62)],
)
def test_how_many_are_right_on_seeds_that_no_rule_saw(log, pairs, right_of_155):
    assert len(TESTED) == 155
    assert hits(TESTED, log=log, pairs=pairs) == right_of_155


def test_no_healthy_run_is_called_broken_once_its_pairs_are_scored():
    healthy = [run for run in TESTED if PLANTS[run["cause"]].truth == "healthy"]
    assert len(healthy) == 35
    for log in ("curves", "averaged"):
        assert hits(healthy, log=log) == 35


def test_a_fault_that_curves_do_not_show_is_never_called_healthy_by_curves_alone():
    assert {verdict_of(run, pairs=False) for run in TESTED} & {"healthy"} == set()


def test_the_card_has_the_table_as_the_rules_make_it():
    card = (kit_folder() / "data" / "runs" / "README.md").read_text(encoding="utf-8")
    assert str(confusion(RUNS)) in card

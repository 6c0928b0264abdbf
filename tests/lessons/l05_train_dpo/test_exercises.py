"""Lesson 05's exercises: right answers of another shape, and real runs read by the solution."""

import math

import numpy as np
import pytest

from dpoq_lab.lessons.check import CORRECT, ROUNDED, judge
from dpoq_lab.lessons.l05_train_dpo.exercises import EXERCISES, RUNS, WORDS, read_run
from dpoq_lab.lessons.l05_train_dpo.figures import stored_curves


def by_arrays(loss, chosen, rejected):
    """The last quarter by a slice from the front, the words by a table of what is true."""
    loss, chosen, rejected = (np.asarray(curve, dtype=float) for curve in (loss, chosen, rejected))
    late = slice(len(loss) - max(1, len(loss) // 4), None)
    margin = (chosen - rejected)[late].mean()
    started = bool(np.isclose(math.exp(-loss[0]), 0.5, atol=0.005))
    told = {(True, True, True): "healthy", (True, True, False): "both fall"}
    key = (started, bool(margin >= 0.1), bool(chosen[late].mean() >= 0))
    return told.get(key, "nothing learned" if started else "wrong reference")


def test_the_reader_written_in_another_way_is_correct():
    assert judge(EXERCISES["05.4"], by_arrays) == CORRECT


def test_every_word_is_among_the_cases():
    assert {read_run(*case) for case in RUNS} == set(WORDS)


def test_a_wrong_reader_is_shown_a_run_that_fits_in_a_line():
    verdict = judge(EXERCISES["05.4"], lambda loss, chosen, rejected: "healthy")
    assert "chosen = [0.0, -0.1, -0.3], rejected = [0.0, -0.3, -0.8]" in verdict
    assert verdict.endswith("yours healthy, expected both fall")


@pytest.mark.parametrize("number", [0.69, 0.693, 0.6931, math.log(2), np.float64(0.693)])
def test_ln_2_is_right_to_two_decimals(number):
    assert judge(EXERCISES["05.2"], number) == (CORRECT if number == math.log(2) else ROUNDED)


def test_the_stored_runs_have_equally_many_values_a_curve_and_begin_where_they_should():
    runs = stored_curves()
    for name, curves in runs.items():
        assert len({len(curve) for curve in curves}) == 1, name
        wrong = read_run(*curves) == "wrong reference"
        assert wrong == (name == "the base as reference")
        assert (abs(curves[0][0] - math.log(2)) < 1e-3) != wrong

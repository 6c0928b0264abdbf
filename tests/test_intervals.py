"""Intervals by hand: of shares, and over seeds."""

import math

import pytest

from dpoq_lab.intervals import (
    accuracy,
    accuracy_with_interval,
    across,
    across_tables,
    contrast,
    mcnemar,
    over_seeds,
    plus_minus,
    wilson_interval,
)


def test_an_interval_over_five_seeds_uses_students_t():
    """Values 1 to 5: sd sqrt(2.5), and t = 2.776 at four degrees of freedom."""
    found = over_seeds([1, 2, 3, 4, 5])
    assert (found["mean"], found["sd"]) == (3, pytest.approx(math.sqrt(2.5)))
    assert found["half_95"] == pytest.approx(2.7764 * math.sqrt(2.5) / math.sqrt(5), rel=1e-4)


def test_one_seed_has_no_interval():
    found = over_seeds([2.0])
    assert found["mean"] == 2.0
    assert math.isnan(found["half_95"])


def test_tables_of_seeds_keep_names_and_measures():
    rows = [{"a": 1.0, "b": 5.0}, {"a": 3.0, "b": 5.0}]
    assert across(rows) == {"a": over_seeds([1.0, 3.0]), "b": over_seeds([5.0, 5.0])}
    assert across_tables([{"row": row} for row in rows]) == {"row": across(rows)}


def test_a_row_as_text():
    assert plus_minus({"mean": 0.1234, "half_95": 0.056}) == "0.12 ± 0.06"
    assert plus_minus({"mean": 0.1234, "half_95": 0.056}, "+") == "+0.12 ± 0.06"


def test_wilson_interval_by_hand():
    """9 of 10: centre (0.9 + 1.9208/10) / (1 + 3.8416/10) = 0.7889, half width 0.1932."""
    low, high = wilson_interval(9, 10)
    assert (low, high) == (pytest.approx(0.5958, abs=1e-3), pytest.approx(0.9821, abs=1e-3))
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_a_tie_counts_one_half():
    assert accuracy([1.0, -1.0, 0.0, 2.0]) == 0.625
    assert accuracy([0.0, 0.0]) == 0.5
    assert math.isnan(accuracy([]))
    assert accuracy_with_interval([1.0, 1.0])["pairs"] == 2


def test_mcnemar_by_hand():
    """Right alone: the first on 4 items, the second on 1. Of 5 coins, 0, 1, 4 or 5 heads: 12/32."""
    first = [True] * 4 + [False] + [True, True, False]
    second = [False] * 4 + [True] + [True, True, False]
    assert mcnemar(first, second) == {"only_first": 4, "only_second": 1, "p": pytest.approx(12 / 32)}
    assert mcnemar(second, first)["only_second"] == 4
    assert mcnemar([True], [True])["p"] == 1


def test_a_contrast_is_the_interval_of_the_differences_seed_by_seed():
    """Differences 1, 2, 3: mean 2, sd 1, half-width 4.303/sqrt(3), though each row alone spreads far more."""
    found = contrast(over_seeds([11.0, 2.0, 103.0]), over_seeds([10.0, 0.0, 100.0]))
    assert found["values"] == [1, 2, 3]
    assert found["half_95"] == pytest.approx(4.3027 / 3**0.5, abs=1e-3)

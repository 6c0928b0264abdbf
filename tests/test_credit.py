"""Credit assignment, on cases small enough to do by hand."""

import math

import numpy as np
import pytest
from hand_made import one_character_tokens

from dpoq_lab.credit import (
    _auroc_with_interval,
    auroc,
    chance_of_a_hit,
    credit_report,
    detector_row,
    precision_at_1,
)


def test_credit_finds_the_marked_token_by_reward_and_not_by_surprisal():
    """The flaw is token 1 (r = -1); the most surprising token is 2, and it is harmless."""
    chosen = one_character_tokens([1, 9, 3], [-1.0, -1.0, -4.0], [-1.0, -1.0, -4.0])
    rejected = one_character_tokens([1, 2, 3], [-1.0, -2.0, -4.0], [-1.0, -1.0, -4.0], flaws=((1, 2),))
    report = credit_report([(chosen, rejected)])
    assert report["marks"]["-r"]["precision_at_1"] == 1.0
    assert report["marks"]["-r"]["auroc"] == 1.0
    assert report["marks"]["surprisal of policy"]["precision_at_1"] == 0.0
    assert report["rejected_only"]["share_positive"] == pytest.approx(1 / 3, abs=1e-4)
    assert report["side"]["-r"]["auroc"] == 1.0


def test_without_marks_the_report_has_no_marks():
    pair = (one_character_tokens([1], [-1.0], [-1.0]), one_character_tokens([2], [-1.0], [-1.0]))
    assert "marks" not in credit_report([pair])


def test_chance_is_the_mean_share_of_errors_where_there_are_any():
    assert chance_of_a_hit([[True, False], [False, False], [True, False, False, False]]) == 0.375


def test_a_detector_s_row():
    """Of ten comparisons 3 wins three; the top token is an error in one of the two replies that hold any."""
    suspicion, labels = [[1, 3, 2], [5, 0], [9, 1]], [[False, True, False], [False, True], [False, False]]
    assert detector_row(suspicion, labels) == {"auroc": 0.3, "precision_at_1": 0.5}
    assert precision_at_1(suspicion, labels) == (0.5, 2)


def test_a_tie_counts_half_and_goes_to_the_earliest():
    assert auroc([2, 2, 1, 5], [True, False, False, False]) == 1.5 / 3
    assert precision_at_1([[2, 2]], [[True, False]]) == (1.0, 1)
    assert precision_at_1([[2, 2]], [[False, True]]) == (0.0, 1)


def test_a_draw_of_one_kind_alone_gives_the_interval_nothing():
    """Of two responses half the draws take one of them twice; the other half both, whose AUROC is 0.75."""
    values = [np.array([1.0, 4.0]), np.array([2.0, 5.0])]
    labels = [np.array([False, False]), np.array([True, True])]
    assert _auroc_with_interval(values, labels) == {"auroc": 0.75, "auroc_interval_95": [0.75, 0.75]}


def test_without_both_kinds_there_is_no_number():
    assert math.isnan(auroc([1, 2], [True, True]))
    assert math.isnan(auroc([1, 2], [False, False]))
    share, replies = precision_at_1([[1, 2]], [[False, False]])
    assert math.isnan(share)
    assert replies == 0

"""What a run is judged by, on cases small enough to do by hand."""

import math

import pytest

from dpoq_lab.encoding import Response
from dpoq_lab.evaluation import accuracy, accuracy_with_interval, credit_report, summarise, wilson_interval
from dpoq_lab.rewards import TokenScores


def scores(ids, logp, logp_ref, flaws=()):
    """A response of one-character tokens with given log-probabilities."""
    offsets = [(i, i + 1) for i in range(len(ids))]
    zeros, none = [0.0] * len(ids), [[] for _ in ids]
    response = Response([0], ids, offsets, "x" * len(ids), flaws)
    return TokenScores(response, logp, logp_ref, zeros, zeros, none, none, zeros)


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


def test_summary_by_hand():
    """beta 0.5; chosen gains 2 nats, rejected loses 1: rewards +1 and -0.5, margin 1.5."""
    chosen = scores([1, 2], [-1.0, -1.0], [-2.0, -2.0])
    rejected = scores([1, 3], [-1.0, -3.0], [-1.0, -2.0], flaws=((1, 2),))
    found = summarise([(chosen, rejected)], beta=0.5)
    assert found["chosen_reward_sum_mean"] == 1.0
    assert found["rejected_reward_sum_mean"] == -0.5
    assert found["margin_mean"] == 1.5
    assert found["pair_accuracy"]["accuracy"] == 1.0


def test_credit_finds_the_marked_token_by_reward_and_not_by_surprisal():
    """The flaw is token 1 (r = -1); the most surprising token is 2, and it is harmless."""
    chosen = scores([1, 9, 3], [-1.0, -1.0, -4.0], [-1.0, -1.0, -4.0])
    rejected = scores([1, 2, 3], [-1.0, -2.0, -4.0], [-1.0, -1.0, -4.0], flaws=((1, 2),))
    report = credit_report([(chosen, rejected)])
    assert report["marks"]["-r"]["precision_at_1"] == 1.0
    assert report["marks"]["-r"]["auroc"] == 1.0
    assert report["marks"]["surprisal of policy"]["precision_at_1"] == 0.0
    assert report["rejected_only"]["share_positive"] == pytest.approx(1 / 3, abs=1e-4)
    assert report["side"]["-r"]["auroc"] == 1.0


def test_without_marks_the_report_has_no_marks():
    pair = (scores([1], [-1.0], [-1.0]), scores([2], [-1.0], [-1.0]))
    assert "marks" not in credit_report([pair])

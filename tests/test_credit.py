"""Credit assignment, on cases small enough to do by hand."""

import pytest
from hand_made import one_character_tokens

from dpoq_lab.credit import chance_of_a_hit, credit_report


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

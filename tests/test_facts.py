"""Facts of a run by hand: of its log, and of its pairs."""

import math

import pytest
from test_summary import CHOSEN, REJECTED

from dpoq_lab.facts import log_facts, pair_facts
from dpoq_lab.run_logs import Log
from dpoq_lab.token_file import ScoredRow


def test_an_averaged_log_has_no_start():
    """Records at steps 10, 20, ... are means of ten steps; a record at step 0 or 1 is not."""
    rows = [{"step": step, "loss": 0.6, "chosen": 0.05, "rejected": -0.1} for step in (10.0, 20.0)]
    assert "loss_start" not in log_facts(Log(rows, None, 10), 0.1)
    assert log_facts(Log([rows[0] | {"step": 1.0}, rows[1]], None), 0.1)["chosen_start"] == pytest.approx(0.5)


def test_facts_of_a_log_by_hand():
    """Six records: the end is the last alone; log pi_ref = log pi - reward/beta, whatever the step."""
    rows = [
        {
            "step": float(k),
            "loss": 0.7 - k / 10,
            "chosen": -k / 10,
            "rejected": -k,
            "chosen_logp": -20.0 - k / 5,
        }
        for k in range(6)
    ]
    found = log_facts(Log(rows, None), beta=0.5)
    assert (found["loss_end"], found["chosen_end"], found["rejected_end"]) == pytest.approx(
        (0.2, -1.0, -10.0)
    )
    assert (found["chosen_logged"], found["chosen_logged_se"]) == pytest.approx((-20.0, 0.0))
    assert found["loss_start"] == pytest.approx(0.7)
    assert "accuracy_held_out" not in found
    assert log_facts(Log(rows, None, held_out=0.625), beta=0.5)["accuracy_held_out"] == 0.625
    lost = log_facts(Log([*rows, rows[0] | {"loss": math.nan}], None), beta=0.5)
    assert lost["not_finite"] == pytest.approx(1 / 7)
    assert lost["loss_end"] == pytest.approx(0.2)


def test_facts_of_pairs_by_hand():
    """Log-ratios: chosen .5+1+2+4+8 of 5 tokens, rejected -7.25 of 4; then with sides exchanged."""
    rows = [ScoredRow("a", "p", (CHOSEN, REJECTED)), ScoredRow("b", "p", (REJECTED, CHOSEN))]
    one = pair_facts(rows[:1], beta=0.1)
    assert (one["chosen"], one["rejected"]) == (15.5, -7.25)
    assert (one["chosen_tokens"], one["rejected_tokens"]) == (5, 4)
    assert one["chosen_rescored"] == -25.0
    assert one["loss"] == pytest.approx(math.log1p(math.exp(-0.1 * 22.75)))
    assert one["changed"] == pytest.approx(1 - 2 * 3 / 9)
    assert (one["ranked_right"], one["contradicted"]) == (1, 0)
    both = pair_facts(rows, beta=0.1)
    assert both["contradicted"] == 1.0
    assert both["chosen"] == pytest.approx((15.5 - 7.25) / 2)
    assert both["chosen_se"] == pytest.approx(22.75 / 2)  # sd 22.75/sqrt 2, over two pairs

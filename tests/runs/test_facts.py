"""Facts of a run by hand: of its log, and of its pairs."""

import math
from dataclasses import replace

import numpy as np
import pytest
from test_summary import CHOSEN, REJECTED

from dpoq_lab.runs.facts import log_facts, pair_facts
from dpoq_lab.runs.logs import Log
from dpoq_lab.runs.token_file import ScoredRow


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


def test_a_tie_is_not_ranked_right_and_what_is_cut_is_counted_once_a_pair():
    """Of two pairs one is a tie; one chosen and both replies of another are cut: 2 of 3 pairs."""
    cut = [replace(s, response=replace(s.response, truncated=True)) for s in (CHOSEN, REJECTED)]
    sides = [(CHOSEN, CHOSEN), (cut[0], REJECTED), tuple(cut)]
    found = pair_facts([ScoredRow(str(k), "p", both) for k, both in enumerate(sides)], beta=0.5)
    assert found["ranked_right"] == pytest.approx(2 / 3)
    assert (found["chosen_cut"], found["rejected_cut"], found["cut"]) == pytest.approx((2 / 3, 1 / 3, 2 / 3))
    assert found["reference_prefers_chosen"] == 0.0  # each token has -5 nats: the same, so preferred by none
    assert found["rejected_rescored"] == pytest.approx(-(25 + 20 + 20) / 3)


def test_a_log_by_sides_and_its_last_fifth():
    """Eleven records: the end is the mean of the last two. Both sides have logs; one record has no error."""
    rows = [
        {
            **{"step": float(k), "loss": k / 10, "accuracy": k / 20, "chosen": k / 2, "rejected": -float(k)},
            **{"chosen_logp": -10.0 + k % 2, "rejected_logp": -30.0},
        }
        for k in range(2, 13)
    ]
    found = log_facts(Log(rows, None), beta=0.5)
    assert (found["loss_end"], found["accuracy_end"]) == pytest.approx((1.15, 0.575))
    assert (found["chosen_end"], found["rejected_end"]) == pytest.approx((11.5, -23.0))
    assert "loss_start" not in found  # the first is at step 2
    of_chosen = [-10.0 + k % 2 - k for k in range(2, 13)]
    assert found["chosen_logged"] == pytest.approx(np.mean(of_chosen))
    assert found["chosen_logged_se"] == pytest.approx(np.std(of_chosen, ddof=1) / math.sqrt(11))
    assert found["rejected_logged"] == pytest.approx(-30.0 + 2 * 7)
    one = log_facts(Log(rows[:1], None), beta=0.5)
    assert one["rejected_logged"] == pytest.approx(-26.0)
    assert "rejected_logged_se" not in one
    start = log_facts(Log([rows[0] | {"step": 1.0}], None), beta=0.5)
    assert (start["loss_start"], start["chosen_start"], start["rejected_start"]) == pytest.approx(
        (0.2, 2.0, -4.0)
    )
    assert log_facts(Log([rows[0] | {"loss": math.inf}], None), beta=0.5) == {
        **{"beta": 0.5, "records": 1.0, "not_finite": 1.0}
    }


def test_k_is_told_where_the_kl_is_enough_to_divide_by_and_one_pair_has_no_spread():
    def with_kl(kl):
        chosen = replace(CHOSEN, kl_ref_pi=[kl, 0.0, 0.0, 0.0, 0.0])
        return pair_facts([ScoredRow("a", "p", (chosen, REJECTED))], beta=0.5)

    assert with_kl(0.2)["k"] == pytest.approx(-15.5 / 0.2)
    assert "k" not in with_kl(0.09)
    assert with_kl(0.2)["chosen_se"] == math.inf
    assert pair_facts([], 0.5) == {}


def test_pairs_contradict_where_prompt_and_both_texts_are_the_same():
    other = replace(CHOSEN, response=replace(CHOSEN.response, text="other"))
    rows = [("p", CHOSEN, REJECTED), ("q", REJECTED, CHOSEN), ("p", REJECTED, other), ("p", REJECTED, CHOSEN)]
    found = pair_facts([ScoredRow("a", p, (w, r)) for p, w, r in rows], beta=0.5)
    assert found["contradicted"] == 0.5

"""Lesson 06's figures: what is drawn is what was measured."""

import numpy as np
from hand_made import texts

from dpoq_lab.credit import chance_of_a_hit, precision_at_1
from dpoq_lab.lessons.l06_token_rewards.figures import (
    advantage_figure,
    against_advantage,
    credit_figure,
    detectors_figure,
    hatted,
    running_figure,
    stitching_figure,
)
from dpoq_lab.lessons.opening import course_records, stored_run
from dpoq_lab.lessons.study import stored_record


def test_learned_rewards_are_drawn_against_advantages_by_what_was_paid():
    A, r = np.array([-1.9, 0.3, -0.5]), np.array([-1.0, 1.0, 0.0])
    figure = against_advantage(A + 0.1, A, r)
    assert list(figure.data["r_hat = A*"].x) == [-1.9, 0.3]
    paid = {name: list(series.x) for name, series in figure.data.items() if name.startswith("paid")}
    assert paid == {"paid -1": [-1.9], "paid +0": [-0.5], "paid +1": [0.3]}
    assert "of 3 tokens the median distance from it is 0.10" in figure.reading


def test_the_records_minus_r_is_minus_the_log_ratio_and_nothing_else_is_renamed():
    rows = hatted({"-r": 1, "-r, DPO": 2, "surprisal, -r": 3})
    assert rows == {"-r_hat": 1, "-r_hat, DPO": 2, "surprisal, -r": 3}


def test_running_sums_begin_at_0_and_flaws_are_marked_where_they_were_written():
    r_hat = {"chosen": [0.5, -2.0, 0.25], "rejected": [-1.0]}
    figure = running_figure(r_hat, {"chosen": [False, True, False], "rejected": [False]}, [-4.0])
    assert figure.data["chosen"].y == [0.0, 0.5, -1.5, -1.25]
    assert figure.data["rejected"].y == [0.0, -1.0]
    marked = figure.data["a known flaw"]
    assert (list(marked.x), list(marked.y)) == ([2], [-1.5])
    assert "chosen \u22121.25, rejected \u22121.00" in figure.reading
    assert "\u22124" in texts(figure)  # the axis holds what it is told to hold


def test_the_pictures_of_the_studies_show_their_records():
    record = stored_record("order-notes", "credit")
    for figure, rows in (
        (detectors_figure(record["credit"]), record["credit"]),
        (stitching_figure(record["stitching"]), record["stitching"]),
    ):
        assert figure.data == hatted(rows)
        assert set(hatted(rows)) <= set(texts(figure))
    assert "0.99 of replies, SFT's most surprising in 0.64" in detectors_figure(record["credit"]).reading
    table = stored_record("telegrams", "advantage")["table"]
    assert "0.27 from the advantage and 0.76 from the pay" in advantage_figure(table).reading


def test_a_credit_report_is_drawn_with_its_intervals():
    _, summary = stored_run("smollm2-courtesy")
    figure = credit_figure(summary["credit"])
    assert "0.70" in texts(figure)
    assert figure.data["side"] == {}  # a heading
    assert "AUROC of -r_hat 0.70, of the reference's surprisal 0.61" in figure.reading


def test_smollm2_finds_the_words_of_wrong_facts_no_better_than_a_guess():
    """Lesson 06's table by kind: of 43 wrong facts the most blamed token hits 0.14, a guess 0.12."""
    records, _ = stored_run("smollm2-courtesy")
    kinds = [pair["kind"] for pair in course_records("held_out")]
    wrong = [rejected for rejected, kind in zip(records[1::2], kinds, strict=True) if kind == "wrong"]
    flaws = [reply["flaws"] for reply in wrong]
    blame = precision_at_1([[-r for r in reply["reward"]] for reply in wrong], flaws)[0]
    surprise = precision_at_1([[-x for x in reply["logp_reference"]] for reply in wrong], flaws)[0]
    assert len(wrong) == 43
    assert (round(blame, 2), round(chance_of_a_hit(flaws), 2), round(surprise, 2)) == (0.14, 0.12, 0.26)

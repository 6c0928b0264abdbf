"""The study of lesson 10: its measures on hand-made blame, its record, and one run at the smallest size."""

import json
from random import Random

import numpy as np
import pytest

from dpoq_lab.intervals import contrast
from dpoq_lab.lessons.l10_reasoning import recipe
from dpoq_lab.lessons.l10_reasoning.study import (
    STUDY,
    by_order,
    by_pay,
    by_step,
    credit_row,
    exact_blame,
    read_in_order,
)
from dpoq_lab.lessons.l10_reasoning.walk import Walk, is_right, stated, walk_tokenizer, write, wrong_steps
from dpoq_lab.lessons.study import run_study, stored_record

WALK = Walk(7, ("+3", "-2", "+1", "-3"))
LONE = "then +3 0 , next -2 9 ; now +1 0 . so -3 7 , answer 7"  # wrong at step 2
TWO = "then +3 1 , next -2 9 ; now +1 3 . so -3 0 , answer 0"  # wrong at steps 1 and 3
FIRST = "first error: step precision"


def blame(*places):
    """Blame of 19 tokens: each (token, value)."""
    row = np.zeros(19)
    for token, value in places:
        row[token] = value
    return row


def test_blame_of_a_step_is_that_of_its_four_tokens():
    assert by_step(blame((2, 1.0), (3, 0.5), (4, 2.0), (18, 9.0))).tolist() == [1.5, 2.0, 0.0, 0.0]


def test_any_the_one_and_the_first_wrong_step_are_three_questions():
    chains = [(WALK, LONE), (WALK, TWO)]
    row = credit_row(
        np.array([blame((6, 1.0)), blame((2, 0.5), (10, 1.0))]), chains
    )  # finds 2; then 3, not 1
    assert row["top token is a wrong place"] == 1.0
    assert row["one error: token precision"] == row["one error: step precision"] == 1.0
    assert row[FIRST] == 0.5
    assert row["first error: step AUROC"] == pytest.approx((2 * 6 - 1.5) / 12, abs=0.05)
    assert row["first error: token precision"] == 0.5
    assert row["first error: token AUROC"] == pytest.approx(
        (35.5 + 35) / (2 * 36)
    )  # 1.0 ties with the second
    beside = credit_row(np.array([blame((7, 1.0)), blame((0, 1.0))]), chains)  # the right step, not its place
    assert (beside["top token is a wrong place"], beside["one error: step precision"], beside[FIRST]) == (
        0,
        1,
        1,
    )
    assert beside["first error: token precision"] == 0


def test_read_in_order_the_first_step_below_a_mark_is_blamed():
    chains = [(WALK, LONE), (WALK, TWO)]  # wrong first at steps 2 and 1
    blames = np.array([blame((2, 0.25), (6, 0.5)), blame((2, 0.35), (10, 1.0))])
    assert read_in_order(blames, chains) == {"below -0.2": 0.5, "below -0.3": 1.0, "below -0.4": 0.5}
    little = np.array([blame((6, 0.1), (10, 0.05))])  # no step is below a mark: the most blamed one
    assert set(read_in_order(little, chains[:1]).values()) == {1.0}


def test_exact_credit_finds_the_first_error_the_less_the_more_is_paid():
    asked, random = recipe.walks(300, 0, "test"), Random(0)
    chains = [(walk, write(walk, random)) for walk in asked]
    chains = [chain for chain in chains if not is_right(*chain)]
    found = by_pay(chains)
    assert found["pay 3"] == credit_row(exact_blame(chains), chains)[FIRST]  # recipe.PAY
    assert found["pay 1"] > 0.9 > 0.5 > found["pay 6"] > found["pay 8"]


def test_the_exact_blame_stands_on_the_places_and_knows_which_error_lost_the_answer():
    exact = exact_blame([(WALK, LONE), (WALK, TWO)])
    assert set(np.flatnonzero(exact[0])) == {2, 6, 10, 14}
    assert by_step(exact).argmax(axis=1).tolist() == [1, 0]
    order = by_order(exact, [(WALK, LONE), (WALK, TWO)])
    assert order["first of two"] < order["second of two"]
    assert order["lone, step 2"] == pytest.approx(-exact[0, 6])
    assert np.isnan(order["lone, step 1"])


def test_what_the_lesson_says_of_the_stored_record():
    record = stored_record("walks", "reasoning")
    credit = {name: {m: found["mean"] for m, found in row.items()} for name, row in record["credit"].items()}
    dpo, surprisal = credit["-r_hat, DPO"], credit["surprisal of the reference"]
    top = "top token is a wrong place"
    assert dpo[top] > max(0.93, surprisal[top] + 0.35)
    assert dpo["one error: token precision"] > 0.90
    assert 0.65 < dpo[FIRST] < 0.80
    assert credit["-A*, exact"][FIRST] > 0.92
    read = record["first"]["r_hat, DPO"]["below -0.3"]
    assert min(contrast(read, record["credit"]["-r_hat, DPO"][FIRST])["values"]) > 0.1
    assert read["mean"] > 0.9 > 0.5 > record["first"]["r_hat, shuffled labels"]["below -0.3"]["mean"]
    order = record["order"]
    assert abs(contrast(order["r_hat"]["first of two"], order["r_hat"]["second of two"])["mean"]) < 0.2
    assert contrast(order["A*"]["second of two"], order["A*"]["first of two"])["mean"] > 1
    answers = {name: row["sampled"] for name, row in record["answers"].items()}
    assert contrast(answers["DPO"], answers["base"])["mean"] > 0.06
    better = contrast(answers["SFT on chosen"], answers["DPO"])
    assert min(better["values"]) > 0
    placed = contrast(answers["step pairs at the first wrong step"], answers["step pairs at a random step"])
    assert placed["mean"] > placed["half_95"]
    labels = {name: np.array(row["labels"]["values"]) for name, row in record["labels"].items()}
    assert (labels["step pairs at the first wrong step"] > 1.5 * labels["DPO"]).all()
    equal = labels["step pairs at the first wrong step, labels as DPO"]
    assert (abs(equal / labels["DPO"] - 1) < 0.01).all()


@pytest.fixture(scope="module")
def base():
    return recipe.train_base(recipe.SIZES["ci"], 0)


def test_outcome_pairs_are_the_policys_own_and_differ_in_the_answer(base):
    told, judged = recipe.outcome_pairs(base, 6, 0)
    assert len(told) == len(judged) == 6
    assert judged == sorted(set(judged))
    assert all(labels % recipe.CHAINS == 0 for labels in judged)  # a prompt that gave no pair was judged too
    assert all(is_right(walk, right) and not is_right(walk, wrong) for walk, right, wrong in told)
    assert all(any(wrong_steps(walk, stated(wrong))) for walk, _, wrong in told)
    assert recipe.outcome_pairs(base, 6, 0) == (told, judged)
    flipped = sum(
        pair.pair.chosen == wrong for pair, (_, _, wrong) in zip(recipe.shuffled(told, 2), told, strict=True)
    )
    assert 0 < flipped < 6


def test_step_pairs_share_a_prefix_and_end_without_eos(base):
    told, _ = recipe.outcome_pairs(base, 24, 1)
    pairs, judged = recipe.step_pairs(base, told, [1] * 24, 0)
    assert len(pairs) == len(judged) == 24
    assert all(labels == 8 for pair, labels in zip(pairs, judged, strict=True) if pair is None)
    assert {pair is None for pair in pairs} == {True, False}
    assert min(judged) < 8  # the first continuation that serves is the last one judged
    for pair in filter(None, pairs):
        assert pair.chosen.prompt_ids == pair.rejected.prompt_ids
        assert len(pair.chosen.prompt_ids) == 7 + 4
        assert len(pair.chosen.ids) == len(pair.rejected.ids) == 4
        assert walk_tokenizer().eos_token_id not in pair.chosen.ids
        assert pair.chosen.ids[2] != pair.rejected.ids[2]


def test_the_study_runs_at_the_smallest_size_and_keeps_four_models(tmp_path):
    table = run_study(STUDY, "reasoning", tmp_path, seeds=1, preset="ci")
    assert "best of 4 by the truth" in table
    record = json.loads((tmp_path / "reasoning.json").read_text(encoding="utf-8"))
    assert set(record["credit"]) == set(stored_record("walks", "reasoning")["credit"]) - {
        "-r_hat, DPO, 250 pairs",
        "-r_hat, DPO, 1000 pairs",
    } | {"-r_hat, DPO, 6 pairs", "-r_hat, DPO, 24 pairs"}
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        "base",
        "dpo",
        "sft-on-chosen",
        "shuffled-labels",
    ]

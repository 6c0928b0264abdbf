"""The recipe and the study of lesson 11: labels, pairs, luck in the margin, the record, and a small run."""

import numpy as np
import pytest
import torch
from hand_made import rows_of

from dpoq_lab.intervals import contrast
from dpoq_lab.lessons.l11_multi_turn import recipe
from dpoq_lab.lessons.l11_multi_turn.language import said_log_probs, table_of
from dpoq_lab.lessons.l11_multi_turn.recipe import LABELS, PairData, Size, draw_pairs, everywhere
from dpoq_lab.lessons.l11_multi_turn.study import STUDY
from dpoq_lab.lessons.l11_multi_turn.theory import realised
from dpoq_lab.lessons.study import run_study, stored_record
from dpoq_lab.paths import data_folder

SMALL = Size(200, 4000, 3)


@pytest.fixture(scope="module")
def table():
    return table_of("harm")


@pytest.mark.parametrize("labels", LABELS)
def test_pairs_share_a_prompt_and_differ(table, labels):
    pairs = draw_pairs(table, labels, SMALL, 0)
    assert (table.prompt[pairs.chosen] == table.prompt[pairs.rejected]).all()
    assert (pairs.chosen != pairs.rejected).all()
    asked = recipe.asked(table)[pairs.chosen] | recipe.asked(table)[pairs.rejected]
    assert asked.any() == (labels != "single turn")
    assert (abs(pairs.luck_chosen).max() > 0) == (labels == "luck in the margin")


def test_labels_of_own_users_win_as_often_as_population_pairs_say(table):
    pairs = draw_pairs(table, "own user", Size(pairs=60_000), 1)
    talk = table.talks[5]
    exact = realised(talk)
    here = table.prompt[pairs.chosen] == 5
    first, second = table.row[pairs.chosen[here]], table.row[pairs.rejected[here]]
    one, other = (int(k) for k in np.argsort(talk.law)[-2:])
    wins = ((first == one) & (second == other)).sum()
    losses = ((first == other) & (second == one)).sum()
    low, high = sorted((one, other))
    [k] = np.flatnonzero((exact.first == talk.rows[low]) & (exact.second == talk.rows[high]))
    label = exact.label[k] if one == low else 1 - exact.label[k]
    assert wins / (wins + losses) == pytest.approx(label, abs=0.04)


def test_everything_of_a_row_is_that_of_its_conversation(table):
    row = int(np.flatnonzero((table.prompt == 4) & (table.row == 3))[0])
    assert everywhere(table, "mean")[row] == table.talks[4].mean[3]
    assert everywhere(table, "outcomes")[row].tolist() == table.talks[4].outcomes[3].tolist()


def test_luck_is_one_more_term_of_the_margin(table):
    """Three of four pairs prefer the question: log 3 of luck for it says as much."""
    base = recipe.train_base(table, SMALL, 0)
    row = np.flatnonzero(table.prompt == 5)
    [asks], [guess] = (row[recipe.asked(table)[row] == asked][:1] for asked in (True, False))
    chosen, rejected = np.array([asks] * 48 + [guess] * 16), np.array([guess] * 48 + [asks] * 16)

    def moved(luck):
        pairs = PairData(chosen, rejected, luck * (chosen == asks), luck * (rejected == asks))
        tuned = recipe.train_dpo(base, table, pairs, SMALL, 0)
        with torch.no_grad():
            gain = said_log_probs(tuned, table, [asks]) - said_log_probs(base, table, [asks])
        return float(gain.sum())

    assert moved(0.0) > 0
    assert moved(np.log(3) - 0.2) > 0 > moved(np.log(3) + 0.2)


def test_what_the_lesson_says_of_the_stored_record():
    tables = stored_record("dialogue", "dialogue")["tables"]
    bits, harm, noisy = tables["two bits"], tables["harm"], tables["noisy"]
    more = contrast(bits["regret"]["questions"], bits["own user"]["questions"])
    assert more["mean"] - more["half_95"] > 0
    assert contrast(bits["own user"]["questions"], bits["SFT"]["questions"])["mean"] > 0.1
    assert bits["single turn"]["questions"]["mean"] < 0.65
    own, regret, single = (
        harm[f"{name}, p 0.85, h 32"]["asks first"] for name in ("own user", "regret", "single turn")
    )
    assert min(regret["values"]) > 0.95
    assert max(own["values"]) < 0.55
    assert max(single["values"]) < 0.35
    assert abs(contrast(harm["own user, p 0.85, h 8"]["asks first"], own)["mean"]) < 0.1
    assert min(noisy["unmasked"]["believes the likely reply"]["values"]) > 0.97
    assert contrast(noisy["unmasked"]["asks first"], noisy["masked"]["asks first"])["mean"] > 0.03


def test_the_study_runs_at_the_smallest_size_and_keeps_three_models(tmp_path):
    table = run_study(STUDY, "dialogue", tmp_path, seeds=1, preset="ci")
    assert "luck in the margin, p 0.85, h 32" in table
    assert rows_of(tmp_path / "dialogue.json") == rows_of(
        data_folder() / "runs" / "dialogue" / "dialogue.json"
    )
    kept = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert kept == ["luck-in-the-margin", "own-user", "sft"]

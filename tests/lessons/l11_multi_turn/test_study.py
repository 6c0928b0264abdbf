"""The recipe and the study of lesson 11: labels, pairs, luck in the margin, the record, and a small run."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hand_made import rows_of

from dpoq_lab.intervals import contrast, plus_minus
from dpoq_lab.lessons.l11_multi_turn import recipe
from dpoq_lab.lessons.l11_multi_turn.language import said_log_probs, table_of
from dpoq_lab.lessons.l11_multi_turn.more_pairs import STUDY as MORE
from dpoq_lab.lessons.l11_multi_turn.more_pairs import TRIALS
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
    assert more["mean"] - more["half_95"] > 0.15
    assert contrast(bits["own user"]["questions"], bits["SFT"]["questions"])["mean"] > 0.2
    assert contrast(bits["regret"]["gain kept"], bits["own user"]["gain kept"])["mean"] > 0.08
    assert 0.65 < bits["regret"]["gain kept"]["mean"] < 0.75  # the threshold of the trials, missed
    kept = [round(bits[kind]["gain kept"]["mean"], 2) for kind in ("own user", "regret", "single turn")]
    assert kept == [0.49, 0.74, -0.32]
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


def test_what_the_lesson_says_of_twice_the_pairs():
    record = stored_record("dialogue", "dialogue-pairs")
    assert record["size"] == asdict(MORE.sizes["laptop"])
    usual, found = stored_record("dialogue", "dialogue")["tables"]["two bits"], record["table"]
    assert record["first seed"] == 10
    assert set(found) == set(usual) == set(TRIALS)
    for kind in ("own user", "rated on average", "regret", "luck in the margin"):
        gain = contrast(found[kind]["gain kept"], usual[kind]["gain kept"])
        assert gain["mean"] - gain["half_95"] > 0
    assert min(found["regret"]["gain kept"]["values"]) > 0.75
    kept = {kind: row["gain kept"] for kind, row in found.items()}
    assert contrast(kept["regret"], kept["own user"])["mean"] > 0.08
    assert [plus_minus(kept[kind]) for kind in ("regret", "own user")] == ["0.87 ± 0.03", "0.55 ± 0.05"]
    assert plus_minus(contrast(kept["regret"], usual["regret"]["gain kept"])) == "0.13 ± 0.04"
    assert round(found["regret"]["questions"]["mean"], 2) == 1.25
    assert round(kept["single turn"]["mean"], 2) == -0.31
    assert max(kept["single turn"]["values"]) < 0
    assert [round(TRIALS[kind], 2) for kind in ("own user", "single turn")] == [0.62, 0.07]


def test_more_pairs_are_drawn_and_more_are_in_a_step(table, monkeypatch):
    seen = []
    monkeypatch.setattr(recipe, "dpo_loss", lambda chosen, *_: seen.append(len(chosen)) or chosen.sum())
    base = recipe.train_base(table, SMALL, 0)
    pairs = draw_pairs(table, "regret", SMALL, 0)
    recipe.train_dpo(base, table, pairs, replace(SMALL, batch=48), 0)
    assert seen == [48] * SMALL.steps


def test_the_study_of_more_pairs_runs_at_the_smallest_size(tmp_path):
    table = run_study(MORE, "dialogue-pairs", tmp_path, seeds=1, preset="ci")
    assert all(name in table for name in TRIALS)


def test_the_study_runs_at_the_smallest_size_and_keeps_three_models(tmp_path):
    table = run_study(STUDY, "dialogue", tmp_path, seeds=1, preset="ci")
    assert "luck in the margin, p 0.85, h 32" in table
    assert rows_of(tmp_path / "dialogue.json") == rows_of(
        data_folder() / "runs" / "dialogue" / "dialogue.json"
    )
    kept = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert kept == ["luck-in-the-margin", "own-user", "sft"]

"""The study of lesson 12: its measures by hand, its record, and one run at the smallest size."""

import numpy as np
import pytest
from hand_made import rows_of

from dpoq_lab.encoding import encode_pairs
from dpoq_lab.intervals import contrast
from dpoq_lab.lessons.l12_agents.desk import Episode, Question, Rules, desk_tokenizer
from dpoq_lab.lessons.l12_agents.study import KEPT, RULES, STUDY, next_log_probs, row_of
from dpoq_lab.lessons.study import run_study, stored_record
from dpoq_lab.models import build
from dpoq_lab.paths import data_folder
from dpoq_lab.preferences import read_pairs

TABLE = {"Ada": "3", "Ben": "7", "Cleo": "0", "Dora": "5"}
HARD, EASY = Question("Dora", TABLE, False), Question("Dora", TABLE, True)


def test_a_row_of_hand_made_episodes():
    found = [
        Episode(HARD, ("well call Dora", "5", "say 5")),
        Episode(HARD, ("well call Dora", "busy", "5")),  # out of the language
        Episode(HARD, ("ok say unsure",)),
        Episode(HARD, ("ok say 3",)),
        Episode(EASY, ("ok say 5",)),
        Episode(EASY, ("so call Ben", "7", "say 7")),
    ]
    row = row_of(found, Rules(busy=0.5))
    assert row["right, hard"] == 0.25
    assert row["calls, hard"] == 0.5
    assert row["right, easy"] == row["calls, easy"] == 0.5
    assert row["return"] == pytest.approx((0.7 - 0.3 + 0.35 + 0 + 1 - 0.3) / 6)
    assert row["in the language"] == pytest.approx(5 / 6)
    assert row["in the language after busy"] == 0
    assert "in the language after busy" not in row_of(found, Rules())


def test_the_next_words_have_probabilities():
    found = next_log_probs(build(desk_tokenizer(), 16, 1, 0), [HARD.prompt, EASY.prompt])
    assert np.exp(found).sum(axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert abs(found[0] - found[1]).max() > 1e-4


def test_what_the_lesson_says_of_the_stored_record():
    record = stored_record("desk", "agents")
    assert record["first seed"] == 10
    assert list(record["tables"]) == list(RULES)
    sure, noisy = record["tables"].values()
    safe = {measure: np.array(found["values"]) for measure, found in sure["DPO + NLL"].items()}
    assert ((safe["right, easy"] + safe["right, hard"]) / 2 > 0.80).all()
    assert (safe["calls, hard"] > 0.6).all()
    assert (safe["calls, easy"] < 0.12).all()
    assert sure["DPO, masked"]["call tells hard from easy"]["mean"] > 0.99
    freed, unmasked = noisy["DPO, luck removed"], noisy["DPO, unmasked"]
    assert all(0.15 < value < 0.38 for value in freed["calls, hard"]["values"])
    assert min(freed["in the language after busy"]["values"]) > 0.98  # the lowest seed has 0.9804
    assert unmasked["calls, hard"]["mean"] > 0.45
    assert max(unmasked["believes busy"]["values"]) < 0.06
    gap = contrast(unmasked["calls, hard"], freed["calls, hard"])
    assert gap["mean"] - gap["half_95"] > 0.1
    assert min(gap["values"]) > 0


def test_the_pairs_to_inspect_hold_calls_and_are_read_with_a_mask():
    reading = read_pairs(data_folder() / "runs" / "desk" / "pairs.jsonl")
    assert not reading.problems
    read = encode_pairs(desk_tokenizer(), reading.pairs, 64)
    assert not read.refused
    sides = [side for pair in read.pairs for side in (pair.chosen, pair.rejected)]
    observed = [side.actions.count(False) for side in sides]
    assert set(observed) == {0, 1}
    assert len(reading.pairs) == 40


def test_the_study_runs_at_the_smallest_size_and_keeps_its_models(tmp_path):
    table = run_study(STUDY, "agents", tmp_path, seeds=1, preset="ci")
    assert "best of 8 by the truth" in table
    assert rows_of(tmp_path / "agents.json") == rows_of(data_folder() / "runs" / "desk" / "agents.json")
    kept = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert kept == ["dpo-luck-removed", "dpo-masked", "dpo-unmasked", "sft-masked", "sft-unmasked"]
    assert len(kept) == len(KEPT)

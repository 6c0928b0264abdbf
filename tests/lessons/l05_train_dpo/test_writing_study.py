"""The study of notes during DPO, at a size of seconds."""

from dataclasses import replace

import pytest

from dpoq_lab.lessons.l05_train_dpo.writing_study import (
    STUDY,
    WritingSize,
    kept_note,
    measure,
    scores_by_step,
)
from dpoq_lab.order_notes.recipe import SIZES


def notes(*R, texts="a b"):
    return {"R": list(R), "texts": [texts] * len(R)}


def test_the_note_that_is_kept_rises_most_without_falling_and_keeps_its_length():
    found = {5: notes(1, 6, 4, 3), 0: notes(0, 0, 2, 0), 2: notes(0, 7, 3, 2)}
    assert kept_note(found) == 3  # the second falls from 7 to 6
    found[2]["texts"] = ["a b", "a b", "a b", "a b c"]
    assert kept_note(found) == 2


def test_scores_by_step_by_hand():
    rows = scores_by_step({4: notes(1, 0, 3), 0: notes(0, 2, 3)})
    assert rows[0] == {"step": 0, "mean": pytest.approx(5 / 3), "better": 0, "worse": 0}
    assert rows[1] == {"step": 4, "mean": pytest.approx(4 / 3), "better": 1, "worse": 1}


def test_a_small_study_has_a_note_and_four_runs(tmp_path):
    size = WritingSize(replace(SIZES["laptop"], pairs=4, dpo_steps=2), 1, (0, 2), 2)
    record, table = measure(size, 1, tmp_path)
    assert [note["step"] for note in record["note"]] == [0, 2]
    assert record["note"][0]["r_hat"] == pytest.approx([0.0] * len(record["note"][0]["r_hat"]))
    assert {name: len(run["loss"]) for name, run in record["runs"].items()} == dict.fromkeys(
        ("DPO from SFT", "DPO from base", "labels by a coin", "the base as reference"), 2
    )
    assert record["runs"]["DPO from base"]["loss"][0] == pytest.approx(0.6931, abs=1e-3)
    assert record["runs"]["the base as reference"]["loss"][0] != pytest.approx(0.6931, abs=1e-2)
    assert "seed 0" in table
    assert set(STUDY.sizes) == {"ci", "laptop"}

"""The study of random trees: its record, what lesson 13 says of it, and a run on one tree."""

import json

import pytest
from hand_made import rows_of

from dpoq_lab.intervals import contrast
from dpoq_lab.lessons.l13_multi_model.freezing_study import STUDY
from dpoq_lab.lessons.study import run_study, stored_record
from dpoq_lab.paths import data_folder

STORED = data_folder() / "runs" / "pixels" / "freezing.json"
WEIGHTS = ["beta 0.5, gamma 0.5", "beta 0.3, gamma 0.8"]


def test_one_tree_is_the_first_of_the_record(tmp_path):
    table = run_study(STUDY, "freezing", tmp_path, seeds=1, preset="ci")
    assert all(weights in table for weights in WEIGHTS)
    assert rows_of(tmp_path / "freezing.json") == rows_of(STORED)
    here, there = (json.loads(path.read_text())["tables"] for path in (tmp_path / "freezing.json", STORED))
    for weights in WEIGHTS:
        for name, found in here[weights].items():
            assert found["values"] == pytest.approx(there[weights][name]["values"][:1], abs=1e-4)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_what_the_lesson_says_of_the_trees(weights):
    record = stored_record("pixels", "freezing")
    assert record["seeds"] == 20
    table = record["tables"][weights]
    best, apart = table["generator alone, best"], table["tuned apart, joined"]
    assert table["joint"]["values"] == pytest.approx([1] * 20, abs=1e-6)
    assert table["generator alone, same words"]["values"] == pytest.approx(best["values"], abs=1e-6)
    gap = contrast(best, table["generator alone, different words"])
    assert gap["mean"] - gap["half_95"] > 0.05
    for alone in list(table)[:5]:
        assert min(contrast(apart, table[alone])["values"]) > 0
    lost = contrast(table["joint"], apart)
    assert lost["mean"] - lost["half_95"] > 0.03

"""The study of lesson 13: its measures by hand, its record, and one run at the smallest size."""

import pytest
import torch
from hand_made import rows_of

from dpoq_lab.intervals import contrast
from dpoq_lab.lessons.l13_multi_model import recipe
from dpoq_lab.lessons.l13_multi_model.picture import stored
from dpoq_lab.lessons.l13_multi_model.pixels import (
    every_prompt,
    next_words,
    picture,
    right_words,
    stream,
    to_patches,
)
from dpoq_lab.lessons.l13_multi_model.recipe import Drawings
from dpoq_lab.lessons.l13_multi_model.study import KEPT, STUDY, blame, row_of
from dpoq_lab.lessons.study import run_study, stored_record
from dpoq_lab.paths import data_folder

SIZE = recipe.SIZES["ci"]


def test_a_row_of_hand_made_drawings():
    asked = every_prompt()
    right = right_words(asked)
    words = torch.cat([right[:9], next_words(right[9:])])
    shown = torch.cat([right[:6], next_words(right[6:])])  # 6 right, 3 disobey, 3 obey wrong words
    images = to_patches(picture(shown))
    images[:1] = 0
    system = stored("base")
    row = row_of(system, Drawings(asked, words, system.generator.starts(12, stream(0, "test")), images))
    assert row == pytest.approx({"right": 5 / 12, "named": 9 / 12, "obeyed": 8 / 12, "clean": 11 / 12})


def test_blame_of_the_stored_systems():
    row = blame(stored("joint"), stored("base"), recipe.SIZES["laptop"], 3)
    assert row["failures"] > 500
    assert row["culprit found"] > 0.85
    assert row["AUROC of r_hat"] > row["AUROC of log pi_ref"]
    assert 0.5 <= row["majority guess"] < 0.65


def low(rows, ours, theirs, measure="right"):
    """The lower end of the 95% interval of a paired contrast."""
    found = contrast(rows[ours][measure], rows[theirs][measure])
    return found["mean"] - found["half_95"]


def test_what_the_lesson_says_of_the_stored_record():
    record = stored_record("pixels", "systems")
    assert record["first seed"] == 20
    assert record["seeds"] == 5
    masked, wrong = record["tables"]["masked"], record["tables"]["blaming the wrong one"]
    mean = {name: {m: found["mean"] for m, found in row.items()} for name, row in masked.items()}
    assert mean["joint"]["right"] - mean["base"]["right"] > 0.25
    assert mean["joint"]["right"] - mean["refiner only"]["right"] > 0.10
    assert mean["generator only, same words"]["obeyed"] - mean["base"]["obeyed"] > 0.07
    assert mean["second round, fresh pairs"]["right"] > 0.85
    assert mean["second round, fresh pairs"]["clean"] > mean["base"]["clean"] - 0.02
    assert record["tables"]["who is to blame"]["joint"]["culprit found"]["mean"] > 0.85
    for theirs in ("base", "refiner only", "generator only, same words"):
        assert low(masked, "joint", theirs) > 0
    assert low(wrong, "wrong refiner, generator tuned", "wrong refiner, base") > 0
    assert low(wrong, "right refiner, base", "right refiner, generator tuned") > 0
    assert low(wrong, "wrong refiner, base", "wrong refiner, generator tuned", "obeyed") > 0


def test_the_stored_systems_are_small():
    files = list((data_folder() / "runs" / "pixels").glob("*.safetensors"))
    assert sorted(path.stem for path in files) == sorted(KEPT.values())
    assert sum(path.stat().st_size for path in files) < 1_000_000


def test_the_study_runs_at_the_smallest_size_and_keeps_its_systems(tmp_path):
    table = run_study(STUDY, "systems", tmp_path, seeds=1, preset="ci")
    assert "second round, fresh pairs" in table
    assert rows_of(tmp_path / "systems.json") == rows_of(data_folder() / "runs" / "pixels" / "systems.json")
    assert sorted(path.stem for path in tmp_path.glob("*.safetensors")) == sorted(KEPT.values())

"""The recipe of the four runs on a model of a moment: TRL trains, the kit scores, the plant is there."""

import json

import pytest
from chat_templates import styled

from dpoq_lab import models
from dpoq_lab.lessons.l14_your_own_model import four_runs
from dpoq_lab.lessons.l14_your_own_model.stored import read_run

pytestmark = [pytest.mark.trl, pytest.mark.peft, pytest.mark.filterwarnings("ignore")]


def test_the_recipe_makes_runs_that_the_lesson_reads(tmp_path, monkeypatch):
    pytest.importorskip("trl", reason="TRL is not installed; it comes with the extra `bench`")
    pytest.importorskip("peft", reason="peft is not installed; it comes with the extra `peft`")
    tokenizer, out = styled("ChatML"), tmp_path / "out"
    models.save(models.build(tokenizer, 32, 1, seed=3, initializer_range=0.1), tokenizer, tmp_path / "base")
    monkeypatch.setattr(four_runs, "BASE", str(tmp_path / "base"))
    monkeypatch.setattr(four_runs, "SFT_RATE", 5e-2)
    pairs = four_runs.training_pairs()[:8]
    four_runs.make_start(out, pairs, 3)
    for letter in "AC":
        four_runs.make_run(out, letter, pairs, 2)
    flipped, other = (read_run(out / letter) for letter in "AC")
    assert flipped.rows[0].sides[0].response.text.startswith(pairs[0].rejected)
    assert other.rows[0].sides[0].response.text.startswith(pairs[0].chosen)
    assert flipped.facts["chosen_start"] == pytest.approx(0, abs=1e-3)
    assert abs(other.facts["chosen_start"]) > 0.05  # the reference is the base, the policy is tuned
    config = json.loads((out / "A" / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == four_runs.BASE
    assert not list(out.rglob("*.bin"))
    assert not list(out.rglob("*.html"))

"""The stored runs: what a user has and no more, made from the pairs that the recipe draws."""

import json
import re

import pytest

from dpoq_lab.lessons.l14_your_own_model.four_runs import (
    ANSWERS,
    BASE,
    BATCH,
    BETA,
    PAIRS,
    SCORED,
    START,
    exchanged,
    training_pairs,
)
from dpoq_lab.lessons.l14_your_own_model.stored import LETTERS, fallen, run_path, runs_folder, stored_runs
from dpoq_lab.preferences import usable_pairs
from dpoq_lab.runs.causes import CAUSES
from dpoq_lab.runs.diagnosis import diagnose

FILES = {
    "adapter_config.json",
    "adapter_model.safetensors",
    "inspected/summary.json",
    "inspected/tokens.jsonl",
    "pairs.jsonl",
    "provenance.json",
    "trainer_state.json",
}
OF_START = {"adapter_config.json", "adapter_model.safetensors", "provenance.json"}


@pytest.mark.parametrize("name", [*LETTERS, START])
def test_a_folder_holds_a_run_and_no_pickle_and_no_place(name):
    folder = runs_folder() / name
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert set(files) == (OF_START if name == START else FILES)
    for path in files.values():
        if path.suffix != ".safetensors":
            text = path.read_text(encoding="utf-8")
            assert not re.search(r'"(/|~|[A-Z]:\\)[\w.]+/', text)
    config = json.loads(files["adapter_config.json"].read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == BASE
    source = json.loads(files["provenance.json"].read_text(encoding="utf-8"))
    assert source["command"].startswith("python -m dpoq_lab.lessons.l14_your_own_model.four_runs")
    assert {"trl", "peft", "torch"} <= set(source["versions"])
    assert source["seconds"] > 0


def test_they_are_small():
    sizes = {
        path: path.stat().st_size
        for path in runs_folder().rglob("*")
        if path.is_file() and path.suffix != ".md"
    }
    assert sum(sizes.values()) < 6_000_000
    assert max(sizes.values()) < 2_000_000


def test_neither_a_name_nor_a_file_but_the_log_gives_the_cause_away():
    assert sorted(path.name for path in runs_folder().iterdir() if path.is_dir()) == [*LETTERS, START]
    sources = [
        json.loads((runs_folder() / letter / "provenance.json").read_text(encoding="utf-8"))
        for letter in LETTERS
    ]
    assert len({json.dumps(s["command"]) for s in sources}) == 1


@pytest.mark.parametrize("letter", LETTERS)
def test_its_pairs_are_those_that_the_recipe_draws(letter):
    drawn = training_pairs()
    assert len(drawn) == PAIRS
    wanted = exchanged(drawn) if ANSWERS[letter].flipped else drawn
    stored = usable_pairs(runs_folder() / letter / "pairs.jsonl")
    said = [(p.chosen[0]["content"] if isinstance(p.chosen, list) else p.chosen) for p in stored]
    assert said == [pair.chosen for pair in wanted[:SCORED]]
    assert [row.sides[0].response.text for row in stored_runs()[letter].rows] == [
        f"{text}<|im_end|>\n" for text in said
    ]


@pytest.mark.parametrize("letter", LETTERS)
def test_its_log_has_every_step(letter):
    run = stored_runs()[letter]
    assert [record["step"] for record in run.log.records] == list(range(1, PAIRS // BATCH + 1))
    assert run.log.averaged == 1
    assert run.beta == BETA
    assert run.facts["pairs"] == SCORED


def test_one_run_is_fine_and_every_right_verdict_is_a_cause():
    assert [letter for letter, planted in ANSWERS.items() if planted.fine] == ["B"]
    names = {cause.name for cause in CAUSES}
    assert all(set(planted.right) <= names for planted in ANSWERS.values())


def test_a_path_begins_with_the_first_record_and_averages_the_others():
    run = stored_runs()["A"]
    points = run_path(run.log, run.beta, 12)
    second = run.log.records[1:3]
    assert len(points) == 13
    assert points[0][0] == pytest.approx(run.log.records[0]["chosen"] / run.beta)
    assert points[1][1] == pytest.approx(sum(r["rejected"] for r in second) / 2 / run.beta)


def test_what_the_lesson_says_of_the_four_runs():
    runs = stored_runs()
    facts = {letter: run.facts for letter, run in runs.items()}
    assert fallen(list(runs.values())) == ["A", "B", "D"]  # one of them is fine, and C is broken
    assert all(f["chosen_end"] > f["rejected_end"] for f in facts.values())
    k = {letter: round(f["k"], 2) for letter, f in facts.items()}
    assert (k["A"], k["B"], k["D"]) == (0.64, 0.39, 0.97)
    assert facts["A"]["reference_prefers_chosen"] < 0.05 < 0.9 < facts["B"]["reference_prefers_chosen"]
    assert min(r["chosen"] for r in runs["C"].log.records) > 0
    assert facts["C"]["chosen_start"] > 10
    assert facts["C"]["rejected_start"] > 10
    assert facts["D"]["chosen_end"] < facts["D"]["chosen_logged"]  # more than the reference gave


@pytest.mark.parametrize("letter", LETTERS)
def test_the_diagnosis_names_what_was_planted(letter):
    kinds = {cause.name: cause.kind for cause in CAUSES}
    planted = {kinds[name] for name in ANSWERS[letter].right}
    found = diagnose(stored_runs()[letter].facts)
    assert found.findings[0].kind in planted
    assert found.verdict in ANSWERS[letter].right

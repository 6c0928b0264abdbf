"""The public face: what `import dpoq_lab as dq` offers, from loaded models or names and rows of any kind."""

import json
import re

import datasets
import pytest
import torch

import dpoq_lab as dq
from dpoq_lab import models
from dpoq_lab.commands.train import label_of
from dpoq_lab.paths import kit_folder

ROWS = [
    {"prompt": "Say hello.\n", "chosen": "Hello there.", "rejected": "What now?", "rejected_flaws": [[0, 4]]},
    {"prompt": "Say no.\n", "chosen": "I am afraid not.", "rejected": "No."},
    {"prompt": "And bye?\n", "chosen": "Good bye!", "rejected": "Off you go, then."},
]


@pytest.fixture(scope="module")
def pair_of_models(tokenizer):
    return models.tiny(seed=0), models.tiny(seed=1)


@pytest.fixture
def saved(pair_of_models, tokenizer, tmp_path, monkeypatch):
    """The two models and the pairs where a reader of the README has them."""
    monkeypatch.chdir(tmp_path)
    for name, model in zip(("my-dpo-run", "my-sft-model"), pair_of_models, strict=True):
        models.save(model, tokenizer, tmp_path / name)
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return tmp_path


@pytest.mark.parametrize("name", dq.__all__)
def test_every_name_is_there_and_says_what_it_takes(name):
    assert name in dir(dq)
    assert len(getattr(dq, name).__doc__) > 30
    assert vars(dq)[name] is getattr(dq, name)  # looked up once


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dq.nothing  # noqa: B018


def test_the_three_lines_of_the_readme_run(saved):
    readme = (kit_folder() / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(block.split("\n")) <= 5  # three lines, as ruff sets them
    scope = {}
    exec(block, scope)
    assert (saved / "report.html").read_text().startswith("<!doctype html>")
    assert len(scope["scored"].pairs) == 3


def test_a_token_is_scored_by_policy_and_reference_each_in_its_own_role(pair_of_models, tokenizer):
    """Against a plain forward pass of each model on the text alone."""
    scored = dq.score(*pair_of_models, ROWS, tokenizer, beta=0.3)
    found = scored.tokens(1)["rejected"]
    prompt, reply = tokenizer("Say no.\n").input_ids, [*tokenizer("No.").input_ids, tokenizer.eos_token_id]
    assert found["token_ids"] == reply
    for name, model in zip(("logp_policy", "logp_reference"), pair_of_models, strict=True):
        with torch.no_grad():
            logits = model(torch.tensor([prompt + reply])).logits[0].log_softmax(-1)
        expected = [float(logits[len(prompt) - 1 + t, token]) for t, token in enumerate(reply)]
        assert found[name] == pytest.approx(expected, abs=1e-4)
    gap = zip(found["logp_policy"], found["logp_reference"], strict=True)
    assert found["reward"] == pytest.approx([0.3 * (a - b) for a, b in gap], abs=1e-4)
    assert scored.tokens(0)["rejected"]["flaws"][0]
    assert "flaws" not in scored.tokens(1)["chosen"]


def test_the_summary_is_made_of_the_tokens(pair_of_models, tokenizer):
    scored = dq.score(*pair_of_models, ROWS, tokenizer)
    rows = [scored.tokens(i) for i in range(3)]
    for side in ("chosen", "rejected"):
        mean = sum(sum(row[side]["reward"]) for row in rows) / 3
        assert scored.summary()[f"{side}_reward_sum_mean"] == pytest.approx(mean, abs=1e-4)
    right = sum(sum(row["chosen"]["reward"]) > sum(row["rejected"]["reward"]) for row in rows)
    assert scored.summary()["pair_accuracy"]["accuracy"] == pytest.approx(right / 3, abs=1e-4)


def test_names_and_models_files_and_rows_give_the_same_scores(saved, pair_of_models, tokenizer):
    table = datasets.Dataset.from_list(ROWS)
    loaded = dq.score(*pair_of_models, ROWS, tokenizer)
    ways = (
        dq.score("my-dpo-run", "my-sft-model", "pairs.jsonl"),
        dq.score("my-dpo-run", pair_of_models[1], saved / "pairs.jsonl"),
        dq.score(pair_of_models[0], "my-sft-model", table, tokenizer),
        dq.score(*pair_of_models, (row for row in ROWS), tokenizer),
    )
    for scored in ways:
        assert [scored.tokens(i) for i in range(3)] == [loaded.tokens(i) for i in range(3)]


def test_a_bad_row_is_a_problem_and_the_others_are_scored(pair_of_models, tokenizer):
    scored = dq.score(*pair_of_models, [*ROWS, {"prompt": "x"}, 7], tokenizer)
    assert len(scored.pairs) == 3
    assert list(map(str, scored.problems)) == [
        "row 4: chosen: is missing",
        "row 5: is a number, not a JSON object",
    ]


BAD = {
    "policy is a number, not a name, a folder or a loaded model": {"policy": 3},
    "reference is a list, not a name, a folder or a loaded model": {"reference": ["m"]},
    "a loaded policy comes without its tokenizer: pass tokenizer=...": {"tokenizer": None},
    "tokenizer is a string, not a fast tokenizer of transformers": {"tokenizer": "tiny"},
    "rows is a number, not a file, a name, a Dataset or a list of dicts": {"rows": 5},
    "rows has keys prompt, chosen: pass a list of rows, or one split": {"rows": {"prompt": "", "chosen": ""}},
    "rows has splits train, test: pass a list of rows, or one split": {
        "rows": datasets.DatasetDict(dict.fromkeys(("train", "test"), datasets.Dataset.from_list(ROWS)))
    },
    "beta is a string, not a number": {"beta": "0.1"},
    "beta is -1; it must be above 0": {"beta": -1},
    "beta is nan; it must be above 0": {"beta": float("nan")},
    "max_length is a number, not a whole number": {"max_length": 12.5},
    "max_length is 0; it must be above 0": {"max_length": 0},
}


@pytest.mark.parametrize("line", BAD)
def test_an_argument_of_another_kind_is_one_line_before_anything_is_computed(
    line, pair_of_models, tokenizer, monkeypatch
):
    monkeypatch.setattr("dpoq_lab.commands.scorer.score_pairs", lambda *_: pytest.fail("computed"))
    arguments = {"policy": pair_of_models[0], "reference": "tiny", "rows": ROWS, "tokenizer": tokenizer}
    with pytest.raises((TypeError, ValueError)) as caught:
        dq.score(**arguments | BAD[line])
    assert str(caught.value) == line


def test_models_of_other_sizes_of_vocabulary_are_refused(pair_of_models, tokenizer):
    other = models.build(models.build_tiny_tokenizer(["a b"], vocab_size=300), 32, 1)
    with pytest.raises(models.ModelError, match="row 1: reference: has 262 words, and the pair uses number"):
        dq.score(pair_of_models[0], other, ROWS, tokenizer)


def test_train_takes_rows_in_memory_and_leaves_a_run_that_score_opens(tmp_path):
    record = dq.train("tiny", ROWS * 3, tmp_path / "run", preset="ci", method="sft", held_out=0.0, epochs=2)
    assert record["request"]["pairs"].startswith("9 rows in memory, sha256 ")
    assert record["settings"]["objective"] == {"name": "sft"}
    log = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(log) == record["settings"]["steps"] == 2
    scored = dq.score(tmp_path / "run", "tiny", ROWS)
    assert sum(sum(scored.tokens(i)["chosen"]["reward"]) for i in range(3)) > 0


def test_rows_in_memory_are_named_by_what_they_hold():
    assert label_of(ROWS) == label_of(json.loads(json.dumps(ROWS)))
    assert label_of(ROWS) != label_of(ROWS[::-1])
    assert label_of("pairs.jsonl") == "pairs.jsonl"


def test_train_refuses_another_kind_of_argument_in_one_line(tmp_path, pair_of_models):
    with pytest.raises(TypeError, match="^model is LlamaForCausalLM, not a name or a folder$"):
        dq.train(pair_of_models[0], ROWS, tmp_path / "run")
    with pytest.raises(TypeError, match="^rows is null, not a file"):
        dq.train("tiny", None, tmp_path / "run")
    assert not (tmp_path / "run").exists()

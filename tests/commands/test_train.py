"""`train` goes on only with the run that it began, and a folder is never left in a state it cannot use."""

import json
import shutil
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dpoq_lab import models, training, weights
from dpoq_lab.columns import How
from dpoq_lab.commands import train as runs
from dpoq_lab.commands.claim import claimed
from dpoq_lab.commands.train import Request, RunError, run
from dpoq_lab.encoding import EncodedPair, Response, encode_pairs
from dpoq_lab.objectives import CPL, DPO, SFT
from dpoq_lab.paths import data_folder
from dpoq_lab.preferences import Pair
from dpoq_lab.presets import find_preset
from dpoq_lab.schedule import Settings
from dpoq_lab.sources import PairsError

LINES = (data_folder() / "courtesy" / "train.jsonl").read_text(encoding="utf-8").splitlines()[:12]
CI = find_preset("ci")


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A run of three steps that was stopped while it was judged, with a checkpoint after the second."""
    folder = tmp_path_factory.mktemp("begun")
    (folder / "pairs.jsonl").write_text("\n".join(LINES), encoding="utf-8")
    tokenizer = models.tiny_tokenizer()
    for seed, name in enumerate(("start", "reference")):
        models.save(models.build(tokenizer, hidden_size=32, layers=1, seed=seed), tokenizer, folder / name)
    patch = pytest.MonkeyPatch()
    step = training._step

    def stops_in_the_third(*arguments):
        if arguments[-1] == 2:
            raise KeyboardInterrupt
        return step(*arguments)

    patch.setattr(training, "_step", stops_in_the_third)
    patch.setattr(runs, "settings_for", often(runs.settings_for))
    with pytest.raises(KeyboardInterrupt):
        run(request(folder), CI)
    patch.undo()
    return folder


def often(settings_for):
    """The settings, with a checkpoint after every second step."""
    return lambda *arguments: replace(settings_for(*arguments), checkpoint_every=2)


def request(folder, **changed):
    named = {"model": str(folder / "start"), "reference": str(folder / "reference")}
    asked = {"pairs": str(folder / "pairs.jsonl"), "out": folder / "run", "batch_size": 4, "held_out": 0.0}
    return Request(**named | asked | changed)


@pytest.fixture
def stopped(begun, tmp_path, monkeypatch):
    """A copy of it, in whose place it can be changed."""
    monkeypatch.setattr(runs, "settings_for", often(runs.settings_for))
    shutil.copytree(begun, tmp_path / "copy")
    record = tmp_path / "copy" / "run" / "run.json"
    record.write_text(record.read_text().replace(str(begun), str(tmp_path / "copy")))
    return tmp_path / "copy"


def state(folder):
    """All files of a run by their content."""
    return {path: path.read_bytes() for path in (folder / "run").rglob("*") if path.is_file()}


def test_the_same_run_goes_on(stopped):
    claim = json.loads((stopped / "run" / "run.json").read_text())
    assert [path.name for path in (stopped / "run").glob("checkpoint-*")] == ["checkpoint-2"]
    run(request(stopped, resume=True), CI)
    whole = run(request(stopped, out=stopped / "whole"), CI)
    weights = [load_file(stopped / name / "model.safetensors") for name in ("run", "whole")]
    assert all(torch.equal(weights[0][name], weight) for name, weight in weights[1].items())
    record = json.loads((stopped / "run" / "run.json").read_text())
    assert record["finished"]
    assert {name: record[name] for name in claim if name != "finished"} == {
        name: value for name, value in claim.items() if name != "finished"
    }
    assert record["last_step"]["loss_mean"] == whole["last_step"]["loss_mean"]


def edited(folder):
    path = folder / "pairs.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("?", "!", 1), encoding="utf-8")


def reordered(folder):
    (folder / "pairs.jsonl").write_text("\n".join(LINES[::-1]), encoding="utf-8")


def retrained(folder, name):
    path = folder / name / "model.safetensors"
    held = load_file(path)
    save_file(held | {"model.norm.weight": held["model.norm.weight"] * 1.001}, path, {"format": "pt"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edited, "another content of pairs$"),
        (reordered, "another content of pairs$"),
        (lambda folder: retrained(folder, "start"), "another content of model$"),
        (lambda folder: retrained(folder, "reference"), "another content of reference$"),
    ],
)
def test_it_does_not_go_on_with_other_pairs_or_models(stopped, change, said):
    change(stopped)
    before = state(stopped)
    with pytest.raises(RunError, match=f"run: its run was started with {said}"):
        run(request(stopped, resume=True), CI)
    assert state(stopped) == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": 5}, "seed"),
        ({"beta": 0.2}, "beta"),
        ({"lr": 1e-3}, "lr"),
        ({"epochs": 2}, "epochs, steps"),
        ({"max_length": 99}, "max_length"),
    ],
)
def test_it_does_not_go_on_with_other_settings(stopped, changed, said):
    before = state(stopped)
    with pytest.raises(RunError, match=f"its run was started with another {said}"):
        run(request(stopped, resume=True, **changed), CI)
    assert state(stopped) == before


def test_it_does_not_go_on_under_another_preset(stopped):
    with pytest.raises(RunError, match=r"started with another .*micro_batch"):
        run(request(stopped, resume=True), replace(CI, micro_batch=CI.micro_batch + 1))


def test_a_kill_between_the_record_and_the_pairs_can_be_gone_on_from(stopped):
    """The record is the first file: a folder that holds it alone is a run."""
    shutil.rmtree(stopped / "run" / "checkpoint-2")
    for name in ("held_out.jsonl", "metrics.jsonl"):
        (stopped / "run" / name).unlink()
    (stopped / "run" / ".run.json.part").write_text("{")
    assert run(request(stopped, resume=True), CI)["last_step"]["step"] == 2
    assert not (stopped / "run" / ".run.json.part").exists()


@pytest.mark.parametrize("text", ["[]", "", "null", '"run"', "{}", '{"request": {}}', '{"finished": false}'])
def test_a_record_that_is_none_is_one_line(stopped, text):
    (stopped / "run" / "run.json").write_text(text)
    with pytest.raises(RunError, match=r"run.json: is no"):
        run(request(stopped, resume=True), CI)


@pytest.mark.parametrize("part", ["request", "settings", "content"])
def test_a_record_without_a_part_is_another_run(stopped, part):
    path = stopped / "run" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {part: None}))
    with pytest.raises(RunError, match="started with another"):
        run(request(stopped, resume=True), CI)


@pytest.mark.parametrize(
    ("parameters", "method", "lr"),
    [
        (19_999_999, "dpo", 1e-4),
        (20_000_000, "dpo", 6e-6),
        (19_999_999, "sft", 2e-3),
        (20_000_000, "sft", 6e-6),
    ],
)
def test_a_small_model_learns_faster(begun, parameters, method, lr):
    assert runs.settings_for(request(begun, method=method), CI, parameters, 12).lr == lr


def test_a_hash_of_pairs_is_of_both_sides_of_all_of_them_and_of_their_parts():
    tokenizer = models.tiny_tokenizer()
    replies = ((" Blue.", " Soup."), (" Blue.", " Salt."), (" Grey.", " Soup."))
    rows = [Pair("Sky?\n", *both) for both in replies]
    a, b, c = encode_pairs(tokenizer, rows, 64).pairs
    some = [([a, b], [c]), ([a], [b, c]), ([b, a], [c]), ([a, a], [c]), ([a, c], [b]), ([a, b], [])]
    assert len({runs._hash_of_pairs(*parts) for parts in some}) == len(some)
    assert runs._hash_of_pairs([a]) != runs._hash_of_pairs([b])  # the rejected side alone differs
    assert runs._hash_of_pairs([a]) != runs._hash_of_pairs([c])


def test_two_do_not_write_one_folder(stopped):
    before = state(stopped)
    with claimed(stopped / "run"), pytest.raises(RuntimeError, match="another process is writing here"):
        run(request(stopped, resume=True), CI)
    assert state(stopped) == before


def test_more_steps_than_anyone_waits_for_are_refused(stopped):
    with pytest.raises(RunError, match="3,000,000,000 optimiser steps are asked for: fewer epochs"):
        run(request(stopped, epochs=10**9, out=stopped / "long"), CI)
    assert not (stopped / "long").exists()


def test_a_token_that_the_model_lacks_is_named_before_anything_is_written(stopped):
    path = stopped / "start" / "config.json"
    small = models.build(models.tiny_tokenizer(), hidden_size=32, layers=1)
    small.resize_token_embeddings(300)
    small.save_pretrained(stopped / "start")
    assert json.loads(path.read_text())["vocab_size"] == 300
    with pytest.raises(models.ModelError, match=r"pairs.jsonl:1: model: has 300 words, and the pair uses"):
        run(request(stopped, out=stopped / "small"), CI)
    assert not (stopped / "small").exists()


def test_what_the_model_has_no_positions_for_is_cut_and_said(begun, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "room", lambda asked, policy: asked - 20)
    record = runs._prepare(request(begun, max_length=60), CI, None).record
    cut = record["pairs"]["truncated"]
    assert cut > 0
    assert record["source"]["notes"]["cut at 40 tokens, as many as the model has positions for"] == cut


def test_what_is_asked_if_nothing_is_said():
    asked = asdict(Request("m", "p", Path("o")))
    assert {name: asked[name] for name in list(asked)[3:]} == {
        **{"method": "dpo", "reference": None, "beta": None, "lr": None, "epochs": 1, "batch_size": None},
        **{"seed": 0, "held_out": 0.15, "resume": False, "whole_yield": False, "max_length": None},
        **{"how": asdict(How()), "chat_template": None},
    }


def test_the_function_asks_as_the_command_does(monkeypatch):
    """Rows in memory are held, and named by their hash; a file stays a name."""
    asked = []
    monkeypatch.setattr(runs, "run", lambda *given: asked.append(given) or {"finished": True})
    assert runs.train(Path("m"), iter([{"a": 1}]), "o", "ci", epochs=2) == {"finished": True}
    assert runs.train("m", "p.jsonl", Path("o"), preset="ci")
    (request, preset, rows), (of_file, _, name) = asked
    known = sha256(b'[{"a": 1}]').hexdigest()[:16]
    assert request == Request("m", f"1 rows in memory, sha256 {known}", Path("o"), epochs=2)
    assert (preset, rows, of_file, name) == (CI, [{"a": 1}], Request("m", "p.jsonl", Path("o")), "p.jsonl")
    assert runs.label_of([{"b": 1, "a": 2}]) == runs.label_of([{"a": 2, "b": 1}])
    with pytest.raises(TypeError, match=r"^model is null, not a name or a folder$"):
        runs.train(None, [], "o")
    with pytest.raises(TypeError, match="rows is a number"):
        runs.train("m", 3, "o")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"method": "sft", "reference": "r"}, "sft has no reference: leave out --reference"),
        ({"method": "cpl", "reference": "r"}, "cpl has no reference: leave out --reference"),
        ({"method": "sft", "beta": 0.1}, "sft has no beta: leave out --beta"),
    ],
)
def test_what_a_method_does_not_have_is_refused(tmp_path, asked, said):
    with pytest.raises(RunError) as caught:
        run(Request("m", "p", tmp_path / "run", **asked), CI)
    assert str(caught.value) == said
    assert not (tmp_path / "run").exists()


def test_the_settings_of_a_request_whole(monkeypatch):
    """13 pairs by fives are two steps a pass; what is not said is the preset's."""
    monkeypatch.setattr(runs, "bf16_is_fast", lambda: True)
    request = Request("m", "p", Path("o"), epochs=3, batch_size=5, seed=7, lr=0.5, beta=0.25)
    preset = replace(CI, warmup_steps=3, micro_batch=2, batch_size=4, beta=0.75, bf16=False)
    assert runs.settings_for(request, preset, 19_999_999, 13) == Settings(
        DPO(0.25), lr=0.5, steps=6, batch_size=5, micro_batch=2, warmup_steps=3, seed=7
    )
    plain = runs.settings_for(Request("m", "p", Path("o"), method="cpl"), preset, 20_000_000, 13)
    assert (plain.objective, plain.batch_size, plain.steps, plain.bf16) == (CPL(0.75), 4, 3, True)
    assert runs.settings_for(request, replace(preset, bf16=True), 1, 13).bf16
    monkeypatch.setattr(runs, "bf16_is_fast", lambda: False)
    assert not runs.settings_for(request, replace(preset, bf16=True), 10**9, 13).bf16
    assert runs.objective_for(replace(request, method="sft"), preset) == SFT()
    most = replace(request, batch_size=1, epochs=10**6)
    assert runs.settings_for(most, preset, 1, 10).steps == 10**7
    with pytest.raises(RunError) as caught:
        runs.settings_for(most, preset, 1, 11)
    said = "11,000,000 optimiser steps are asked for: fewer epochs, or more pairs a step"
    assert str(caught.value) == said


def test_the_held_out_pairs_are_drawn_by_the_seed_and_stay_in_order():
    for share, n in ((0.3, 3), (0.0, 0), (0.24, 2), (0.26, 3)):
        kept, held = runs.split(list(range(10)), share, 0)
        assert (len(held), sorted(kept + held)) == (n, list(range(10)))
        assert (kept, held) == (sorted(kept), sorted(held)) == runs.split(list(range(10)), share, 0)
    assert len({tuple(runs.split(list(range(10)), 0.3, seed)[1]) for seed in range(5)}) > 2


RECORD = {
    "pairs": {"train": 9, "held_out": 3, "left_out": 2, "truncated": 1},
    "seconds": {"training": 4.6, "whole": 7.2},
    "source": {"problems": ["f:2: bad", "f:5: bad"], "notes": {"column a is not read": 4}, "read": 12},
    "held_out": {
        when: {
            f"by_{name}": {"accuracy": k / 8, "interval_95": [k / 16, k / 4]}
            for name, k in (("reward", r), ("likelihood", p))
        }
        for when, r, p in (("before", 1, 2), ("after", 3, 4))
    },
}


def test_what_is_printed_at_the_end():
    source = ["f:2: bad", "f:5: bad", "column a is not read: 4 of 12 pairs"]
    counts = "9 pairs trained on, {} held out, 2 unusable left out, 1 truncated; 5 s training, 7 s in all"
    assert runs.summary_line(RECORD).splitlines() == [
        *(*source, counts.format(3)),
        "held-out accuracy before: by reward 0.125 (0.062 to 0.250), by likelihood 0.250 (0.125 to 0.500)",
        "held-out accuracy  after: by reward 0.375 (0.188 to 0.750), by likelihood 0.500 (0.250 to 1.000)",
    ]
    none = RECORD | {"pairs": RECORD["pairs"] | {"held_out": 0}, "held_out": {"before": None, "after": None}}
    assert runs.summary_line(none).splitlines() == [*source, counts.format(0)]


def test_pairs_are_told_apart_by_their_tokens_their_parts_and_their_actions():
    def pair(chosen, rejected, actions=()):
        sides = [
            Response([1], ids, [], "", actions=list(actions) or [True] * len(ids))
            for ids in (chosen, rejected)
        ]
        return EncodedPair(*sides, None)

    one, turned, seen = pair([2], [3]), pair([3], [2]), pair([2], [3], [False])
    parts = [
        ([one, turned], []),
        ([one], [turned]),
        ([turned, one], []),
        ([seen, turned], []),
        ([], [one, turned]),
    ]
    assert len({runs._hash_of_pairs(*each) for each in parts}) == len(parts)
    assert runs._hash_of_pairs([one], [turned]) == runs._hash_of_pairs([pair([2], [3])], [pair([3], [2])])


def test_the_record_of_a_run_before_it_begins(begun, tmp_path, monkeypatch):
    """Of six lines one has no reply and one is cut at 60 tokens; a third of the five is held out."""
    rows = [json.loads(line) for line in LINES[:6]]
    rows = [{name: row[name] for name in ("instruction", "chosen", "rejected")} for row in rows]
    del rows[1]["rejected"]
    rows[2]["chosen"] *= 9
    rows[3]["hint"] = "x"
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(runs, "provenance", lambda: "where")
    wanted = request(begun, pairs=str(tmp_path / "pairs.jsonl"), held_out=0.4, max_length=60, resume=True)
    job = runs._prepare(wanted, CI, None)
    record = job.record
    assert record["pairs"] == {"train": 3, "held_out": 2, "left_out": 1, "truncated": 1}
    assert record["source"] == {
        "problems": [f"{tmp_path}/pairs.jsonl:2: rejected: is missing"],
        **{"notes": {"column hint is not read": 1}, "read": 5},
    }
    assert record["request"] == asdict(wanted) | {"out": str(wanted.out), "resume": False}
    assert record["settings"] == asdict(job.settings) | {"objective": {"name": "dpo", "beta": CI.beta}}
    assert record["content"] == {
        "pairs": runs._hash_of_pairs(job.pairs, job.held_out),
        **{"model": weights.digest(job.policy), "reference": weights.digest(job.reference)},
    }
    assert (record["provenance"], len(job.pairs), len(job.held_out)) == ("where", 3, 2)
    assert job.settings.steps == 1  # of three pairs
    assert not any(p.requires_grad for p in job.reference.parameters())
    plain = runs._prepare(replace(wanted, reference=None, held_out=0.0), CI, rows)
    assert (plain.reference, plain.record["content"]["reference"], len(plain.pairs)) == (None, None, 5)
    with pytest.raises(PairsError, match=r"^no pair is left to train on$"):
        runs._prepare(replace(wanted, held_out=0.99), CI, rows[:1])
    with pytest.raises(PairsError, match="no usable pair; first problem: row 1: rejected: is missing"):
        runs._prepare(wanted, CI, rows[1:2])
    with pytest.raises(PairsError, match="no usable pair; first problem: row 1: no response token is left"):
        runs._prepare(replace(wanted, max_length=2), CI, rows[:1])

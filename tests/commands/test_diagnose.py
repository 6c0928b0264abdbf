"""`diagnose` on runs as people have them: this kit's, TRL's, a csv; with pairs, with what inspect wrote."""

import json
import re
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from test_trl import trl_run

import dpoq_lab as dq
from dpoq_lab import models
from dpoq_lab.commands import cli
from dpoq_lab.commands import diagnose as module
from dpoq_lab.commands.diagnose import diagnose_run
from dpoq_lab.lessons.l14_your_own_model.planted import flipped
from dpoq_lab.order_notes.language import order_pairs
from dpoq_lab.order_notes.recipe import note_tokenizer
from dpoq_lab.paths import data_folder
from dpoq_lab.preferences import write_pairs
from dpoq_lab.runs.logs import Log

SFT = data_folder() / "runs" / "order-notes" / "sft"


def run_folder(folder, pairs, *more):
    """A short run of this kit from the stored SFT model of order notes."""
    write_pairs(pairs, folder / "pairs.jsonl")
    words = [
        "train",
        "--preset",
        "laptop",
        "--model",
        SFT,
        "--pairs",
        folder / "pairs.jsonl",
        "--held-out",
        "0",
    ]
    words += ["--out", folder / "run", "--beta", "0.5", "--lr", "1e-4", "--batch-size", "24", *more]
    assert cli.main(list(map(str, words))) == 0
    return folder / "run"


def diagnosed(capsys, *words):
    assert cli.main(["diagnose", *map(str, words)]) == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    return run_folder(tmp_path_factory.mktemp("healthy"), order_pairs(360, 7), "--epochs", "3")


def test_a_run_of_this_kit_needs_nothing_but_its_folder(healthy, capsys, tmp_path):
    out = diagnosed(capsys, healthy, "--out", tmp_path)
    assert "verdict: nothing wrong in the curves (likely)" in out
    assert f"curves alone: --pairs {healthy.parent}/pairs.jsonl, what it was trained on" in out
    assert "not tested: truncation: needs cut" in out
    page = (tmp_path / "report.html").read_text()
    assert "<h1>Nothing wrong in the curves</h1>" in page
    assert json.loads((tmp_path / "diagnosis.json").read_text())["verdict"] == "nothing wrong in the curves"


def test_with_its_pairs_it_is_scored_and_the_fall_is_explained(healthy, capsys, tmp_path):
    out = diagnosed(capsys, healthy, "--pairs", healthy.parent / "pairs.jsonl", "--out", tmp_path)
    assert "verdict: expected: the chosen reward falls with its reference" in out
    assert "beta is taken for" not in out
    assert f"scored {healthy.parent}/pairs.jsonl by {healthy} against {SFT}" in out
    assert "not tested" not in out
    page = (tmp_path / "report.html").read_text()
    assert page.count('<section class="dpoq-pair"') == 50
    assert page.count("<figure") == 3
    again = diagnosed(capsys, healthy, "--inspected", tmp_path, "--out", tmp_path / "again")
    assert re.findall("verdict.*", again) == re.findall("verdict.*", out)


def test_flipped_labels_are_told_by_the_reference(tmp_path, capsys):
    run = run_folder(tmp_path, flipped(order_pairs(240, 8), 0), "--epochs", "3")
    out = diagnosed(capsys, run, "--pairs", tmp_path / "pairs.jsonl")
    assert "verdict: labels against the reference (likely)" in out
    assert (run / "diagnosis" / "report.html").is_file()


def csv_log(path, rows):
    head = "step,loss,rewards/chosen,rewards/rejected,rewards/accuracies,logps/chosen,logps/rejected"
    path.write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]))
    return path


def test_the_public_record_of_a_loss_that_stays_at_ln_2(tmp_path):
    """Every reward 0.0 while the chosen replies have -30 and the rejected -446: nothing is trained."""
    log = csv_log(tmp_path / "log.csv", [(k, 0.6931, 0.0, 0.0, 0.0, -30, -446) for k in range(1, 40)])
    found, told, _ = diagnose_run(log)
    assert found.verdict == "nothing learned"
    assert "beta is taken for 0.1: say it with --beta" in told


def test_the_public_record_of_a_healthy_looking_run_is_not_called_broken(tmp_path):
    """Margins 7.4, chosen -0.28, rejected -7.7, accuracy 0.88: curves alone name no fault."""
    rows = [(1, 0.69, 0.0, 0.0, 0.0, -300, -280), (20, 0.35, -0.1, -4.0, 0.85, -301, -320)]
    rows += [(40, 0.27, -0.28, -7.7, 0.88, -303, -357)]
    found, _, _ = diagnose_run(csv_log(tmp_path / "log.csv", rows), beta=0.1)
    assert [(f.cause, f.sure) for f in found.findings] == [("nothing wrong in the curves", "likely")]


SUMMARY = ("policy", "facts", "plane", "along", "half_reach", "pair_accuracy")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["none"], "none: no such file or folder"),
        (["log.csv", "--pairs", "p.jsonl"], "no model lies beside it, so --pairs cannot be scored"),
        (["log.csv", "--inspected", "none"], "no summary that can be read: run inspect into none"),
        (["log.csv", "--inspected", "old"], "was written by an earlier version: run inspect again"),
        (["log.csv", "--inspected", "cut"], "tokens.jsonl: cannot be read: run inspect into cut again"),
    ],
)
def test_what_cannot_be_diagnosed_is_one_line(tmp_path, capsys, monkeypatch, words, line):
    monkeypatch.chdir(tmp_path)
    csv_log(tmp_path / "log.csv", [(1, 0.69, 0, 0, 0, -3, -4)])
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "summary.json").write_text('{"beta": 0.1}')
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "summary.json").write_text(json.dumps(dict.fromkeys(SUMMARY, {}) | {"beta": 0.1}))
    (tmp_path / "cut" / "tokens.jsonl").write_text('{"pair": 0, "ro')
    assert cli.main(["diagnose", *words]) == 1
    assert line in capsys.readouterr().err


def test_in_python_it_is_one_call(healthy, tmp_path):
    found = dq.diagnose(str(healthy), out=str(tmp_path))
    assert found.verdict == "nothing wrong in the curves"
    assert found.facts["records"] == 45
    assert (tmp_path / "report.html").is_file()


def test_two_ways_to_the_same_are_misuse(tmp_path, capsys):
    assert cli.main(["diagnose", str(tmp_path), "--inspected", "a", "--pairs", "b"]) == 2
    assert "give one of them" in capsys.readouterr().err


@pytest.mark.peft
@pytest.mark.trl
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("cause", ["healthy", "labels against the reference", "too much pressure"])
def test_a_run_that_trl_made(cause, lora, tmp_path, capsys):
    """From its folder, with the pairs that it trained on: healthy, and with two planted causes."""
    pairs = order_pairs(240, 9)
    if cause == "labels against the reference":
        pairs = flipped(pairs, 0)
    rate = {False: 1e-4, True: 3e-3}[lora] * (30 if cause == "too much pressure" else 1)
    start = models.load(str(SFT))[0]
    trl_run(tmp_path, note_tokenizer(), pairs, lora, start, rate, batch_size=24, beta=0.5)
    write_pairs(pairs, tmp_path / "pairs.jsonl")
    words = ["--reference", tmp_path / "base"] if not lora else []
    out = diagnosed(capsys, tmp_path / "run", "--pairs", tmp_path / "pairs.jsonl", "--beta", "0.5", *words)
    [verdict] = re.findall(r"verdict: (.*) \((?:clear|likely)\)", out)
    expected = ("healthy", "expected: the chosen reward falls with its reference")
    assert verdict in (expected if cause == "healthy" else [cause]), out


ROWS = [(1, 0.69, 0.0, 0.0, 0.5, -30, -40), (11, 0.5, 0.5, -0.5, 0.8, -29, -42)]


def test_what_is_told_before_the_verdict(tmp_path):
    """By default the page goes beside a log, and into a run; what stands there already is written over."""
    log = csv_log(tmp_path / "log.csv", ROWS)
    read = f"2 records of {log}, one in 10 steps"
    alone = "curves alone: --pairs PAIRS, what it was trained on, tells much more"
    found, told, page = diagnose_run(log)
    assert told == [read, "beta is taken for 0.1: say it with --beta", alone]
    assert page == tmp_path / "diagnosis" / "report.html"
    assert found.facts["beta"] == 0.1
    found, told, page = diagnose_run(log, beta=0.25, out=tmp_path / "a" / "b")
    assert (told, page) == ([read, alone], tmp_path / "a" / "b" / "report.html")
    held = json.loads((tmp_path / "a" / "b" / "diagnosis.json").read_text())
    assert (held["verdict"], held["facts"]["beta"], held["missing"]) == (found.verdict, 0.25, found.missing)
    assert set(held) == {"findings", "facts", "missing", "verdict", "provenance"}
    assert diagnose_run(log)[2] == tmp_path / "diagnosis" / "report.html"


def test_pairs_scored_by_another_model_or_beta_are_told(tmp_path):
    for name in ("run", "run/checkpoint-3", "other"):
        (tmp_path / name).mkdir()
    log = Log([], tmp_path, policy=tmp_path / "run")
    for policy in ("run", "run/checkpoint-3", ".", "none"):
        assert module._unlike(log, 0.1, {"policy": tmp_path / policy, "beta": 0.1}) == []
    assert module._unlike(replace(log, policy=None), 0.1, {"policy": tmp_path / "other", "beta": 0.1}) == []
    with pytest.raises(module.DiagnoseError) as caught:
        module._unlike(log, 0.1, {"policy": tmp_path / "other", "beta": 0.1})
    scored, run = tmp_path / "other", tmp_path / "run"
    assert str(caught.value) == f"the pairs were scored by {scored}, and the model of this run is {run}"
    said = "the rewards of the pairs are by beta 0.3, those of the run by 0.1"
    assert module._unlike(log, 0.1, {"policy": "tiny", "beta": 0.3}) == [said]


def test_only_an_earlier_diagnosis_is_written_over(tmp_path):
    out = tmp_path / "out"
    module._check_folder(out)
    out.mkdir()
    module._check_folder(out)
    for name in ("report.html", "tokens.jsonl"):
        (out / name).touch()
    for verdict in (None, "", "[]", "{}", '{"verdict": null}'):
        if verdict is not None:
            (out / "diagnosis.json").write_text(verdict)
        if verdict == '{"verdict": null}':
            module._check_folder(out)
            continue
        with pytest.raises(module.DiagnoseError) as caught:
            module._check_folder(out)
        first = "report.html" if verdict is None else "diagnosis.json"
        assert (
            str(caught.value) == f"{out}: holds {first}, and no diagnosis: choose another folder with --out"
        )
    (out / "thesis.txt").touch()
    with pytest.raises(module.DiagnoseError, match=r"holds thesis.txt, and no diagnosis"):
        module._check_folder(out)
    with pytest.raises(module.DiagnoseError, match=r"thesis.txt: is a file, not a folder$"):
        module._check_folder(out / "thesis.txt")


def test_weights_are_kept_in_bf16_where_all_are(tmp_path):
    log = Log([], tmp_path, policy=tmp_path)
    assert module._model_facts(log) == module._model_facts(replace(log, policy=None)) == {}
    save_file({"a": torch.ones(2, dtype=torch.bfloat16)}, tmp_path / "a.safetensors")
    assert module._model_facts(log) == {"bf16_weights": 1.0}
    save_file({"b": torch.ones(2)}, tmp_path / "b.safetensors")
    assert module._model_facts(log) == {"bf16_weights": 0.0}
    (tmp_path / "c.safetensors").write_bytes(b"x")
    with pytest.raises(module.DiagnoseError, match=r"c.safetensors: cannot be read: "):
        module._model_facts(log)


def test_pairs_are_scored_by_the_model_of_the_run_against_its_reference(tmp_path, monkeypatch):
    """The one that is named, else the base of an adapter, else the one of the run."""
    asked, out = [], tmp_path / "out"
    summary = {"notes": {"a note": 2}, "read": 3}

    def scores(*given, **named):
        asked.append((given, named))
        assert json.loads((out / "diagnosis.json").read_text()) == {"verdict": None}
        return summary, ["p:1: bad"]

    monkeypatch.setattr(module, "inspect", scores)
    log = Log([], tmp_path / "log", policy=tmp_path / "pi", reference="of the run")
    told = module._score(log, out, "p", None, 0.3, limit=5)
    pi = str(tmp_path / "pi")
    assert asked == [((pi, "of the run", "p", out, 0.3), {"replace": True, "limit": 5})]
    lines = ["p:1: bad", "1 pairs left out", "a note: 2 of 3 pairs"]
    assert told == [f"scored p by {pi} against of the run", *lines]
    monkeypatch.setattr(module, "base_of", {pi: "its base"}.get)
    assert module._score(log, out, "p", None, 0.3)[0].endswith("against its base")
    assert module._score(log, out, "p", "named", 0.3)[0].endswith("against named")
    monkeypatch.setattr(module, "inspect", lambda *_, **__: None)  # another process of a launch
    assert module._score(log, out, "p", "named", 0.3) == [f"scored p by {pi} against named"]
    monkeypatch.setattr(module, "base_of", lambda _: None)
    for broken, said in (
        ({"reference": None}, "--reference is needed: the run does not name the model that it began from"),
        ({"policy": None}, f"{log.source}: no model lies beside it, so --pairs cannot be scored"),
    ):
        with pytest.raises(module.DiagnoseError) as caught:
            module._score(replace(log, **broken), out, "p", None, 0.3)
        assert str(caught.value) == said


def test_a_failure_takes_back_what_was_begun_and_no_earlier_diagnosis(tmp_path, monkeypatch):
    def begins(error, out):
        with module._begun(out):
            assert (out / "diagnosis.json").exists()
            raise error

    def fails(error, out):
        with pytest.raises(error):
            begins(error, out)

    fails(ValueError, tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    fails(KeyboardInterrupt, tmp_path / "c")  # what was stopped can be gone on with
    assert (tmp_path / "c" / "diagnosis.json").exists()
    fails(ValueError, tmp_path / "c")
    assert (tmp_path / "c" / "diagnosis.json").exists()
    monkeypatch.setattr(module, "stopped", lambda out: True)
    fails(ValueError, tmp_path / "d")
    assert (tmp_path / "d" / "diagnosis.json").exists()

"""`diagnose` on runs as people have them: this kit's, TRL's, a csv; with pairs, with what inspect wrote."""

import json
import re

import pytest
from test_trl import trl_run

import dpoq_lab as dq
from dpoq_lab import models
from dpoq_lab.commands import cli
from dpoq_lab.commands.diagnose import diagnose_run
from dpoq_lab.lessons.l14_your_own_model.planted import flipped
from dpoq_lab.order_notes.language import order_pairs
from dpoq_lab.order_notes.recipe import note_tokenizer
from dpoq_lab.paths import data_folder
from dpoq_lab.preferences import write_pairs

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

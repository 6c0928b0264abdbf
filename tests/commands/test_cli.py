"""The commands as a user types them: exit 0, 1 or 2, one clear line on failure, nothing lost."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dpoq_lab.commands import cli
from dpoq_lab.paths import data_folder

TRAIN = data_folder() / "courtesy" / "train.jsonl"


@pytest.fixture
def few(tmp_path):
    """Twenty of the course's pairs and one unusable line."""
    lines = TRAIN.read_text(encoding="utf-8").splitlines()[:20]
    path = tmp_path / "few.jsonl"
    path.write_text("\n".join([*lines, '{"prompt": "x"}']), encoding="utf-8")
    return path


def train(few, out, *more):
    arguments = ["train", "--model", "tiny", "--preset", "ci", "--pairs", str(few), "--out", str(out)]
    return cli.main([*arguments, *more])


def error_of(capsys):
    """The one line on stderr that is not a progress bar."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("dpoq-lab: error:")]
    assert len(lines) == 1
    return lines[0]


def test_check_counts_and_lists_every_problem(few, capsys):
    assert cli.main(["check", str(few)]) == 1
    out = capsys.readouterr().out
    assert f"{few}:21: chosen: is missing" in out
    assert "20 usable pairs (20 instruction)" in out
    assert "20 with marked flaws" in out
    assert "1 unusable" in out


def test_check_passes_clean_data_and_tokenises_on_demand(capsys):
    assert cli.main(["check", str(TRAIN), "--model", "tiny"]) == 0
    assert "0 with a truncated response" in capsys.readouterr().out
    assert cli.main(["check", str(TRAIN), "--model", "tiny", "--max-length", "30"]) == 1


def test_train_cpl_needs_no_reference_and_refuses_one(few, tmp_path, capsys):
    assert train(few, tmp_path / "cpl", "--method", "cpl", "--held-out", "0.2", "--beta", "0.05") == 0
    run = json.loads((tmp_path / "cpl" / "run.json").read_text())
    log = [json.loads(line) for line in (tmp_path / "cpl" / "metrics.jsonl").read_text().splitlines()]
    assert run["settings"]["objective"] == {"name": "cpl", "beta": 0.05, "bias": 0.5}
    assert log[0]["chosen_reward_sum"] == pytest.approx(0.05 * log[0]["chosen_logp_sum"])
    before = run["held_out"]["before"]
    assert before["chosen_reward_sum"] < -5  # beta log pi of a reply under an untrained model, not 0
    assert before["by_reward"] == before["by_likelihood"]
    capsys.readouterr()
    assert train(few, tmp_path / "no", "--method", "cpl", "--reference", "tiny") == 1
    assert "cpl has no reference" in error_of(capsys)
    assert not (tmp_path / "no").exists()


def test_train_then_inspect(few, tmp_path, capsys):
    assert train(few, tmp_path / "sft", "--method", "sft", "--held-out", "0.2") == 0
    assert "16 pairs trained on, 4 held out, 1 unusable left out" in capsys.readouterr().out
    reference = str(tmp_path / "sft")
    assert train(few, tmp_path / "dpo", "--reference", reference, "--beta", "0.2", "--batch-size", "4") == 0
    run = json.loads((tmp_path / "dpo" / "run.json").read_text())
    assert run["finished"]
    assert run["settings"]["objective"] == {"name": "dpo", "beta": 0.2}
    assert run["settings"]["batch_size"] == 4
    assert run["provenance"]["versions"]["torch"]
    log = [json.loads(line) for line in (tmp_path / "dpo" / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in log] == list(range(run["settings"]["steps"]))

    out = tmp_path / "inspected"
    pairs = str(tmp_path / "dpo" / "held_out.jsonl")
    paths = ["--policy", str(tmp_path / "dpo"), "--reference", reference, "--pairs", pairs, "--out", str(out)]
    assert cli.main(["inspect", *paths, "--beta", "0.2"]) == 0
    summary = json.loads((out / "summary.json").read_text())
    after = run["held_out"]["after"]
    assert summary["pair_accuracy"] == after["by_reward"]
    assert summary["chosen_reward_sum_mean"] == pytest.approx(after["chosen_reward_sum"], abs=1e-3)


def test_a_run_is_never_written_over(few, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(few, out) == 0
    weights = (out / "model.safetensors").read_bytes()
    capsys.readouterr()
    assert train(few, out) == 1
    assert "holds a finished run" in error_of(capsys)
    assert train(few, out, "--resume") == 1
    assert "holds a finished run" in error_of(capsys)
    assert (out / "model.safetensors").read_bytes() == weights


def test_an_unfinished_run_is_resumed_only_as_it_was_started(few, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(few, out) == 0
    record = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps({**record, "finished": False}))
    capsys.readouterr()
    assert train(few, out) == 1
    assert "add --resume" in error_of(capsys)
    assert train(few, out, "--resume", "--seed", "5") == 1
    assert "started with another seed" in error_of(capsys)
    assert train(few, out, "--resume") == 0
    assert json.loads((out / "run.json").read_text())["finished"]
    assert not list(out.glob("*checkpoint*"))


def test_a_run_killed_while_it_is_judged_keeps_its_weights(few, tmp_path, monkeypatch):
    """Killed after the last step: --resume trains nothing again and ends with the same weights."""
    from dpoq_lab import training
    from dpoq_lab.commands import train as runs

    whole, out = tmp_path / "whole", tmp_path / "run"
    assert train(few, whole) == 0

    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs.models, "save", killed)
        assert train(few, out) == 1
    monkeypatch.setattr(training, "_step", killed)
    assert train(few, out, "--resume") == 0
    assert (out / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_a_reference_of_another_vocabulary_is_refused_before_anything_is_written(few, tmp_path, capsys):
    from dpoq_lab import models

    models.save(models.tiny(), models.build_tiny_tokenizer(["a b c"], vocab_size=300), tmp_path / "other")
    assert train(few, tmp_path / "run", "--reference", str(tmp_path / "other")) == 1
    assert "vocabulary is not the policy's" in error_of(capsys)
    assert not (tmp_path / "run").exists()


def test_failures_are_one_line_and_write_nothing(few, tmp_path, capsys):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    cases = [
        (["--resume"], "holds no run to resume", tmp_path / "new"),
        ([], "is not empty and holds no run", tmp_path / "taken"),
        (["--preset", "huge"], "there is no preset 'huge'", tmp_path / "new"),
        (["--model", "nobody/nothing"], "nobody/nothing", tmp_path / "new"),
    ]
    for more, message, out in cases:
        assert train(few, out, *more) == 1
        assert message in error_of(capsys)
    assert not (tmp_path / "new").exists()
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["thesis.txt"]
    assert cli.main(["check", str(tmp_path / "none.jsonl")]) == 1
    assert "no such file" in error_of(capsys)


@pytest.mark.parametrize(
    "bad", [["--beta", "0"], ["--beta", "nan"], ["--lr", "x"], ["--epochs", "0"], ["--held-out", "1"]]
)
def test_misuse_exits_2(few, tmp_path, bad, capsys):
    with pytest.raises(SystemExit) as caught:
        train(few, tmp_path / "run", *bad)
    assert caught.value.code == 2
    capsys.readouterr()


@pytest.mark.parametrize("command", [[], ["check"], ["train"], ["inspect"], ["doctor"]])
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([*command, "--help"])
    assert caught.value.code == 0
    assert "usage: dpoq-lab" in capsys.readouterr().out


def test_doctor_prints_json_for_programs(capsys):
    assert cli.main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert findings["ready"]
    assert findings["preset"] in ("ci", "laptop", "gpu")


def test_the_lab_keeps_its_token_and_opens_the_first_lesson():
    from dpoq_lab.commands.lab import lab_command

    command = lab_command(no_browser=True, port="8899", ip="0.0.0.0")
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in command
    assert {"--no-browser", "--ServerApp.port=8899", "--ServerApp.ip=0.0.0.0"} <= set(command)
    assert not any("token" in part or "password" in part for part in command)
    assert not any("ServerApp.ip" in part for part in lab_command())


def test_the_lab_asks_for_no_news_and_opens_with_the_file_browser_folded(monkeypatch, tmp_path):
    from dpoq_lab.commands import lab

    monkeypatch.setattr(lab, "runs_folder", lambda: tmp_path)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "mine")
    first, ours = lab.lab_environment()["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert first == "mine"
    settings = json.loads((Path(ours) / "labconfig" / "default_setting_overrides.json").read_text())
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    folder = lab.workspaces_folder(tmp_path)
    assert f"--LabApp.workspaces_dir={folder}" in lab.lab_command()
    [layout] = folder.iterdir()
    assert json.loads(layout.read_text())["data"]["layout-restorer:data"]["left"]["collapsed"]
    layout.write_text("as the user left it")
    lab.workspaces_folder(tmp_path)
    assert layout.read_text() == "as the user left it"


def test_importing_the_package_takes_under_half_a_second_and_no_torch():
    code = "import sys, dpoq_lab; sys.exit('torch' in sys.modules)"
    start = time.perf_counter()
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    python = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    assert (python - start) - (time.perf_counter() - python) < 0.5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "train --pairs p.jsonl --out o --epochs 1000000000000000000",
            "--epochs: must be a whole number from 1",
        ),
        (
            "train --pairs p.jsonl --out o --seed 18446744073709551616",
            "--seed: must be a whole number from 0",
        ),
        (
            "train --pairs p.jsonl --out o --seed -1",
            "--seed: must be a whole number from 0 to 2**32 - 1, not -1",
        ),
        (
            "train --pairs p.jsonl --out o --lr 1e400",
            "--lr: must be a number above 0, and at most",
        ),
        ("train --pairs p.jsonl --out o --beta nan", "--beta: must be a number above 0, and at most"),
        ("train --pairs p.jsonl --out o --held-out 1", "--held-out: must be at least 0 and below 1, not 1"),
        ("train --pairs p.jsonl --out=", "--out: must be a folder, not empty"),
        ("check p.jsonl --model=", "--model: must be a name, not empty"),
        ("check p.jsonl --max-length 9", "--max-length says nothing without --model"),
        ("diagnose run --limit 3", "--limit says nothing without --pairs"),
        ("diagnose run --split test", "--split says nothing without --pairs"),
        ("diagnose run --pairs p --inspected d", "--inspected and --pairs are two ways to the same"),
        ("--port 99999", "--port: must be a whole number from 0 to 65535, not 99999"),
        ("--port 8888 check p.jsonl", "--port, --ip and --no-browser are for the lessons"),
        ("train --pairs p.jsonl --out o --epochs " + 5000 * "9", "(5,"),
        ("check \x1b[31m --max-length 0", "--max-length: must be a whole number"),
        ('check p.jsonl --chat-template-kwargs {"a":1,"a":2}', "the key 'a' stands twice"),
        ("nonsense\x1b[2J", r"nonsense\x1b[2J"),
    ],
)
def test_misuse_is_one_short_line_and_status_2(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    try:
        status = cli.main(words.split(" "))
    except SystemExit as error:
        status = error.code
    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("dpoq-lab: error: ")
    assert said in err
    assert len(err) < 700
    assert "\x1b" not in err
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_nobody_foresaw_is_one_line_too(tmp_path, monkeypatch, capsys):
    def broken(arguments):
        raise KeyError("shape\x1b[2J")

    monkeypatch.setitem(cli.RUN, "check", broken)
    assert cli.main(["check", "p.jsonl"]) == 1
    assert (
        capsys.readouterr().err == "dpoq-lab: error: KeyError: 'shape\\x1b[2J' (DPOQ_DEBUG=1 shows where)\n"
    )
    monkeypatch.setenv("DPOQ_DEBUG", "1")
    with pytest.raises(KeyError):
        cli.main(["check", "p.jsonl"])


def test_file_names_and_texts_reach_the_terminal_as_text(tmp_path, capsys):
    path = tmp_path / "a\x1b[2J\u202e.jsonl"
    path.write_text('{"prompt": "x\\u001b[31m", "chosen": "y"}')
    assert cli.main(["check", str(path)]) == 1
    out = capsys.readouterr().out
    assert r"a\x1b[2J\u202e.jsonl:1: rejected: is missing" in out
    assert "\x1b" not in out


def test_a_reader_that_has_seen_enough_is_no_error():
    command = [sys.executable, "-m", "dpoq_lab", "timetable", "90"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.wait() == 1
        assert process.stderr.read() == b""

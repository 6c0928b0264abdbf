"""`accelerate launch` with two processes gives the metrics of one."""

import json
import subprocess
import sys

import pytest

from dpoq_lab import models
from dpoq_lab.paths import data_folder


def launch(processes, *command):
    prefix = "--cpu --num_machines 1 --mixed_precision no --dynamo_backend no --main_process_port 0".split()
    launcher = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        *prefix,
        "--num_processes",
        str(processes),
    ]
    whole = [*launcher, "-m", "dpoq_lab", *map(str, command)]
    done = subprocess.run(whole, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def trained(out, processes, method, pairs):
    command = ["train", "--model", "tiny", "--preset", "ci", "--method", method, "--batch-size", "6"]
    launch(processes, *command, "--pairs", pairs, "--out", out)
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_two_processes_give_the_metrics_of_one(tmp_path, method):
    pairs = tmp_path / "pairs.jsonl"
    lines = (data_folder() / "courtesy" / "train.jsonl").read_text(encoding="utf-8").splitlines()[:35]
    pairs.write_text("\n".join(lines), encoding="utf-8")
    one, two = (trained(tmp_path / str(n), n, method, pairs) for n in (1, 2))
    assert len(one) == len(two) == 5
    for record, expected in zip(two, one, strict=True):
        record.pop("tokens_per_second"), expected.pop("tokens_per_second")
        assert record == pytest.approx(expected, rel=2e-3, abs=1e-4)
    held_out = [json.loads((tmp_path / str(n) / "run.json").read_text())["held_out"]["after"] for n in (1, 2)]
    assert held_out[0]["by_reward"] == held_out[1]["by_reward"]


def test_two_processes_score_what_one_scores(tmp_path):
    """600 pairs are three chunks, so the two share them unevenly; one process prints."""
    models.save(
        models.build(models.tiny_tokenizer(), 16, 1, seed=2), models.tiny_tokenizer(), tmp_path / "pi"
    )
    lines = (data_folder() / "courtesy" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "pairs.jsonl").write_text("\n".join((lines * 2)[:600]), encoding="utf-8")
    told = {}
    for n in (1, 2):
        paths = {"policy": tmp_path / "pi", "reference": "tiny", "pairs": tmp_path / "pairs.jsonl"}
        words = [word for option, name in paths.items() for word in (f"--{option}", name)]
        told[n] = launch(n, "inspect", *words, "--out", tmp_path / str(n))
    assert told[2].replace(str(tmp_path / "2"), str(tmp_path / "1")) == told[1]
    one, two = ((tmp_path / str(n) / "tokens.jsonl").read_text() for n in (1, 2))
    assert len(one.splitlines()) == 1200
    assert one == two

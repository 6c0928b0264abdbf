"""`accelerate launch` with two processes gives the metrics of one."""

import json
import subprocess
import sys

import pytest

from dpoq_lab.paths import data_folder


def launch(out, processes, method, pairs):
    prefix = [
        "-m",
        "accelerate.commands.launch",
        "--cpu",
        "--num_processes",
        str(processes),
        "--num_machines",
        "1",
    ]
    prefix += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command = ["train", "--model", "tiny", "--preset", "ci", "--method", method]
    command += ["--pairs", str(pairs), "--out", str(out), "--batch-size", "6"]
    whole = [sys.executable, *prefix, "-m", "dpoq_lab", *command]
    done = subprocess.run(whole, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_two_processes_give_the_metrics_of_one(tmp_path, method):
    pairs = tmp_path / "pairs.jsonl"
    lines = (data_folder() / "courtesy" / "train.jsonl").read_text(encoding="utf-8").splitlines()[:35]
    pairs.write_text("\n".join(lines), encoding="utf-8")
    one, two = (launch(tmp_path / str(n), n, method, pairs) for n in (1, 2))
    assert len(one) == len(two) == 5
    for record, expected in zip(two, one, strict=True):
        record.pop("tokens_per_second"), expected.pop("tokens_per_second")
        assert record == pytest.approx(expected, rel=2e-3, abs=1e-4)
    held_out = [json.loads((tmp_path / str(n) / "run.json").read_text())["held_out"]["after"] for n in (1, 2)]
    assert held_out[0]["by_reward"] == held_out[1]["by_reward"]

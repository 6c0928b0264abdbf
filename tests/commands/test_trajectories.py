"""Two-turn conversations and tool calls on the command line: SFT, DPO, a kill, a report with grey tokens."""

import json
import re
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest
from chat_templates import TOOLS, calls, says, styled

from dpoq_lab import models
from dpoq_lab.batches import collate
from dpoq_lab.commands import cli
from dpoq_lab.encoding import encode_pairs
from dpoq_lab.losses import score
from dpoq_lab.preferences import Pair, write_pairs

THINGS = {"sky": "blue", "sea": "green", "grass": "yellow", "snow": "white"}
TIMES = ("noon", "night", "dawn", "dusk", "six", "nine")


def conversations() -> list[Pair]:
    """Chosen asks back and then answers; rejected answers rudely and then wrongly."""
    pairs = []
    for (thing, colour), hour in product(THINGS.items(), TIMES):
        prompt = [says("user", f"What colour is the {thing}?")]
        chosen = [
            says("assistant", "When?"),
            says("user", f"At {hour}."),
            says("assistant", f"It is {colour}."),
        ]
        rejected = [says("assistant", "Who cares?"), says("user", "Me."), says("assistant", "It is soup.")]
        pairs.append(Pair(prompt, chosen, rejected))
    return pairs


def tool_uses() -> list[Pair]:
    """Chosen looks and tells what the tool said; rejected calls for another thing and makes it up."""
    pairs = []
    for (thing, colour), hour in product(THINGS.items(), TIMES):
        prompt, seen = [says("user", f"The {thing} at {hour}?")], says("tool", colour)
        chosen = [calls("look", thing=thing), seen, says("assistant", f"It is {colour}.")]
        rejected = [calls("look", thing="soup"), says("tool", "none"), says("assistant", "It is soup.")]
        pairs.append(Pair(prompt, chosen, rejected, tools=TOOLS))
    return pairs


@pytest.fixture(params=[conversations, tool_uses])
def folder(request, tmp_path):
    """A small untrained model with a ChatML template, and a preference file."""
    tokenizer = styled("ChatML")
    models.save(models.build(tokenizer, hidden_size=32, layers=1), tokenizer, tmp_path / "start")
    write_pairs(request.param(), tmp_path / "pairs.jsonl")
    return tmp_path


def train_arguments(folder: Path, model: str, out: str, method: str, *more: str) -> list[str]:
    paths = [
        "--model",
        str(folder / model),
        "--pairs",
        str(folder / "pairs.jsonl"),
        "--out",
        str(folder / out),
    ]
    return ["train", "--preset", "ci", "--method", method, *paths, *more]


def killed_at_its_first_checkpoint(arguments: list[str], out: Path) -> None:
    """Run a command in a process of its own and kill it once it has written a checkpoint."""
    command = [sys.executable, "-c", "from dpoq_lab.commands.cli import main; main()", *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        for _ in range(600):
            if list(out.glob("*checkpoint*")):
                break
            assert process.poll() is None, "the run ended before its first checkpoint"
            time.sleep(0.05)
        process.kill()


def test_sft_then_dpo_then_inspect(folder, capsys):
    """SFT learns what is said, DPO parts the sides on pairs it never saw, and the report shows who spoke."""
    assert cli.main(train_arguments(folder, "start", "sft", "sft", "--epochs", "30", "--lr", "0.003")) == 0
    log = [json.loads(line) for line in (folder / "sft" / "metrics.jsonl").read_text().splitlines()]
    assert log[-1]["loss_mean"] < 0.5 * log[0]["loss_mean"]

    how = ("dpo", "--epochs", "100", "--lr", "0.001")
    interrupted = train_arguments(folder, "sft", "dpo", *how)
    killed_at_its_first_checkpoint(interrupted, folder / "dpo")
    assert not (folder / "dpo" / "model.safetensors").exists()
    assert cli.main([*interrupted, "--resume"]) == 0
    assert cli.main(train_arguments(folder, "sft", "whole", *how)) == 0
    weights = [(folder / out / "model.safetensors").read_bytes() for out in ("dpo", "whole")]
    assert weights[0] == weights[1]
    assert json.loads((folder / "dpo" / "run.json").read_text())["finished"]

    capsys.readouterr()
    paths = {"policy": folder / "dpo", "reference": folder / "sft", "pairs": folder / "pairs.jsonl"}
    options = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
    assert cli.main(["inspect", *options, "--out", str(folder / "seen")]) == 0
    assert "pair accuracy 1.000" in (told := capsys.readouterr().out)
    assert "tokens that others or the chat template wrote (grey)" in told
    assert "'\\n' after the end of 48 of 48 responses" in told
    check_report(folder / "seen")


def check_report(out: Path) -> None:
    """Grey exactly where the records say that a token is no action, and those have no reward."""
    records = [json.loads(line) for line in (out / "tokens.jsonl").read_text().splitlines()]
    observed = [
        (token, reward)
        for record in records
        for token, reward, action in zip(record["tokens"], record["reward"], record["actions"], strict=True)
        if not action
    ]
    assert {reward for _, reward in observed} == {0.0}
    assert "<|im_start|>" in {token for token, _ in observed}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<span class="dpoq-token seen"', page)) == len(observed)


def test_train_scores_the_whole_yield_where_it_is_asked_to(tmp_path):
    """Half of the tokens are others': the first step's loss is another, as `encode_pairs` says."""
    tokenizer, pairs = styled("ChatML"), conversations()[:4]
    model = models.build(tokenizer, hidden_size=32, layers=1)
    models.save(model, tokenizer, tmp_path / "start")
    write_pairs(pairs, tmp_path / "pairs.jsonl")
    whole = ("--whole-yield", "--held-out", "0", "--epochs", "1")
    assert cli.main(train_arguments(tmp_path, "start", "run", "sft", *whole)) == 0
    first = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    batch = collate([pair.chosen for pair in encode_pairs(tokenizer, pairs, 512, whole_yield=True).pairs], 0)
    expected = -score(model, batch).sum() / batch.action_mask.sum()
    assert first["loss_mean"] == pytest.approx(expected.item(), abs=1e-5)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["request"]["whole_yield"]

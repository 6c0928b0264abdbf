"""Runs to go on with whose record, checkpoint or inputs are not what they were."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from unittest.mock import patch

import torch
from safetensors.torch import load_file, save_file

from dpoq_lab.commands import cli
from hostile.case import (
    GOOD,
    PAIRS,
    REFUSED,
    Case,
    Lay,
    copied,
    cut,
    edited_json,
    files,
    lines,
    removed,
    several,
    train,
)

POINT = "run/checkpoint-50"
POLICY, OPTIMIZER = f"{POINT}/policy.safetensors", f"{POINT}/optimizer.safetensors"
RUN = train("--epochs", "60", "--reference", "reference", model="model", out="run")  # 60 steps
RESUME = [*RUN, "--resume"]


def make_run(root: Path) -> None:
    """The folder `stopped`: pairs, two models and a run of 60 steps that was stopped after 50."""
    here = root / "stopped"
    for source, name in (("a", "model"), ("b", "reference")):
        shutil.copytree(root / source, here / name)
    GOOD(here)
    save = "dpoq_lab.training.save_checkpoint"
    from dpoq_lab.checkpoints import save_checkpoint

    def stop(*arguments: object) -> None:
        save_checkpoint(*arguments)
        raise KeyboardInterrupt

    with patch(save, stop):
        if cli.main(RUN) != 1 or not (here / POINT).is_dir():
            raise RuntimeError("the run that cases resume was not stopped")


def _tensors(path: str, change) -> Lay:
    def lay(here: Path) -> None:
        save_file(change(load_file(here / path)), here / path)

    return lay


def _record(**changes: object) -> Lay:
    return edited_json("run/run.json", changes)


def _metrics(change) -> Lay:
    def lay(here: Path) -> None:
        path = here / "run/metrics.jsonl"
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")

    return lay


def _asked(*changed: str) -> Lay:
    """The record of a run that was asked for with other fields."""

    def lay(here: Path) -> None:
        path = here / "run/run.json"
        held = json.loads(path.read_text(encoding="utf-8"))
        held["request"] |= dict.fromkeys(changed, "another")
        path.write_text(json.dumps(held), encoding="utf-8")

    return lay


RECORDS: dict[str, Lay] = {
    "run.json a list": files({"run/run.json": "[]"}),
    "run.json null": files({"run/run.json": "null"}),
    "run.json a number": files({"run/run.json": "5"}),
    "run.json empty": files({"run/run.json": ""}),
    "run.json an empty object": files({"run/run.json": "{}"}),
    "run.json torn": cut("run/run.json", 0.5),
    "run.json not UTF-8": files({"run/run.json": b"\xff\xfe{}"}),
    "run.json nested deeply": files({"run/run.json": "[" * 100_000}),
    "run.json of another kind": files({"run/run.json": '{"pairs": 5, "pair_accuracy": 0.5}'}),
    "run.json without request": _record(request=...),
    "run.json, request a list": _record(request=[]),
    "run.json, request null": _record(request=None),
    "run.json, request empty": _record(request={}),
    "run.json, request of another method": _asked("method"),
    "run.json, finished": _record(finished=True),
    "run.json a folder": several(removed("run/run.json"), files({"run/run.json": None})),
    "run.json missing": removed("run/run.json"),
}
OTHERS: dict[str, tuple[Lay, list[str], str]] = {  # what changed since, the command, what is named
    "a pair edited": (files({"pairs.jsonl": lines(PAIRS).replace("It is 3", "It is 4")}), [], "pairs"),
    "a pair less": (files({"pairs.jsonl": lines(PAIRS[:-1])}), [], "pairs"),
    "a pair more": (files({"pairs.jsonl": lines([*PAIRS, PAIRS[0]])}), [], "pairs"),
    "pairs in another order": (files({"pairs.jsonl": lines(PAIRS[::-1])}), [], "pairs"),
    "pairs gone": (removed("pairs.jsonl"), [], "pairs"),
    "another model in its place": (copied("../b", "model"), [], "model"),
    "a model gone": (removed("model"), [], "model"),
    "another reference in its place": (copied("../a", "reference"), [], "reference"),
    "a reference gone": (removed("reference"), [], "reference"),
    "another preset": (files({}), ["--preset", "gpu"], "batch_size"),
    **{
        f"another {flag[2:]}": (files({}), [flag, value], flag[2:].replace("-", "_"))
        for flag, value in {
            "--seed": "1",
            "--lr": "0.5",
            "--beta": "0.5",
            "--epochs": "59",
            "--held-out": "0.3",
            "--batch-size": "4",
            "--max-length": "100",
            "--reference": "../b",
            "--model": "../a",
            "--prompt-field": "prompt",
            "--chat-template-kwargs": '{"a": 1}',
        }.items()
    },
    "whole yield": (files({}), ["--whole-yield"], "whole_yield"),
}
POINTS: dict[str, Lay] = {
    "optimizer empty": files({OPTIMIZER: b""}),
    "optimizer torn": cut(OPTIMIZER, 0.5),
    "optimizer missing": removed(OPTIMIZER),
    "optimizer without tensors": _tensors(OPTIMIZER, lambda held: {}),
    "optimizer, half of it": _tensors(OPTIMIZER, lambda held: {k: v for k, v in held.items() if "sq" in k}),
    "optimizer, one tensor less": _tensors(OPTIMIZER, lambda held: dict(list(held.items())[1:])),
    "optimizer of another shape": _tensors(
        OPTIMIZER,
        lambda held: (
            {k: v[:1].clone() for k, v in held.items() if v.dim()}
            | {k: v for k, v in held.items() if not v.dim()}
        ),
    ),
    "optimizer of odd names": _tensors(OPTIMIZER, lambda held: {f"x{k}": v for k, v in held.items()}),
    "optimizer of a name without dot": _tensors(OPTIMIZER, lambda held: {"moments": torch.ones(2)}),
    "optimizer NaN": _tensors(OPTIMIZER, lambda held: {k: v * float("nan") for k, v in held.items()}),
    "policy empty": files({POLICY: b""}),
    "policy torn": cut(POLICY, 0.5),
    "policy missing": removed(POLICY),
    "policy without tensors": _tensors(POLICY, lambda held: {}),
    "policy, one tensor less": _tensors(POLICY, lambda held: dict(list(held.items())[1:])),
    "policy, one tensor more": _tensors(POLICY, lambda held: held | {"x": torch.ones(1)}),
    "policy of another shape": _tensors(POLICY, lambda held: {k: v[:16].clone() for k, v in held.items()}),
    "policy NaN": _tensors(POLICY, lambda held: {k: v * float("nan") for k, v in held.items()}),
    "a folder without files": several(removed(POINT), files({POINT: None})),
    "a file in its place": several(removed(POINT), files({POINT: "x"})),
    "metrics missing": removed("run/metrics.jsonl"),
    "metrics short": _metrics(lambda text: "".join(text.splitlines(True)[:10])),
    "metrics empty": _metrics(lambda text: ""),
    "metrics torn": _metrics(lambda text: text[:-30]),
    "metrics torn in the middle": _metrics(lambda text: text[:300] + text[320:]),
    "metrics of lists": _metrics(lambda text: "[]\n" * 50),
    "metrics not in order": _metrics(lambda text: "".join(text.splitlines(True)[::-1])),
}
NAMES: dict[
    str, Lay
] = {  # folders called otherwise: refused, or left alone while the run goes on as it should
    "a step beyond the run": lambda here: (here / POINT).rename(here / "run/checkpoint-999"),
    "a step of 30 digits": lambda here: (here / POINT).rename(here / f"run/checkpoint-{'9' * 30}"),
    "a step that is no number": files({"run/checkpoint-best/x": ""}),
    "a step with a prefix": copied(POINT, "run/checkpoint-old-50"),
    "a step below 0": files({"run/checkpoint--5/x": ""}),
}
OURS = (
    "run/run.json",
    "run/metrics.jsonl",
    "run/checkpoint-50",
    "run/checkpoint-99",
    "run/model",
    "run/config",
)
OURS += ("run/tokenizer", "run/chat_template", "run/generation_config", "run/held_out")
STILL: dict[str, Lay] = {  # these change nothing
    "as it was": files({}),
    "metrics longer": _metrics(lambda text: text + text.splitlines(True)[-1]),
    "metrics torn beyond the step": _metrics(lambda text: text + '{"step": 5'),
    "a checkpoint half written": files({"run/.checkpoint-unfinished/x": "x"}),
}


def cases(rng: Random) -> Iterator[Case]:
    """What is resumed."""
    stopped = copied("../stopped", ".")
    for name, change in RECORDS.items():
        lay = several(stopped, change)
        cleared = {"leaves": True, "writes": ("run/checkpoint",)} if name == "run.json, finished" else {}
        yield Case("runs: resume", name, RESUME, lay, (1,), "run", **cleared)
        if rng.random() < 0.5:
            yield Case("runs: resume", f"{name}, begun again", RUN, lay, (1,), "run")
    for name, (change, more, named) in OTHERS.items():
        lay = several(stopped, change)
        yield Case("runs: resume", name, [*RESUME, *more], lay, REFUSED, named)
    yield Case("runs: resume", "not asked to", RUN, stopped, (1,), "--resume")
    for name, change in POINTS.items():
        yield Case("runs: checkpoints", name, RESUME, several(stopped, change), (1,), "run/")
    for name, change in STILL.items():
        lay = several(stopped, change)
        asked = {"says": "trained on", "lines": ("run/metrics.jsonl", 60)}
        yield Case("runs: checkpoints", name, RESUME, lay, (0,), writes=("run/",), **asked)
    for name, change in NAMES.items():
        asked = {"writes": OURS, "lines": ("run/metrics.jsonl", 60)}
        yield Case("runs: checkpoints", name, RESUME, several(stopped, change), (0, 1), "run/", **asked)

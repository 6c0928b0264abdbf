"""Atomic checkpoints of a run that is under way: weights and optimiser state as safetensors.

A checkpoint is written beside the others under a temporary name and renamed when it is whole, so
a run that is killed at any moment leaves the one before.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, load_model, save_file, save_model


def save_checkpoint(out: Path, step: int, policy: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Write the state after `step` steps to `out/checkpoint-STEP` and drop older ones."""
    scratch = out / ".checkpoint-unfinished"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    save_model(policy, str(scratch / "policy.safetensors"))
    moments = {
        f"{index}.{name}": value.contiguous()
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }
    save_file(moments, scratch / "optimizer.safetensors")
    older = checkpoints(out)
    scratch.replace(out / f"checkpoint-{step}")
    for path in older:
        shutil.rmtree(path)


def load_checkpoint(
    out: Path, policy: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, list[dict]]:
    """Put back the newest checkpoint: the number of steps done and their metrics; (0, []) without one."""
    found = checkpoints(out)
    if not found:
        return 0, []
    step = _step(found[-1])
    load_model(policy, str(found[-1] / "policy.safetensors"), device=str(next(policy.parameters()).device))
    state: dict[int, dict] = {}
    for key, value in load_file(found[-1] / "optimizer.safetensors").items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return step, [json.loads(line) for line in lines[:step]]


def checkpoints(out: Path) -> list[Path]:
    """The whole checkpoints in `out`, oldest first."""
    return sorted(out.glob("checkpoint-*"), key=_step)


def remove_checkpoints(out: Path) -> None:
    """Drop what a finished run no longer needs."""
    for path in [*checkpoints(out), out / ".checkpoint-unfinished"]:
        shutil.rmtree(path, ignore_errors=True)


def _step(path: Path) -> int:
    return int(path.name.rsplit("-", 1)[1])

"""Atomic checkpoints of a run that is under way: weights and optimiser state as safetensors, and a manifest.

A checkpoint is written beside the others under a temporary name and renamed when it is whole, so
a run that is killed at any moment leaves the one before. What is put back is what was written, or an error.
"""

import hashlib
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, load_model, save_file, save_model

from dpoq_lab.provenance import sha256
from dpoq_lab.records import same_mode, write_json

POLICY, OPTIMIZER, MANIFEST = "policy.safetensors", "optimizer.safetensors", "manifest.json"


class CheckpointError(RuntimeError):
    """A checkpoint that is not what was written; the text is one line that says what differs."""


def save_checkpoint(
    out: Path, log: list[dict], policy: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write the state after the steps of `log` to `out/checkpoint-STEPS` and drop older ones."""
    scratch = out / ".checkpoint-unfinished"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    save_model(policy, str(scratch / POLICY))
    moments = {
        f"{index}.{name}": value.contiguous()
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }
    save_file(moments, scratch / OPTIMIZER)
    write_json(scratch / MANIFEST, _manifest(scratch, log, policy))
    same_mode(scratch, MANIFEST)
    older = checkpoints(out)
    scratch.replace(out / f"checkpoint-{len(log)}")
    for path in older:
        shutil.rmtree(path)


def load_checkpoint(
    out: Path, policy: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, list[dict]]:
    """Put back the newest checkpoint: the number of steps done and their metrics; (0, []) without one.

    Raises CheckpointError if it, or the metrics up to it, are not as they were written.
    """
    found = checkpoints(out)
    if not found:
        return 0, []
    folder = found[-1]
    log = _metrics(out / "metrics.jsonl", _step(folder))
    if len(log) < _step(folder):
        raise CheckpointError(f"{folder}: is of {_step(folder)} steps, and {len(log)} are in metrics.jsonl")
    _verify(folder, log, policy)
    load_model(policy, str(folder / POLICY), device=str(next(policy.parameters()).device))
    state: dict[int, dict] = {}
    for key, value in load_file(folder / OPTIMIZER).items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return len(log), log


def checkpoints(out: Path) -> list[Path]:
    """The whole checkpoints in `out`, oldest first."""
    return sorted((path for path in out.glob("checkpoint-*") if path.name[11:].isdecimal()), key=_step)


def remove_checkpoints(out: Path) -> None:
    """Drop what a finished run no longer needs."""
    for path in [*checkpoints(out), out / ".checkpoint-unfinished"]:
        shutil.rmtree(path, ignore_errors=True)


def _manifest(folder: Path, log: list[dict], policy: torch.nn.Module) -> dict:
    """What a whole checkpoint after the steps of `log` holds; JSON-ready."""
    return {
        "steps": len(log),
        "metrics": hashlib.sha256(json.dumps(log).encode()).hexdigest(),
        "tensors": sorted(policy.state_dict()),
        "files": {name: sha256(folder / name) for name in (POLICY, OPTIMIZER)},
    }


def _verify(folder: Path, log: list[dict], policy: torch.nn.Module) -> None:
    try:
        held = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        different = [name for name, value in _manifest(folder, log, policy).items() if held[name] != value]
    except OSError as error:
        raise CheckpointError(f"{error.filename}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder}: is damaged: its manifest is none") from error
    if different:
        raise CheckpointError(f"{folder}: is damaged: other {', '.join(different)} than were written")


def _metrics(path: Path, steps: int) -> list[dict]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()[:steps]
        return [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: is damaged: {error}") from error


def _step(path: Path) -> int:
    return int(path.name[11:])

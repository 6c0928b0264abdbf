"""Log-probabilities of pairs under a fixed model, kept on disk: the next run on both need not compute them.

A file's name is a hash of all that its numbers depend on, so that none is ever out of date.
"""

import hashlib
import json
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor
from transformers import PreTrainedModel

from dpoq_lab.smollm2 import cache_folder

PairLogProbs = tuple[Tensor, Tensor]  # chosen (R_w,), rejected (R_l,)
MOST_FILES = 32


def place(model: PreTrainedModel, weights: str, pairs: str, *how: object) -> Path:
    """The file of pairs under `model`, by the hashes of its `weights` and of `pairs`, and by `how` they were
    scored: device, precision, batches."""
    config = {name: value for name, value in model.config.to_dict().items() if name != "_name_or_path"}
    parts = [weights, config, pairs, version("torch"), version("transformers"), how]
    content = json.dumps(parts, sort_keys=True, default=str)
    return cache_folder() / "log_probs" / f"{hashlib.sha256(content.encode()).hexdigest()}.safetensors"


def read(path: Path) -> dict[int, PairLogProbs] | None:
    """What `write` wrote, by the pair's index; None if it is not there or not whole."""
    try:
        stored = load_file(path)
        lengths, log_probs = stored["lengths"].tolist(), stored["log_probs"]
        sides = log_probs.split([length for both in lengths for length in both])
        return dict(zip(stored["index"].tolist(), zip(sides[::2], sides[1::2], strict=True), strict=True))
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError):
        return None


def write(path: Path, found: dict[int, PairLogProbs]) -> None:
    """Keep `found`, and of all files the `MOST_FILES` written last; a disk that takes nothing is no error."""
    sides = [side for both in found.values() for side in both]
    stored = {
        "index": torch.tensor(list(found)),
        "lengths": torch.tensor([[len(side) for side in both] for both in found.values()]),
        "log_probs": torch.cat(sides),
    }
    aside = path.with_suffix(".part")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            aside.write_bytes(save(stored))
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        files = sorted(path.parent.glob("*.safetensors"), key=lambda file: file.stat().st_mtime)
        for old in files[:-MOST_FILES]:
            old.unlink(missing_ok=True)

"""From a file of pairs to the first step done: read, tokenise, score the reference, step; against TRL's.

Both sides keep on disk what they have computed. Cold, every turn has the pairs in another order.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab import reference_cache
from dpoq_lab.batches import pad_id
from dpoq_lab.encoding import encode_pairs
from dpoq_lab.lessons.bench.race import Race
from dpoq_lab.lessons.bench.steps import BETA, LR, trl_config
from dpoq_lab.objectives import DPO
from dpoq_lab.preferences import SIDES, usable_pairs
from dpoq_lab.schedule import Settings
from dpoq_lab.training import train

BATCH, MAX_LENGTH = 40, 512


class FirstStepDone(Exception):
    """Stops a run of ours."""


def setup_race(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    records: list[dict],
    folder: Path,
    turns: int,
    warm: bool,
) -> Race:
    """`turns` files of the records are written first; `warm`, both sides have done the same file before."""
    files = _files(records, folder / ("warm" if warm else "cold"), 1 if warm else turns)
    ways = (_ours(model, tokenizer), _theirs(model, tokenizer))
    ours, theirs = (_in_turn(way, files) for way in ways)
    work = f"{len(records):,} pairs to the first step, {'again' if warm else 'cold'}"
    return Race(work, "TRL", ours, theirs, lambda a, b: (a - b).abs().max().item(), 1e-3)


def _files(records: list[dict], folder: Path, n: int) -> list[Path]:
    folder.mkdir()
    files = []
    for k in range(n):
        order = Random(f"set-up {k}").sample(records, len(records))
        files.append(folder / f"{k}.jsonl")
        files[-1].write_text("".join(json.dumps(record) + "\n" for record in order), encoding="utf-8")
    return files


def _in_turn(way: Callable[[Path], Tensor], files: list[Path]) -> Callable[[], Tensor]:
    turn = count()
    return lambda: way(files[next(turn) % len(files)])


def _ours(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> Callable[[Path], Tensor]:
    """The summed log pi_ref of every reply, (n, 2), in the order of the file."""

    def stop(_: dict) -> None:
        raise FirstStepDone

    def way(path: Path) -> Tensor:
        pairs = encode_pairs(tokenizer, usable_pairs(path), MAX_LENGTH, whole_yield=True).pairs
        settings = Settings(DPO(BETA), LR, len(pairs) // BATCH, BATCH, BATCH)
        keep = path.with_suffix(".safetensors")
        with suppress(FirstStepDone):
            train(deepcopy(model), pairs, pad_id(tokenizer), settings, on_log=stop, progress=False, keep=keep)
        found = reference_cache.read(keep) or {}
        return torch.stack([torch.stack([side.sum() for side in found[i]]) for i in sorted(found)])

    return way


def _theirs(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> Callable[[Path], Tensor]:
    def way(path: Path) -> Tensor:
        from datasets import disable_progress_bars, load_dataset
        from transformers.trainer_callback import PrinterCallback
        from trl import DPOTrainer

        disable_progress_bars()
        rows = load_dataset("json", data_files=str(path), split="train", cache_dir=str(path.parent / "cache"))
        config = trl_config(path.with_suffix(""), max_steps=1, per_device_train_batch_size=BATCH)
        trainer: Any = DPOTrainer(
            deepcopy(model), None, config, processing_class=tokenizer, train_dataset=rows
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        columns = (trainer.train_dataset[f"ref_{side}_logps"] for side in SIDES)
        return torch.tensor([list(column) for column in columns]).T

    return way

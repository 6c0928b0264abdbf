"""A whole training run: pairs and a model in, a checkpoint folder with its record out."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab import models, reference_cache, training, weights
from dpoq_lab.batches import pad_id
from dpoq_lab.checkpoints import remove_checkpoints
from dpoq_lab.columns import BY_NAME, How
from dpoq_lab.commands.audit import SHOWN_PROBLEMS, noted
from dpoq_lab.commands.claim import claimed
from dpoq_lab.commands.judge import Judge, zeros
from dpoq_lab.commands.run_folder import RunError, held_record, same_run, write_claim
from dpoq_lab.commands.scorer import check_known_tokens, check_same_tokens
from dpoq_lab.encoding import EncodedPair, encode_pairs
from dpoq_lab.objectives import CPL, DPO, SFT, Objective, described
from dpoq_lab.preferences import read_pairs
from dpoq_lab.presets import SMOLLM2, TINY, Preset, bf16_is_fast, find_preset
from dpoq_lab.provenance import provenance
from dpoq_lab.records import write_json
from dpoq_lab.schedule import Settings, steps_for
from dpoq_lab.sources import PairsError, Rows, check_rows, kind_of, none_usable

MOST_STEPS = 10**7


@dataclass(frozen=True)
class Request:
    """What the user asked for; None takes the preset's or the model's default."""

    model: str
    pairs: str
    out: Path
    method: str = "dpo"
    reference: str | None = None
    beta: float | None = None
    lr: float | None = None
    epochs: int = 1
    batch_size: int | None = None
    seed: int = 0
    held_out: float = 0.15
    resume: bool = False
    whole_yield: bool = False  # score all that the chat template writes for a reply, as TRL does
    max_length: int | None = None
    how: How = BY_NAME
    chat_template: str | None = None


def train(model: str | Path, rows: Rows, out: str | Path, preset: str | None = None, **options: Any) -> dict:
    """Train `model`, a name or folder, on pairs; `out` becomes a checkpoint folder with its record.

    `rows` as for `score`; `preset` is `ci`, `laptop` or `gpu` (default: what this machine gets). `options`
    are the fields of `Request`: `method` ("dpo", "sft" or "cpl"), `reference`, `beta`, `lr` (per AdamW step),
    `epochs`, `batch_size` (pairs a step), `seed`, `held_out` (a share), `resume`, `whole_yield`, `max_length`
    (tokens of prompt + response), `how` the source is read, `chat_template` (a file). Returns the record that
    `run.json` holds. Raises TypeError for arguments of another kind, RunError if `out` holds another run, and
    PairsError, ModelError or TrainingError with one clear line each.
    """
    if not isinstance(model, str | Path):
        raise TypeError(f"model is {kind_of(model)}, not a name or a folder")
    check_rows(rows)
    rows = rows if isinstance(rows, str | Path) else list(rows)
    request = Request(str(model), label_of(rows), Path(out), **options)
    return run(request, find_preset(preset), rows)


def label_of(rows: str | Path | list) -> str:
    """How a record names its pairs: the source, or the number and the hash of rows in memory."""
    if isinstance(rows, str | Path):
        return str(rows)
    text = json.dumps(rows, sort_keys=True, default=str, ensure_ascii=False)
    return f"{len(rows)} rows in memory, sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def run(request: Request, preset: Preset, rows: Rows | None = None) -> dict:
    """Train as requested and write the checkpoint, metrics.jsonl, held_out.jsonl and run.json.

    `rows` are the pairs where `request.pairs` is no source. Raises RunError if the folder holds another run,
    ClaimError if another process writes there, and what reading, loading and training raise.
    """
    if request.reference and request.method != "dpo":
        raise RunError(f"{request.method} has no reference: leave out --reference")
    if request.beta and request.method == "sft":
        raise RunError("sft has no beta: leave out --beta")
    if not PartialState().is_main_process:
        return _run(request, preset, rows, None)
    with claimed(request.out):
        return _run(request, preset, rows, held_record(request.out, request.resume))


def _run(request: Request, preset: Preset, rows: Rows | None, held: dict | None) -> dict:
    """`run` in a folder that is claimed; `held` is the record of the run that it goes on with."""
    started = time.perf_counter()
    job = _prepare(request, preset, rows)
    record = same_run(request.out, held, job.record) if held else job.record
    accelerator = Accelerator()
    if accelerator.is_main_process:
        write_claim(request.out, record, [pair.pair for pair in job.held_out])
    accelerator.wait_for_everyone()
    pad = pad_id(job.tokenizer, job.reference)
    judge = Judge(accelerator, job.held_out, pad, job.settings, request.beta or preset.beta)
    before = judge.log_probs(job.policy, _keep(job, accelerator, "model"))
    ref = zeros(before) if isinstance(job.settings.objective, CPL) else before
    if job.reference:
        ref = judge.log_probs(job.reference, _keep(job, accelerator, "reference"))
    trained = time.perf_counter()
    order = (job.settings.bf16, job.settings.batch_size, job.settings.seed)
    keep = _keep(job, accelerator, "reference" if job.reference else "model", *order)
    where = {"out": request.out, "resume": request.resume, "keep": keep}
    log = training.train(job.policy, job.pairs, pad, job.settings, job.reference, **where)
    trained = time.perf_counter() - trained
    after = judge.log_probs(job.policy)
    record = record | {
        "held_out": {"before": judge.report(before, ref), "after": judge.report(after, ref)},
        "seconds": {"training": round(trained, 1), "whole": round(time.perf_counter() - started, 1)},
        "last_step": log[-1],
    }
    if accelerator.is_main_process:
        models.save(job.policy, job.tokenizer, request.out)
        write_json(request.out / "run.json", {**record, "finished": True})
        remove_checkpoints(request.out)
    return record


@dataclass(frozen=True)
class _Job:
    """All that a run needs, read and loaded, and the record of what it is."""

    policy: PreTrainedModel
    reference: PreTrainedModel | None
    tokenizer: PreTrainedTokenizerFast
    pairs: list[EncodedPair]
    held_out: list[EncodedPair]
    settings: Settings
    record: dict


def _keep(job: _Job, accelerator: Accelerator, role: str, *how: object) -> Path:
    """Where log-probabilities of the pairs under the "model" or the "reference" are kept, scored `how`."""
    model = {"model": job.policy, "reference": job.reference or job.policy}[role]
    how = (str(accelerator.device), accelerator.num_processes, job.settings.micro_batch, *how)
    content = job.record["content"]
    return reference_cache.place(model, content[role], content["pairs"], *how)


def _prepare(request: Request, preset: Preset, rows: Rows | None) -> _Job:
    """Read the pairs, load the models, settle the settings. Nothing is written."""
    reading = read_pairs(request.pairs if rows is None else rows, request.how)
    if not reading.pairs:
        raise none_usable(reading.problems)
    policy, tokenizer = models.load(request.model, request.seed)
    tokenizer = models.with_template(tokenizer, request.chat_template)
    asked = request.max_length or preset.max_length
    max_length = models.room(asked, policy)
    encoding = encode_pairs(tokenizer, reading.pairs, max_length, request.whole_yield)
    problems = list(map(str, reading.problems + encoding.refused))
    if not encoding.pairs:
        raise none_usable(problems)
    check_known_tokens(encoding.pairs, "model", policy)
    pairs, held_out = split(encoding.pairs, request.held_out, request.seed)
    if not pairs:
        raise PairsError("no pair is left to train on")
    settings = settings_for(request, preset, models.parameters(policy), len(pairs))
    reference = _reference(request, tokenizer, encoding.pairs)
    counts = {"train": len(pairs), "held_out": len(held_out), "left_out": len(problems)}
    record = {
        "request": {**asdict(request), "out": str(request.out), "resume": False},
        "settings": asdict(settings) | {"objective": described(settings.objective)},
        "content": {
            "pairs": _hash_of_pairs(pairs, held_out),
            "model": weights.digest(policy),
            "reference": reference and weights.digest(reference),
        },
        "pairs": counts | {"truncated": encoding.truncated},
        "source": {
            "problems": problems[:SHOWN_PROBLEMS],
            "notes": dict(reading.notes()) | models.capped_notes(asked, max_length, encoding.truncated),
            "read": len(reading.pairs),
        },
        "provenance": provenance(),
    }
    return _Job(policy, reference, tokenizer, pairs, held_out, settings, record)


def _reference(
    request: Request, tokenizer: PreTrainedTokenizerFast, pairs: list[EncodedPair]
) -> PreTrainedModel | None:
    """pi_ref where it is not the policy as it starts: the one named, or the base of an adapter."""
    named = request.reference or (request.method == "dpo" and models.base_of(request.model))
    if not named:
        return None
    check_same_tokens(pairs, models.foreign_tokens(tokenizer, named), named)
    reference = models.load_frozen(named, request.seed)[0]
    check_known_tokens(pairs, "reference", reference)
    return reference


def _hash_of_pairs(*parts: list[EncodedPair]) -> str:
    """A hash of every token of pairs, in their order, and of which ones are actions."""
    found = hashlib.sha256()
    for part in parts:
        for pair in part:
            sides = [(side.prompt_ids, side.ids, side.actions) for side in (pair.chosen, pair.rejected)]
            found.update(repr(sides).encode())
        found.update(b"|")
    return found.hexdigest()


def split(pairs: list[EncodedPair], share: float, seed: int) -> tuple[list[EncodedPair], list[EncodedPair]]:
    """A seeded split into train and held-out pairs; `share` is the held-out part."""
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed)).tolist()
    cut = round(len(pairs) * share)
    return [pairs[i] for i in sorted(order[cut:])], [pairs[i] for i in sorted(order[:cut])]


def settings_for(request: Request, preset: Preset, parameters: int, n: int) -> Settings:
    """Fill in what the request leaves open: a small model takes the rates of `tiny`. Raises RunError."""
    rates = TINY if parameters < 20_000_000 else SMOLLM2
    batch_size = request.batch_size or preset.batch_size
    steps = steps_for(n, batch_size, request.epochs)
    if steps > MOST_STEPS:
        raise RunError(f"{steps:,} optimiser steps are asked for: fewer epochs, or more pairs a step")
    return Settings(
        objective_for(request, preset),
        lr=request.lr or rates["sft_lr" if request.method == "sft" else "dpo_lr"],
        steps=steps,
        batch_size=batch_size,
        micro_batch=preset.micro_batch,
        warmup_steps=preset.warmup_steps,
        seed=request.seed,
        bf16=(preset.bf16 or parameters >= 20_000_000) and bf16_is_fast(),
    )


def objective_for(request: Request, preset: Preset) -> Objective:
    """The objective of the method that was asked for."""
    beta = request.beta or preset.beta
    return {"sft": SFT(), "dpo": DPO(beta), "cpl": CPL(beta)}[request.method]


def summary_line(record: dict) -> str:
    """What `dpoq-lab train` prints at the end."""
    pairs, seconds = record["pairs"], record["seconds"]
    counts = (
        "{train} pairs trained on, {held_out} held out, {left_out} unusable left out, {truncated} truncated"
    )
    times = f"{seconds['training']:.0f} s training, {seconds['whole']:.0f} s in all"
    source = record["source"]
    lines = [
        *source["problems"],
        *noted(source["notes"], source["read"]),
        f"{counts.format(**pairs)}; {times}",
    ]
    for when in ("before", "after") if pairs["held_out"] else ():
        held = record["held_out"][when]
        found = f"by reward {_accuracy(held['by_reward'])}, by likelihood {_accuracy(held['by_likelihood'])}"
        lines.append(f"held-out accuracy {when:>6}: {found}")
    return "\n".join(lines)


def _accuracy(found: dict) -> str:
    low, high = found["interval_95"]
    return f"{found['accuracy']:.3f} ({low:.3f} to {high:.3f})"

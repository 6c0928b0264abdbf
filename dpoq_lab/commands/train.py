"""A whole training run: pairs and a model in, a checkpoint folder with its record out."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
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
from dpoq_lab.commands.claim import claimed, strangers
from dpoq_lab.commands.scorer import check_known_tokens, check_same_tokens
from dpoq_lab.encoding import EncodedPair, encode_pairs
from dpoq_lab.intervals import accuracy_with_interval
from dpoq_lab.objectives import CPL, DPO, SFT, Objective, described
from dpoq_lab.preferences import Pair, read_pairs, write_pairs
from dpoq_lab.presets import SMOLLM2, TINY, Preset, bf16_is_fast, find_preset
from dpoq_lab.records import provenance, read_json, write_json
from dpoq_lab.reference_cache import PairLogProbs
from dpoq_lab.sources import PairsError, Rows, check_rows, kind_of, none_usable
from dpoq_lab.training import Settings, pair_log_probs, steps_for

MOST_STEPS = 10**7


class RunError(RuntimeError):
    """A run folder that cannot be used; the text is one line that says why."""


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
        return _run(request, preset, rows, _held_record(request))


def _run(request: Request, preset: Preset, rows: Rows | None, held: dict | None) -> dict:
    """`run` in a folder that is claimed; `held` is the record of the run that it goes on with."""
    started = time.perf_counter()
    job = _prepare(request, preset, rows)
    record = _same_run(request.out, held, job.record) if held else job.record
    accelerator = Accelerator()
    if accelerator.is_main_process:
        _write_claim(request.out, record, [pair.pair for pair in job.held_out])
    accelerator.wait_for_everyone()
    pad = pad_id(job.tokenizer, job.reference)
    judge = _Judge(accelerator, job.held_out, pad, job.settings, request.beta or preset.beta)
    before = judge.log_probs(job.policy, _keep(job, accelerator, "model"))
    ref = _zeros(before) if isinstance(job.settings.objective, CPL) else before
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


def _zeros(log_probs: list[PairLogProbs]) -> list[PairLogProbs]:
    """Zeros in place of a reference's log-probabilities: CPL's reward is beta log pi."""
    return [(torch.zeros_like(chosen), torch.zeros_like(rejected)) for chosen, rejected in log_probs]


class _Judge:
    """Scores held-out pairs in float32, whatever the training precision."""

    def __init__(
        self,
        accelerator: Accelerator,
        pairs: list[EncodedPair],
        pad_id: int,
        settings: Settings,
        beta: float,
    ) -> None:
        self.accelerator, self.pairs, self.pad_id, self.beta = accelerator, pairs, pad_id, beta
        self.settings = replace(settings, bf16=False)

    def log_probs(self, model: torch.nn.Module, keep: Path | None = None) -> list[PairLogProbs]:
        found = pair_log_probs(self.accelerator, model, self.pairs, self.pad_id, self.settings, keep=keep)
        return [found[i] for i in range(len(self.pairs))]

    def report(self, policy: list[PairLogProbs], reference: list[PairLogProbs]) -> dict | None:
        """Accuracy by implicit reward and by likelihood, and mean summed rewards."""
        if not self.pairs:
            return None
        sums = torch.tensor([[chosen.sum(), rejected.sum()] for chosen, rejected in policy])
        rewards = self.beta * (
            sums - torch.tensor([[chosen.sum(), rejected.sum()] for chosen, rejected in reference])
        )
        return {
            "by_reward": accuracy_with_interval((rewards[:, 0] - rewards[:, 1]).tolist()),
            "by_likelihood": accuracy_with_interval((sums[:, 0] - sums[:, 1]).tolist()),
            "chosen_reward_sum": round(rewards[:, 0].mean().item(), 4),
            "rejected_reward_sum": round(rewards[:, 1].mean().item(), 4),
        }


def _held_record(request: Request) -> dict | None:
    """The record of the unfinished run to go on with, None for an empty folder. Raises RunError otherwise."""
    out, path = request.out, request.out / "run.json"
    if not path.is_file():
        if request.resume:
            raise RunError(f"{out}: holds no run to resume")
        if strangers(out):
            raise RunError(f"{out}: is not empty and holds no run: choose another folder")
        return None
    try:
        held = read_json(path.read_text(encoding="utf-8"))
        complete = isinstance(held, dict) and {"request", "settings", "finished"} <= held.keys()
    except ValueError as error:
        raise RunError(f"{path}: is not JSON: choose another folder") from error
    if not complete:
        raise RunError(f"{path}: is no record of a run: choose another folder")
    if held["finished"]:
        if request.resume:  # a kill may have come before they were gone
            remove_checkpoints(out)
        raise RunError(f"{out}: holds a finished run: choose another folder")
    if not request.resume:
        raise RunError(f"{out}: holds an unfinished run: add --resume or choose another folder")
    return held


def _same_run(out: Path, held: dict, asked: dict) -> dict:
    """The record that the folder holds, if the same run is asked for. Raises RunError if it is another."""
    asked, different = json.loads(json.dumps(asked, default=str)), []
    for part, what in (("request", ""), ("settings", ""), ("content", "content of ")):
        here, there = _flat(asked[part]), _flat(held.get(part))
        names = [name for name in here if not isinstance(there, dict) or there.get(name) != here[name]]
        different += [f"{what}{name}" for name in names if name not in ("out", "how", *different)]
    if different:
        raise RunError(f"{out}: its run was started with another {', '.join(different)}")
    return held


def _flat(part: Any) -> Any:
    """A part of a record with what is nested in it: how the pairs are read."""
    return part | part["how"] if isinstance(part, dict) and isinstance(part.get("how"), dict) else part


def _write_claim(out: Path, record: dict, held_out: list[Pair]) -> None:
    """The record first: a folder with a run.json can be gone on with, whatever else is there."""
    write_json(out / "run.json", {**record, "finished": False})
    write_pairs(held_out, out / "held_out.jsonl")

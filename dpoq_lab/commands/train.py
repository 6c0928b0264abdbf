"""A whole training run: pairs and a model in, a checkpoint folder with its record out."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from dpoq_lab import models, training
from dpoq_lab.checkpoints import remove_checkpoints
from dpoq_lab.columns import BY_NAME, How
from dpoq_lab.commands.audit import SHOWN_PROBLEMS, noted
from dpoq_lab.commands.scorer import check_same_tokens
from dpoq_lab.encoding import EncodedPair, encode_pairs, pad_id
from dpoq_lab.intervals import accuracy_with_interval
from dpoq_lab.objectives import CPL, DPO, SFT, Objective, described
from dpoq_lab.preferences import read_pairs, write_pairs
from dpoq_lab.presets import SMOLLM2, TINY, Preset, bf16_is_fast, find_preset
from dpoq_lab.records import provenance, write_json
from dpoq_lab.sources import PairsError, Rows, check_rows, kind_of, none_usable
from dpoq_lab.training import PairLogProbs, Settings, pair_log_probs, steps_for


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
    and what reading, loading and training raise.
    """
    started = time.perf_counter()
    if request.reference and request.method != "dpo":
        raise RunError(f"{request.method} has no reference: leave out --reference")
    _check_folder(request)
    reading = read_pairs(request.pairs if rows is None else rows, request.how)
    if not reading.pairs:
        raise none_usable(reading.problems)
    policy, tokenizer = models.load(request.model, request.seed)
    tokenizer = models.with_template(tokenizer, request.chat_template)
    max_length = models.room(request.max_length or preset.max_length, policy)
    encoding = encode_pairs(tokenizer, reading.pairs, max_length, request.whole_yield)
    asked = request.max_length or preset.max_length
    notes = dict(reading.notes()) | models.capped_notes(asked, max_length, encoding.truncated)
    problems = list(map(str, reading.problems + encoding.refused))
    if not encoding.pairs:
        raise none_usable(problems)
    train_pairs, held_out = split(encoding.pairs, request.held_out, request.seed)
    if not train_pairs:
        raise PairsError("no pair is left to train on")
    settings = settings_for(request, preset, models.parameters(policy), len(train_pairs))
    reference, named = None, request.reference or (request.method == "dpo" and models.base_of(request.model))
    if named:  # of an adapter the reference is its base
        check_same_tokens(encoding.pairs, models.foreign_tokens(tokenizer, named), named)
        reference = models.load_frozen(named, request.seed)[0]
    counts = {"train": len(train_pairs), "held_out": len(held_out), "left_out": len(problems)}
    record = {
        "request": {**asdict(request), "out": str(request.out), "resume": False},
        "settings": asdict(settings) | {"objective": described(settings.objective)},
        "pairs": counts | {"truncated": encoding.truncated},
        "source": {
            "problems": problems[:SHOWN_PROBLEMS],
            "notes": notes,
            "read": len(reading.pairs),
        },
        "provenance": provenance(),
    }
    accelerator = Accelerator()
    if accelerator.is_main_process:
        _claim_folder(request, record, [pair.pair for pair in held_out])
    accelerator.wait_for_everyone()
    judge = _Judge(accelerator, held_out, pad_id(tokenizer, reference), settings, request.beta or preset.beta)
    before = judge.log_probs(policy)
    ref = _zeros(before) if isinstance(settings.objective, CPL) else before
    ref = judge.log_probs(reference) if reference else ref
    trained = time.perf_counter()
    log = training.train(
        policy, train_pairs, pad_id(tokenizer, reference), settings, reference, request.out, request.resume
    )
    trained = time.perf_counter() - trained
    after = judge.log_probs(policy)
    record["held_out"] = {"before": judge.report(before, ref), "after": judge.report(after, ref)}
    record["seconds"] = {"training": round(trained, 1), "whole": round(time.perf_counter() - started, 1)}
    record["last_step"] = log[-1]
    if accelerator.is_main_process:
        models.save(policy, tokenizer, request.out)
        write_json(request.out / "run.json", {**record, "finished": True})
        remove_checkpoints(request.out)
    return record


def split(pairs: list[EncodedPair], share: float, seed: int) -> tuple[list[EncodedPair], list[EncodedPair]]:
    """A seeded split into train and held-out pairs; `share` is the held-out part."""
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed)).tolist()
    cut = round(len(pairs) * share)
    return [pairs[i] for i in sorted(order[cut:])], [pairs[i] for i in sorted(order[:cut])]


def settings_for(request: Request, preset: Preset, parameters: int, n: int) -> Settings:
    """Fill in what the request leaves open: a small model takes the learning rates of `tiny`."""
    rates = TINY if parameters < 20_000_000 else SMOLLM2
    batch_size = request.batch_size or preset.batch_size
    return Settings(
        objective_for(request, preset),
        lr=request.lr or rates["sft_lr" if request.method == "sft" else "dpo_lr"],
        steps=steps_for(n, batch_size, request.epochs),
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

    def log_probs(self, model: torch.nn.Module) -> list[PairLogProbs]:
        found = pair_log_probs(self.accelerator, model, self.pairs, self.pad_id, self.settings)
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


def _check_folder(request: Request) -> None:
    """Never write over a run; resume only the run that the folder holds."""
    record = request.out / "run.json"
    if request.out.exists() and not request.out.is_dir():
        raise RunError(f"{request.out}: is a file, not a folder")
    if not record.is_file():
        if request.resume:
            raise RunError(f"{request.out}: holds no run to resume")
        if request.out.is_dir() and any(request.out.iterdir()):
            raise RunError(f"{request.out}: is not empty and holds no run: choose another folder")
        return
    held = json.loads(record.read_text(encoding="utf-8"))
    if held.get("finished"):
        raise RunError(f"{request.out}: holds a finished run: choose another folder")
    if not request.resume:
        raise RunError(f"{request.out}: holds an unfinished run: add --resume or choose another folder")
    asked = json.loads(json.dumps({**asdict(request), "out": str(request.out), "resume": False}))
    different = [key for key, value in held["request"].items() if key != "out" and asked[key] != value]
    if different:
        raise RunError(f"{request.out}: its run was started with another {', '.join(different)}")


def _claim_folder(request: Request, record: dict, held_out: list) -> None:
    request.out.mkdir(parents=True, exist_ok=True)
    write_pairs(held_out, request.out / "held_out.jsonl")
    write_json(request.out / "run.json", {**record, "finished": False})

"""One loop for every objective on Hugging Face Accelerate: progress, metrics, checkpoints, resume.

Every process sees the same seeded order and takes its share of each step's pairs; a step's loss
is the sum over its pairs divided by the whole step's weight, so that two processes, or smaller
micro-batches, give the metrics of one. Both models are in eval mode throughout: dropout is off.
"""

import contextlib
import json
import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor, nn
from tqdm.auto import tqdm

from dpoq_lab import reference_cache
from dpoq_lab.batches import Batch, collate
from dpoq_lab.checkpoints import load_checkpoint, save_checkpoint
from dpoq_lab.encoding import EncodedPair
from dpoq_lab.losses import eval_mode, log_ratios, token_log_probs
from dpoq_lab.objectives import Side
from dpoq_lab.records import write_text
from dpoq_lab.reference_cache import PairLogProbs
from dpoq_lab.schedule import Settings, first_pass, learning_rate, micro_batches, step_indices
from dpoq_lab.shared_prompt import LogProbs, way


class TrainingError(RuntimeError):
    """A run that had to stop; the text is one line with the step and the pair."""


def train(
    policy: nn.Module,
    pairs: list[EncodedPair],
    pad_id: int,
    settings: Settings,
    reference: nn.Module | None = None,
    out: Path | None = None,
    resume: bool = False,
    on_log: Callable[[dict], None] | None = None,
    progress: bool = True,
    keep: Path | None = None,
) -> list[dict]:
    """Train `policy` in place and return a record of metrics for each step.

    The reference is `reference`, or the policy as it is given; its log-probabilities are computed
    once, or read from the file `keep`, where an earlier run left them. With `out`, metrics and checkpoints
    are written there, one at the end too, and `resume` goes on from them. Without `progress` no bar is
    drawn, for a run in a thread.
    Raises TrainingError if a loss or gradient is not finite, CheckpointError if a checkpoint is damaged.
    """
    accelerator = Accelerator()
    policy.eval().to(accelerator.device)
    order = list(step_indices(len(pairs), settings))
    if len(order[0]) < accelerator.num_processes:
        raise TrainingError(
            f"{len(order[0])} pairs a step are too few for {accelerator.num_processes} processes"
        )
    log_pi = token_log_probs
    if len(settings.objective.sides) == 2:
        first = micro_batches(order[0], pairs, settings, accelerator)[0]
        some = _collate([pairs[first[0]], pairs[first[-1]]], pad_id, accelerator.device)  # shortest, longest
        log_pi = way(some, policy, reference.to(accelerator.device) if reference else None)
    pi_ref = None
    if settings.objective.needs_reference:
        batches = [m for step in first_pass(order) for m in micro_batches(step, pairs, settings, accelerator)]
        scored = reference or policy
        pi_ref = pair_log_probs(accelerator, scored, pairs, pad_id, settings, batches, progress, log_pi, keep)
    data = _Data(pairs, pi_ref, pad_id, log_pi)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=settings.lr, weight_decay=0.0, fused=True)
    first, log = load_checkpoint(out, policy, optimizer) if resume and out else (0, [])
    if out is not None and accelerator.is_main_process:
        _write_log(out, log)
    policy, optimizer = accelerator.prepare(policy, optimizer)
    quiet = not (progress and accelerator.is_main_process)
    with tqdm(total=settings.steps, initial=first, desc=settings.objective.name, disable=quiet) as bar:
        for step in range(first, settings.steps):
            record = _step(accelerator, policy, optimizer, data, order[step], settings, step)
            log.append(record)
            bar.set_postfix(loss=f"{record['loss_mean']:.4f}", refresh=False)
            bar.update()
            if accelerator.is_main_process:
                _after_step(log, out, settings, accelerator.unwrap_model(policy), optimizer, on_log)
    accelerator.wait_for_everyone()
    return log


def trained_copy(
    policy: nn.Module, pairs: list[EncodedPair], pad_id: int, settings: Settings, **options: Any
) -> tuple[nn.Module, list[dict]]:
    """A copy of `policy` trained on `pairs`, the policy as given its reference, and its log; as `train`."""
    copy = deepcopy(policy).requires_grad_(True)
    return copy, train(copy, pairs, pad_id, settings, **options)


def pair_log_probs(
    accelerator: Accelerator,
    model: nn.Module,
    pairs: list[EncodedPair],
    pad_id: int,
    settings: Settings,
    batches: list[list[int]] | None = None,
    progress: bool = True,
    log_pi: LogProbs = token_log_probs,
    keep: Path | None = None,
) -> dict[int, PairLogProbs]:
    """log pi of every response token under `model`, by the pair's index; the processes share the work.

    `batches` are this process's groups of pairs (default: all). Scored in the groups that training will
    see, the first step's log-ratios are exactly 0 in bfloat16 too, where rounding depends on the batch. What
    the file `keep` holds is not computed again.
    """
    model.to(accelerator.device)
    if batches is None:
        batches = micro_batches(list(range(len(pairs))), pairs, settings, accelerator)
    if kept := _kept(accelerator, keep, {i for rows in batches for i in rows}):
        return kept
    found = []  # (index, chosen, rejected)
    quiet = not (progress and accelerator.is_main_process)
    for rows in tqdm(batches, desc="scoring", disable=quiet, leave=False):
        batch = _collate([pairs[i] for i in rows], pad_id, accelerator.device)
        with _autocast(accelerator.device, settings), torch.no_grad(), eval_mode(model):
            logp = log_pi(model, batch).cpu()
        for k, i in enumerate(rows):
            pair = pairs[i]
            found.append((i, logp[k, : len(pair.chosen.ids)], logp[len(rows) + k, : len(pair.rejected.ids)]))
    scored = {i: (chosen, rejected) for i, chosen, rejected in gather_object(found)}
    if keep and scored and accelerator.is_main_process:
        reference_cache.write(keep, scored)
    return scored


def _kept(accelerator: Accelerator, path: Path | None, needed: set[int]) -> dict[int, PairLogProbs] | None:
    """What the main process finds in the file, on every process; None where a pair is missing."""
    if path is None:
        return None
    found = reference_cache.read(path) if accelerator.is_main_process else None
    [found] = broadcast_object_list([found if found and needed <= found.keys() else None])
    return found


@dataclass(frozen=True)
class _Data:
    """All pairs, and for DPO their log-probabilities under the reference."""

    pairs: list[EncodedPair]
    pi_ref: dict[int, PairLogProbs] | None
    pad_id: int
    log_pi: LogProbs


def _step(
    accelerator: Accelerator,
    policy: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: _Data,
    indices: list[int],
    settings: Settings,
    step: int,
) -> dict:
    """One optimiser step over the pairs `indices`, this process taking its share in micro-batches."""
    started = time.perf_counter()
    micros = micro_batches(indices, data.pairs, settings, accelerator)
    weight = settings.objective.weight([data.pairs[i] for i in indices])
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, settings)
    sums: dict[str, float] = {}
    for number, micro in enumerate(micros):
        last = number == len(micros) - 1
        with contextlib.nullcontext() if last else accelerator.no_sync(policy):
            losses, stats = _micro_losses(policy, micro, data, accelerator.device, settings)
            for i, loss in zip(micro, losses.tolist(), strict=True):
                if not math.isfinite(loss):
                    raise TrainingError(f"step {step}: the loss of pair {_name(data.pairs[i])} is not finite")
            accelerator.backward(losses.sum() / weight * accelerator.num_processes)
        for name, value in stats.items():
            sums[name] = sums.get(name, 0.0) + value
    norm = float(accelerator.clip_grad_norm_(policy.parameters(), settings.clip))  # pyright: ignore[reportArgumentType]
    if not math.isfinite(norm):
        names = ", ".join(_name(data.pairs[i]) for i in indices)
        raise TrainingError(f"step {step}: the gradient is not finite; its pairs are {names}")
    optimizer.step()
    optimizer.zero_grad()
    return _record(accelerator, sums, weight, len(indices), settings, step, norm, started)


def _micro_losses(
    policy: nn.Module, micro: list[int], data: _Data, device: torch.device, settings: Settings
) -> tuple[Tensor, dict[str, float]]:
    """The loss of each pair, with gradient, and the sums that the metrics are made of."""
    objective, pairs, n = settings.objective, [data.pairs[i] for i in micro], len(micro)
    batch = _collate(pairs, data.pad_id, device, objective.sides)
    with _autocast(device, settings):
        log_pi = data.log_pi(policy, batch)
    ratios = log_ratios(log_pi, _log_pi_ref(data, micro, log_pi))
    losses = objective.losses(*ratios.split(n))
    stats = {"loss": losses.sum().item(), "tokens": int(batch.action_mask.sum())}
    if len(objective.sides) == 2:
        stats |= _pair_stats(log_pi.detach(), ratios.detach(), batch, objective.beta)
    return losses, stats


def _log_pi_ref(data: _Data, micro: list[int], log_pi: Tensor) -> Tensor:
    """log pi_ref in the places of `log_pi`, chosen replies first; 0 where there is no reference."""
    log_pi_ref = torch.zeros(log_pi.shape)
    for k, (chosen, rejected) in enumerate(data.pi_ref[i] for i in micro if data.pi_ref):
        log_pi_ref[k, : len(chosen)] = chosen
        log_pi_ref[len(micro) + k, : len(rejected)] = rejected
    return log_pi_ref.to(log_pi.device)


def _pair_stats(log_pi: Tensor, ratios: Tensor, batch: Batch, beta: float) -> dict[str, float]:
    n = len(log_pi) // 2
    reward = beta * ratios.sum(dim=1)
    margin = reward[:n] - reward[n:]
    # pi/pi_ref - 1 - log pi/pi_ref: an unbiased estimate of KL(pi_ref, pi) on responses drawn from pi_ref
    kl = (ratios.exp() - 1 - ratios).masked_fill(~batch.action_mask, 0.0)
    return {
        "chosen_reward": reward[:n].sum().item(),
        "rejected_reward": reward[n:].sum().item(),
        "accuracy": ((margin.sign() + 1) / 2).sum().item(),
        "chosen_logp": log_pi[:n].sum().item(),
        "rejected_logp": log_pi[n:].sum().item(),
        "kl": kl.sum().item(),
    }


def _record(
    accelerator: Accelerator,
    sums: dict[str, float],
    weight: float,
    pairs: int,
    settings: Settings,
    step: int,
    norm: float,
    started: float,
) -> dict:
    """The metrics of a step over all processes, as measured before its update.

    `*_sum` are sums over a response's tokens, averaged over the step's pairs, in nats.
    """
    names = sorted(sums)
    total = torch.tensor([sums[name] for name in names], dtype=torch.float64, device=accelerator.device)
    reduced: Any = accelerator.reduce(total, "sum")
    total = dict(zip(names, reduced.tolist(), strict=True))
    record = {"step": step, "loss_mean": total["loss"] / weight}
    if len(settings.objective.sides) == 2:
        record |= {
            "chosen_reward_sum": total["chosen_reward"] / pairs,
            "rejected_reward_sum": total["rejected_reward"] / pairs,
            "margin_sum": (total["chosen_reward"] - total["rejected_reward"]) / pairs,
            "accuracy_mean": total["accuracy"] / pairs,
            "chosen_logp_sum": total["chosen_logp"] / pairs,
            "rejected_logp_sum": total["rejected_logp"] / pairs,
        }
    if settings.objective.needs_reference:
        record["kl_ref_pi_token_mean"] = total["kl"] / total["tokens"]
    seconds = time.perf_counter() - started
    return record | {"grad_norm": norm, "tokens_per_second": total["tokens"] / seconds}


def _after_step(
    log: list[dict],
    out: Path | None,
    settings: Settings,
    policy: nn.Module,
    optimizer: torch.optim.Optimizer,
    on_log: Callable[[dict], None] | None,
) -> None:
    if out is not None:
        with (out / "metrics.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(log[-1]) + "\n")
        if len(log) % settings.checkpoint_every == 0 or len(log) == settings.steps:
            save_checkpoint(out, log, policy, optimizer)
    if on_log is not None:
        on_log(log[-1])


def _write_log(out: Path, log: list[dict]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "metrics.jsonl", "".join(json.dumps(record) + "\n" for record in log))


def _collate(
    pairs: list[EncodedPair],
    pad_id: int,
    device: torch.device,
    sides: tuple[Side, ...] = ("chosen", "rejected"),
) -> Batch:
    """All chosen responses, then all rejected ones: (2n, P + R); or one side of them."""
    return collate([getattr(pair, side) for side in sides for pair in pairs], pad_id).to(device)


def _name(pair: EncodedPair) -> str:
    return pair.pair.where or repr(pair.chosen.text[:40])


def _autocast(device: torch.device, settings: Settings) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=settings.bf16)

"""What a run does, and when: the pairs of each step, in which groups, and at which learning rate."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from accelerate import Accelerator

from dpoq_lab.encoding import EncodedPair
from dpoq_lab.objectives import Objective


@dataclass(frozen=True)
class Settings:
    """What a run does. `lr` warms up linearly over `warmup_steps` steps; then it stays, or with `decay`
    falls linearly to 0 at the last step."""

    objective: Objective
    lr: float
    steps: int
    batch_size: int  # pairs an optimiser step, over all processes
    micro_batch: int  # pairs in memory at once
    warmup_steps: int = 10
    decay: bool = False
    clip: float = 1.0
    seed: int = 0
    bf16: bool = False
    checkpoint_every: int = 50


def step_indices(n: int, settings: Settings) -> Iterator[list[int]]:
    """The pairs of each step: seeded passes over all n, the last incomplete step of a pass dropped."""
    size = min(settings.batch_size, n)
    generator = torch.Generator().manual_seed(settings.seed)
    done = 0
    while done < settings.steps:
        order = torch.randperm(n, generator=generator).tolist()
        for start in range(0, n - size + 1, size):
            yield order[start : start + size]
            done += 1
            if done == settings.steps:
                return


def steps_for(n: int, batch_size: int, epochs: int) -> int:
    """How many optimiser steps `epochs` passes over n pairs take."""
    return epochs * (n // min(batch_size, n))


def learning_rate(step: int, settings: Settings) -> float:
    """The learning rate of a step: a linear warm-up, then constant or a linear fall to 0."""
    rate = settings.lr * min(1.0, (step + 1) / max(settings.warmup_steps, 1))
    if not settings.decay:
        return rate
    left = (settings.steps - step) / max(settings.steps - settings.warmup_steps, 1)
    return min(rate, settings.lr * left)


def micro_batches(
    indices: list[int], pairs: list[EncodedPair], settings: Settings, accelerator: Accelerator
) -> list[list[int]]:
    """This process's share of `indices`, by length so that little is padding, cut to size."""
    mine = indices[accelerator.process_index :: accelerator.num_processes]
    mine = sorted(mine, key=lambda i: _length(pairs[i]))
    return [mine[start : start + settings.micro_batch] for start in range(0, len(mine), settings.micro_batch)]


def first_pass(order: list[list[int]]) -> list[list[int]]:
    """Each pair that `order` holds once, grouped as at the step where it comes first."""
    seen: set[int] = set()
    steps = []
    for indices in order:
        steps.append([i for i in indices if i not in seen])
        seen |= set(indices)
    return steps


def _length(pair: EncodedPair) -> int:
    return len(pair.chosen.prompt_ids) + max(len(pair.chosen.ids), len(pair.rejected.ids))

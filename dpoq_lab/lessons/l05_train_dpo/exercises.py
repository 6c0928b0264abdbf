"""The exercises of lesson 05: solutions, cases, and the mistakes that are named."""

import math

import torch
import torch.nn.functional as F

from dpoq_lab.lessons.check import Case, Exercise, checker
from dpoq_lab.losses import dpo_loss


def _ratios(seed: int) -> Case:
    generator = torch.Generator().manual_seed(seed)
    draw = [torch.randn(3, 5 + seed, generator=generator) for _ in range(2)]
    return draw[0], draw[1][:, :4], 0.1 + 0.4 * seed


def _margin(w: torch.Tensor, x: torch.Tensor, beta: float) -> torch.Tensor:
    return beta * (w.sum(dim=1) - x.sum(dim=1))


def response_mask(prompt_length: int, response_length: int, width: int) -> torch.Tensor:
    """Which of `width` columns are scored when nothing is padded on the left: the response with its EOS."""
    column = torch.arange(width)
    return (column >= prompt_length) & (column < prompt_length + response_length)


def _mask(start: int, end: int, width: int) -> torch.Tensor:
    column = torch.arange(width)
    return (column >= start) & (column < end)


EXERCISES = {
    "05.1": Exercise(
        dpo_loss,
        [_ratios(0), _ratios(1)],
        [
            (
                "it averages over tokens; only sums telescope.",
                lambda w, x, b: -F.logsigmoid(b * (w.mean(1) - x.mean(1))),
            ),
            ("chosen and rejected are swapped.", lambda w, x, b: -F.logsigmoid(-_margin(w, x, b))),
            ("beta is missing.", lambda w, x, b: -F.logsigmoid(_margin(w, x, 1.0))),
            (
                "the minus sign is missing: this is to be minimised.",
                lambda w, x, b: F.logsigmoid(_margin(w, x, b)),
            ),
            ("the logarithm is missing.", lambda w, x, b: -torch.sigmoid(_margin(w, x, b))),
            ("it is averaged over pairs; return one loss a pair.", lambda w, x, b: dpo_loss(w, x, b).mean()),
        ],
    ),
    "05.2": Exercise(
        math.log(2),
        [],
        [
            ("the margin is 0 at step 0, not the loss: -log sigma(0) is not 0.", 0.0),
            ("that is sigma(0); the loss is minus its logarithm.", 0.5),
            ("that is log2 of 2; the loss uses the natural logarithm.", 1.0),
            ("the sign is off: -log sigma(0) = -log(1/2) is positive.", -math.log(2)),
        ],
    ),
    "05.3": Exercise(
        response_mask,
        [(3, 4, 9), (1, 2, 5)],
        [
            (
                "the last response token, EOS, is an action too and must be scored.",
                lambda p, r, w: _mask(p, p + r - 1, w),
            ),
            ("the prompt is not an action of the policy; mask it.", lambda p, r, w: _mask(0, p + r, w)),
            ("padding after the response must be masked.", lambda p, r, w: _mask(p, w, w)),
            (
                "it is one column early: this masks ids, not the logits that predict them.",
                lambda p, r, w: _mask(p - 1, p + r - 1, w),
            ),
        ],
    ),
}

check = checker(EXERCISES)

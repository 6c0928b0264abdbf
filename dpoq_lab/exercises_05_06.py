"""The exercises of lessons 05 and 06: solutions, cases, and the mistakes that are named."""

import math

import torch
import torch.nn.functional as F

from dpoq_lab.exercises import Case, Exercise
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


def _rewards(log_pi: torch.Tensor, log_pi_ref: torch.Tensor, beta: float) -> torch.Tensor:
    return beta * (log_pi - log_pi_ref)


def _hit(scores: list[float], labels: list[bool]) -> float:
    return float(labels[max(range(len(scores)), key=lambda i: scores[i])])


def _advantage(r: float, V_now: float, V_next: float) -> float:
    return r + V_next - V_now


LOGPS = [
    (torch.tensor([-1.0, -2.0, -0.5]), torch.tensor([-1.5, -0.5, -0.5]), 0.1),
    (torch.tensor([-3.0, -0.1]), torch.tensor([-0.2, -4.0]), 0.5),
]
HITS = [
    ([0.1, 2.0, 0.3], [False, True, False]),
    ([3.0, 2.0, -1.0], [False, True, True]),
    ([0.0, -2.0], [True, False]),
]

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
    "06.1": Exercise(
        _rewards,
        LOGPS,
        [
            ("policy and reference are swapped.", lambda p, q, b: b * (q - p)),
            ("beta is missing.", lambda p, q, b: p - q),
            (
                "that is the policy's log-probability alone; compare it with the reference's.",
                lambda p, q, b: b * p,
            ),
            ("beta multiplies log-ratios; it divides logits.", lambda p, q, b: (p - q) / b),
            ("that is the ratio itself; take its logarithm.", lambda p, q, b: b * (p - q).exp()),
            ("that is the sum; return one reward a token.", lambda p, q, b: (b * (p - q)).sum()),
        ],
    ),
    "06.2": Exercise(
        _hit,
        HITS,
        [
            (
                "that looks at the least suspicious token.",
                lambda s, y: float(y[min(range(len(s)), key=lambda i: s[i])]),
            ),
            (
                "that is the share of bad tokens, which is what chance would hit.",
                lambda s, y: sum(y) / len(y),
            ),
            ("that asks whether any token is bad, not whether the top one is.", lambda s, y: float(any(y))),
            ("that is the top score; return whether the top token is bad.", lambda s, y: max(s)),
        ],
    ),
    "06.3": Exercise(
        -1.5,
        [],
        [
            ("r is a difference: r = 0 where the policy gives the token what the reference gave it.", 0.0),
            ("beta is already in r: log pi = log pi_ref + r / beta, not log pi_ref + r.", -3.8),
            ("log pi = log pi_ref + r / beta, and log pi_ref is -4.0 here.", 2.5),
        ],
    ),
    "06.4": Exercise(
        _advantage,
        [(0.0, 2.6, 2.0), (-1.0, 0.7, 0.0), (1.0, 0.5, 1.5)],
        [
            ("that is what the token pays; add what it does to the value.", lambda r, V, W: r),
            ("the reward that the token pays is missing.", lambda r, V, W: W - V),
            ("that is Q; an advantage is measured from the value before.", lambda r, V, W: r + W),
            ("before and after are swapped.", lambda r, V, W: r + V - W),
        ],
    ),
}

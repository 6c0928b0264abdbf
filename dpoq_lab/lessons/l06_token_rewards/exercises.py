"""The exercises of lesson 06: solutions, cases, and the mistakes that are named."""

import torch

from dpoq_lab.lessons.check import Exercise, checker


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

check = checker(EXERCISES)

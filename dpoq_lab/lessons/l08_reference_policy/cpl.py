"""Contrastive preference learning on a control task that is solved exactly: a point walks home.

State s and action a are points of the plane, s' = s + a. A step pays r = -(COST_S |s'|^2 + COST_A |a|^2),
later steps count GAMMA less, and alpha weighs the entropy as in section 3. For this task V*(s) = -P |s|^2 + c
and pi*(a|s) = N(-K s, alpha/(2M) I), so A*(s, a) = alpha log pi*(a|s): segments are compared by their summed
A*, drawn by eq. (1) (regret preferences). CPL fits alpha log pi to them; its loss has no reference.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dpoq_lab.intervals import across, plus_minus
from dpoq_lab.lessons.study import Study
from dpoq_lab.losses import cpl_loss
from dpoq_lab.views.tables import Table

ALPHA, BIAS, GAMMA = 0.1, 0.5, 0.9
COST_S, COST_A = 0.5, 0.5
LENGTH = 8  # steps of a segment
CPL_SIZES = {"ci": (30, 10, 10), "laptop": (400, 300, 300)}  # pairs, cloning steps, CPL steps
STARTS = {"no cloning": (), "cloned all": (0, 1), "cloned chosen": (0,)}  # which segments are cloned first


def riccati() -> tuple[float, float, float]:
    """P, M, K of the optimum: M = COST_A + COST_S + gamma P, K = (M - COST_A)/M and P = COST_A K."""
    P = 0.0
    for _ in range(200):
        M = COST_A + COST_S + GAMMA * P
        P = COST_A * (M - COST_A) / M
    return P, M, (M - COST_A) / M


def gaussian_log_prob(a: Tensor, mean: Tensor, variance: float) -> Tensor:
    """log N(a; mean, variance I) over the last axis, in nats (a density: it can be positive)."""
    d = a.shape[-1]
    return -(a - mean).square().sum(-1) / (2 * variance) - d / 2 * math.log(2 * math.pi * variance)


def optimal_advantage(s: Tensor, a: Tensor) -> Tensor:
    """A*(s, a) = Q*(s, a) - V*(s) = alpha log pi*(a|s) for (..., 2) states and actions."""
    _, M, K = riccati()
    return ALPHA * gaussian_log_prob(a, -K * s, ALPHA / (2 * M))


class GaussianPolicy(nn.Module):
    """A small network from the state (..., 2) to the mean of a Gaussian with the variance of pi*."""

    def __init__(self, seed: int, hidden: int = 32) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            layers = [
                nn.Linear(2, hidden),
                nn.Tanh(),
                nn.Linear(hidden, hidden),
                nn.Tanh(),
                nn.Linear(hidden, 2),
            ]
        self.mean = nn.Sequential(*layers)
        self.variance = ALPHA / (2 * riccati()[1])

    def log_prob(self, s: Tensor, a: Tensor) -> Tensor:
        """log pi(a|s), (...,)."""
        return gaussian_log_prob(a, self.mean(s), self.variance)


@dataclass(frozen=True)
class Segments:
    """n pairs of segments: states and actions (2, n, T, 2), the chosen segment of each pair first."""

    s: Tensor
    a: Tensor


def regret_pairs(n: int, seed: int) -> Segments:
    """Segments of clumsy walkers, of a pair each from its own start, labelled by their summed A* (eq. 1).

    A walker has a gain of 0 to 1.2 (K is best), a drift, and noise of standard deviation 0.3.
    """
    generator = torch.Generator().manual_seed(seed)
    s = 4 * torch.rand(2, n, 2, generator=generator) - 2
    gain = 1.2 * torch.rand(2, n, 1, generator=generator)
    drift = 0.6 * torch.rand(2, n, 2, generator=generator) - 0.3
    states, actions = [], []
    for _ in range(LENGTH):
        a = -gain * s + drift + 0.3 * torch.randn(2, n, 2, generator=generator)
        states.append(s)
        actions.append(a)
        s = s + a
    s, a = torch.stack(states, dim=2), torch.stack(actions, dim=2)
    A = discounted(optimal_advantage(s, a))  # (2, n), minus the regret
    first = torch.rand(n, generator=generator) < torch.sigmoid(A[0] - A[1])
    order = torch.stack([(~first).long(), first.long()])  # (2, n): which segment is chosen, which rejected
    return Segments(s[order, torch.arange(n)], a[order, torch.arange(n)])


def discounted(x: Tensor) -> Tensor:
    """sum_t gamma^t x_t over the last axis."""
    return (x * GAMMA ** torch.arange(x.shape[-1])).sum(-1)


def descend(policy: GaussianPolicy, loss: Callable[[], Tensor], steps: int, lr: float) -> None:
    """Adam on `loss()`, a scalar."""
    optimizer = torch.optim.Adam(policy.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()


def clone(policy: GaussianPolicy, s: Tensor, a: Tensor, steps: int) -> None:
    """Behaviour cloning: maximum likelihood of actions, what SFT is to DPO."""
    descend(policy, lambda: -policy.log_prob(s, a).mean(), steps, lr=1e-2)


def train_cpl(policy: GaussianPolicy, data: Segments, steps: int) -> dict[str, list[float]]:
    """Train in place; alpha sum_t gamma^t log pi of chosen and of rejected segments before each step."""
    weight, curves = GAMMA ** torch.arange(LENGTH), {"chosen": [], "rejected": []}

    def loss() -> Tensor:
        chosen, rejected = policy.log_prob(data.s, data.a) * weight  # (n, T) each
        for name, log_pi in (("chosen", chosen), ("rejected", rejected)):
            curves[name].append(round(ALPHA * log_pi.sum(dim=1).mean().item(), 4))
        return cpl_loss(chosen, rejected, ALPHA, BIAS).mean()

    descend(policy, loss, steps, lr=3e-3)
    return curves


@torch.no_grad()
def task_return(mean: Callable[[Tensor], Tensor], steps: int = 30) -> float:
    """The discounted return of acting by `mean` from a grid of starts in [-2, 2]^2, without noise."""
    line = torch.linspace(-2, 2, 5)
    s, total = torch.cartesian_prod(line, line), 0.0
    for t in range(steps):
        a = mean(s)
        s = s + a
        paid = COST_S * s.square().sum(-1) + COST_A * a.square().sum(-1)
        total -= GAMMA**t * paid.mean().item()
    return total


def measure_seed(seed: int, pairs: int, cloning_steps: int, cpl_steps: int) -> dict[str, dict]:
    """One row a start of `STARTS`: curves, their change, and the return before and after CPL."""
    data, rows = regret_pairs(pairs, seed), {}
    for name, cloned in STARTS.items():
        policy = GaussianPolicy(seed)
        if cloned:
            clone(policy, data.s[list(cloned)], data.a[list(cloned)], cloning_steps)
        row = {"return_before": task_return(policy.mean)}
        curves = train_cpl(policy, data, cpl_steps)
        row |= {f"{side}_change": curve[-1] - curve[0] for side, curve in curves.items()}
        rows[name] = row | {"return_after": task_return(policy.mean), "curves": curves}
    return rows


def measure(size: tuple[int, int, int], seeds: int, out: Path) -> tuple[dict, str]:
    """Every start over seeds."""
    found, starts = [measure_seed(seed, *size) for seed in range(seeds)], {}
    for name in STARTS:
        curves = [seed[name].pop("curves") for seed in found]
        mean = {side: np.mean([c[side] for c in curves], axis=0).round(4).tolist() for side in curves[0]}
        starts[name] = across([seed[name] for seed in found]) | {"mean_curves": mean}
    record = {
        "starts": starts,
        "best_return": task_return(lambda s: -riccati()[2] * s),
        "return_of_standing": task_return(torch.zeros_like),
    }
    return record, f"{cpl_table(record)}\n{cpl_bounds(record)}"


def cpl_table(record: dict) -> Table:
    """The change of alpha log pi of chosen and rejected segments, and the return, by start."""
    rows = []
    for name, row in record["starts"].items():
        changes = (plus_minus(row[f"{side}_change"], "+") for side in ("chosen", "rejected"))
        returned = f"{row['return_before']['mean']:.2f} to {plus_minus(row['return_after'])}"
        rows.append((name, *changes, returned))
    return Table([("", "chosen", "rejected", "return after"), *rows])


def cpl_bounds(record: dict) -> str:
    """The best return and that of doing nothing, in a line."""
    best, standing = record["best_return"], record["return_of_standing"]
    return f"return of pi* {best:.2f}, of standing still {standing:.2f}"


STUDY = Study("CPL on a point that walks home", measure, CPL_SIZES)

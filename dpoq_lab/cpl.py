"""Contrastive preference learning on a small control task: the same loss shape with no reference in it.

A point at s in the plane is to be steered to the origin; the optimal action is a*(s) = -s/2, and the regret
of an action is |a - a*|^2, so A*(s, a) = -|a - a*|^2. Segments of a clumsy controller are compared by their
summed A* (regret preferences). The policy is Gaussian with a learned mean and fixed variance, so
log pi(a|s) = -|a - mean(s)|^2 up to a constant, as in CPL. `python -m dpoq_lab.cpl` measures over seeds.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dpoq_lab.language_study import over_seeds
from dpoq_lab.provenance import provenance
from dpoq_lab.runs import write_json

ALPHA, LAMBDA, LENGTH = 0.1, 0.5, 10
SEGMENTS, STEPS, CLONING_STEPS, LR = 1000, 300, 300, 1e-3


def cpl_loss(chosen_log_pi: Tensor, rejected_log_pi: Tensor, alpha: float, lam: float) -> Tensor:
    """-log sigma(alpha (sum log pi(w) - lam sum log pi(l))), (B,), from (B, T) log-probabilities.

    Source: CPL (Hejna et al. 2024). With lam = 1 it is DPO without its reference; lam < 1 keeps the policy
    near the data, since the loss then falls when both likelihoods rise.
    """
    return -F.logsigmoid(alpha * (chosen_log_pi.sum(dim=1) - lam * rejected_log_pi.sum(dim=1)))


def segments(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """States and actions of n segments, each (n, T, 2): a controller of varying skill, with noise."""
    generator = torch.Generator().manual_seed(seed)
    s = torch.randn(n, 2, generator=generator)
    gain = torch.rand(n, 1, generator=generator)  # 0.5 is optimal
    states, actions = [], []
    for _ in range(LENGTH):
        a = -gain * s + 0.3 * torch.randn(n, 2, generator=generator)
        states.append(s)
        actions.append(a)
        s = s + a
    return torch.stack(states, dim=1), torch.stack(actions, dim=1)


def advantage(s: Tensor, a: Tensor) -> Tensor:
    """A*(s, a) = -|a + s/2|^2 over the last axis."""
    return -(a + s / 2).square().sum(dim=-1)


def preferred(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Chosen states and actions, rejected states and actions, (n, T, 2): the smaller regret wins."""
    s, a = segments(2 * SEGMENTS, seed)
    first, second = slice(0, SEGMENTS), slice(SEGMENTS, None)
    wins = advantage(s[first], a[first]).sum(1) > advantage(s[second], a[second]).sum(1)
    pick = wins[:, None, None]
    chosen = [torch.where(pick, x[first], x[second]) for x in (s, a)]
    return (*chosen, *(torch.where(pick, x[second], x[first]) for x in (s, a)))


def log_prob(mean: nn.Module, s: Tensor, a: Tensor) -> Tensor:
    """log pi(a|s) up to a constant, (..., )."""
    return -(a - mean(s)).square().sum(dim=-1)


def run(cloning: bool, seed: int) -> dict[str, list[float] | float]:
    """Train; the curves of alpha sum log pi of chosen and rejected segments, and the regret of the mean."""
    data = preferred(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        mean = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 2))
    if cloning:
        both = [torch.cat(x) for x in (data[::2], data[1::2])]
        _train(mean, lambda: -log_prob(mean, *both).mean(), CLONING_STEPS)
    curves: dict[str, list[float]] = {"chosen": [], "rejected": []}

    def loss() -> Tensor:
        chosen, rejected = log_prob(mean, *data[:2]), log_prob(mean, *data[2:])
        for name, log_pi in (("chosen", chosen), ("rejected", rejected)):
            curves[name].append(round(ALPHA * log_pi.sum(dim=1).mean().item(), 4))
        return cpl_loss(chosen, rejected, ALPHA, LAMBDA).mean()

    _train(mean, loss, STEPS)
    s = torch.randn(2000, 2, generator=torch.Generator().manual_seed(seed + 1))
    with torch.no_grad():
        regret = -advantage(s, mean(s)).mean().item()
    return curves | {"regret": regret}


def _train(mean: nn.Module, loss: Callable[[], Tensor], steps: int) -> None:
    optimizer = torch.optim.Adam(mean.parameters(), lr=LR)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()


def main(arguments: list[str] | None = None) -> None:
    """Measure with and without behaviour cloning and write `cpl.json`."""
    parser = argparse.ArgumentParser(description="CPL on a point to be steered home")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args(arguments)
    record = {"seeds": options.seeds, "provenance": provenance()}
    for name, cloning in (("no cloning", False), ("cloning first", True)):
        found = [run(cloning, seed) for seed in range(options.seeds)]
        sides = ("chosen", "rejected")
        row = {f"{c}_change": over_seeds([f[c][-1] - f[c][0] for f in found]) for c in sides}
        row["regret"] = over_seeds([f["regret"] for f in found])
        print(name, {what: f"{x['mean']:+.3f} ± {x['half_95']:.3f}" for what, x in row.items()})
        curves = {c: np.mean([f[c] for f in found], axis=0).round(4).tolist() for c in sides}
        record[name] = row | {"mean_curves": curves}
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / "cpl.json", record)


if __name__ == "__main__":
    main()

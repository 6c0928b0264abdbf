"""Two models in a row as an exact game: the refiner's moves with weight beta, the generator's with gamma.

A game of K moves is a list of arrays: level k, (n_1, ..., n_k), holds pi_ref of the k-th move after each way
of making those before, and R, (n_1, ..., n_K), is paid at the end. The first `refined` levels are the
refiner's. What is kept small is E[R] - beta KL of the refiner - gamma KL of the generator. All is float64.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from dpoq_lab.theory.population_dpo import Pairs, all_pairs
from dpoq_lab.theory.token_mdp import stream

Levels = list[np.ndarray]
Stage = Literal["refiner", "generator"]
BOTH: tuple[Stage, Stage] = ("refiner", "generator")


@dataclass(frozen=True, eq=False)
class Game:
    """pi_ref by levels, what is paid, how many levels are the refiner's, and the two weights."""

    laws: Levels
    R: np.ndarray
    refined: int
    beta: float
    gamma: float

    @property
    def weights(self) -> list[float]:
        """The weight of each level."""
        return [self.beta if k < self.refined else self.gamma for k in range(len(self.laws))]

    def with_stage(self, pi: Levels, stage: Stage) -> Levels:
        """pi at the levels of one stage, pi_ref at those of the other."""
        mine = [(k < self.refined) == (stage == "refiner") for k in range(len(self.laws))]
        return [a if own else b for own, a, b in zip(mine, pi, self.laws, strict=True)]


def random_game(beta: float, gamma: float, seed: int) -> Game:
    """Two words, then two drawing moves, three choices each; pi_ref softmax of normal logits, R normal."""
    random = stream(seed, "two stages")
    logits = [random.standard_normal((3,) * (k + 1)) for k in range(4)]
    return Game([_softmax(x) for x in logits], random.standard_normal((3,) * 4), 2, beta, gamma)


def smallest_game(beta: float = 0.5, gamma: float = 0.5) -> Game:
    """One of 3 refined prompts, then one of 4 pictures, both uniform in pi_ref."""
    R = np.array([[1.0, 0.0, -1.0, 0.0], [-1.0, -1.0, 2.0, -2.0], [0.0, 1.0, 0.0, -1.0]])
    return Game([np.full(3, 1 / 3), np.full((3, 4), 1 / 4)], R, 1, beta, gamma)


@dataclass(frozen=True, eq=False)
class Solution:
    """pi* by levels, and V* before each move: level k (n_1, ..., n_k-1), the first a number."""

    pi: Levels
    V: Levels


def solve(game: Game) -> Solution:
    """Backward induction: V*(s) = w log E_ref e^{V*(s')/w}, pi* = pi_ref e^{(V*(s') - V*(s))/w}, with w the
    weight of who moves at s."""
    pi, V, after = [], [], game.R
    for law, w in zip(reversed(game.laws), reversed(game.weights), strict=True):
        now = w * logsumexp(after / w, axis=-1, b=law)
        pi.insert(0, law * np.exp((after - now[..., None]) / w))
        V.insert(0, now)
        after = now
    return Solution(pi, V)


def r_hat(game: Game, pi: Levels) -> Levels:
    """beta log pi/pi_ref at the refiner's levels and gamma log pi/pi_ref at the generator's."""
    return [w * np.log(p / law) for p, law, w in zip(pi, game.laws, game.weights, strict=True)]


def total(levels: Levels) -> np.ndarray:
    """The sum along each trajectory, of the shape of R: of `r_hat` it is equation (17)."""
    found = np.zeros(())
    for level in levels:
        found = found[..., None] + level
    return found


def law_of(pi: Levels) -> np.ndarray:
    """The probability of each trajectory, of the shape of R."""
    return np.exp(total([np.log(level) for level in pi]))


def objective(game: Game, pi: Levels) -> float:
    """E[R] - beta KL(refiner) - gamma KL(generator); at pi* it is V*(s_0)."""
    return float((law_of(pi) * (game.R - total(r_hat(game, pi)))).sum())


def gibbs(game: Game, weight: float) -> np.ndarray:
    """The law pi_ref e^{R/w} / Z: the optimum if there were one weight."""
    logs = np.log(law_of(game.laws)) + game.R / weight
    return np.exp(logs - logsumexp(logs))


def tv(p: np.ndarray, q: np.ndarray) -> float:
    """Total variation, half the sum of absolute differences."""
    return float(abs(p - q).sum() / 2)


def frozen_optimum(game: Game, stage: Stage) -> Levels:
    """The best that one stage can do while the other stays pi_ref."""
    if stage == "generator":
        return game.with_stage(solve(game).pi, stage)
    mean = game.R
    for law in reversed(game.laws[game.refined :]):
        mean = (law * mean).sum(axis=-1)
    refiner = Game(game.laws[: game.refined], mean, game.refined, game.beta, game.gamma)
    return [*solve(refiner).pi, *game.laws[game.refined :]]


def pairs_of(game: Game, same_words: bool = False) -> Pairs:
    """Every pair with its Bradley-Terry label, by how often pi_ref draws it; with `same_words` the refined
    prompt is drawn once for both sides."""
    law = law_of(game.laws)
    pairs = all_pairs(game.R.ravel(), law.ravel())
    if not same_words:
        return pairs
    words = int(np.prod(game.R.shape[: game.refined]))
    index = np.repeat(np.arange(words), game.R.size // words)
    by_words = law.reshape(words, -1).sum(axis=1)  # p(z): drawn once, not twice
    same = index[pairs.first] == index[pairs.second]
    weight = np.where(same, pairs.weight / by_words[index[pairs.first]], 0.0)
    return Pairs(pairs.first, pairs.second, pairs.label, weight).keep(same)


def fit_dpo(game: Game, pairs: Pairs, stages: Collection[Stage] = BOTH) -> Levels:
    """Minimise (18) over one logit a move of the `stages`; a stage left out stays pi_ref."""
    shapes = [law.shape for law in game.laws]
    ends = np.cumsum([law.size for law in game.laws])
    logs = [torch.tensor(np.log(law)) for law in game.laws]
    first, second = torch.tensor(pairs.first), torch.tensor(pairs.second)
    label, weight = torch.tensor(pairs.label), torch.tensor(pairs.weight)

    def log_pi(theta: torch.Tensor) -> list[torch.Tensor]:
        parts = torch.tensor_split(theta, ends[:-1].tolist())
        moved = [part.reshape(shape).log_softmax(-1) for part, shape in zip(parts, shapes, strict=True)]
        free = ["refiner" if k < game.refined else "generator" for k in range(len(shapes))]
        return [mine if who in stages else ref for who, mine, ref in zip(free, moved, logs, strict=True)]

    def loss_and_gradient(x: np.ndarray) -> tuple[float, np.ndarray]:
        theta = torch.tensor(x, requires_grad=True)
        sums = torch.zeros((), dtype=torch.float64)
        for mine, ref, w in zip(log_pi(theta), logs, game.weights, strict=True):
            sums = sums[..., None] + w * (mine - ref)
        margin = sums.flatten()[first] - sums.flatten()[second]
        loss = (weight * (torch.nn.functional.softplus(-margin) + (1 - label) * margin)).sum()
        loss.backward()
        return loss.item(), theta.grad.numpy()

    start = torch.cat([log.flatten() for log in logs]).numpy()
    options = {"maxiter": 3000, "maxfun": 9000, "ftol": 0, "gtol": 1e-11, "maxcor": 40}
    with threadpool_limits(1):
        found = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B", options=options)
    return [level.exp().numpy() for level in log_pi(torch.tensor(found.x))]


def freezing(game: Game) -> dict[str, Levels]:
    """What each way of training arrives at: one stage alone at its best, by DPO on pairs with different and
    with the same words, both tuned apart and joined, and joint."""
    different, same = pairs_of(game), pairs_of(game, same_words=True)
    refiner, generator = (
        fit_dpo(game, pairs, [who]) for pairs, who in ((different, BOTH[0]), (same, BOTH[1]))
    )
    return {
        "refiner alone, best": frozen_optimum(game, "refiner"),
        "refiner alone, DPO": refiner,
        "generator alone, best": frozen_optimum(game, "generator"),
        "generator alone, different words": fit_dpo(game, different, ["generator"]),
        "generator alone, same words": generator,
        "tuned apart, joined": [*refiner[: game.refined], *generator[game.refined :]],
        "joint": fit_dpo(game, different),
    }


def share_of_gain(game: Game, pi: Levels) -> float:
    """The gain of `objective` over pi_ref, as a share of the optimum's."""
    none, best = objective(game, game.laws), float(solve(game).V[0])
    return (objective(game, pi) - none) / (best - none)


def _softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x - logsumexp(x, axis=-1, keepdims=True))

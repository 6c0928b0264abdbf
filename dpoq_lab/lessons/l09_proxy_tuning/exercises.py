"""The exercises of lesson 09: solutions, cases, and the mistakes that are named."""

from collections.abc import Callable

import numpy as np
from scipy.special import log_softmax, logsumexp, softmax

from dpoq_lab.lessons.check import Case, Exercise, checker
from dpoq_lab.theory.mixtures import mixed_logits
from dpoq_lab.theory.soft_bellman import solve
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, random_reward, random_tree


def mixture(log_base: np.ndarray, log_proxy: np.ndarray, log_ref: np.ndarray, lam: float) -> np.ndarray:
    """pi proportional to pi_base (pi_proxy / pi_ref)^lambda (eq. 14), (n_actions,)."""
    return softmax(mixed_logits(log_base, log_proxy, log_ref, lam))


def change(log_base: np.ndarray, log_ratio: np.ndarray, lam: float) -> np.ndarray:
    """log of mixture over base: lambda log_ratio - log E_base[e^{lambda log_ratio}], (n_actions,), nats."""
    return lam * log_ratio - logsumexp(log_base + lam * log_ratio)


def distance(base: Levels, proxy: Levels, ref: Levels, tuned: Levels, lam: float) -> float:
    """KL(mixture, tuned) of whole replies, in nats: KL at each state, weighted by the mixture's visits."""
    return _summed(base, proxy, ref, tuned, lam)


Logits = Callable[[np.ndarray, np.ndarray, np.ndarray, float], np.ndarray]


def _summed(
    base: Levels,
    proxy: Levels,
    ref: Levels,
    tuned: Levels,
    lam: float,
    logits: Logits = mixed_logits,
    normalised: bool = True,
    reverse: bool = False,
    visited_by: str = "mixture",
    axis: int | None = 1,
    eos: int = -1,
    once: bool = False,
) -> float:
    """The distance; another `logits`, an unnormalised mixture, KL(tuned, mixture), or other visits.

    `axis` is what the mixture is normalised over, `eos` the column that leads nowhere; `once`: the visits of
    a level are not multiplied with those of the levels above.
    """
    visits, total = np.ones(1), 0.0
    for levels in zip(base, proxy, ref, tuned, strict=True):
        *logs, log_tuned = (np.log(level) for level in levels)
        log_pi = logits(*logs, lam)
        log_pi = log_softmax(log_pi, axis=axis) if normalised else log_pi
        gap = log_pi - log_tuned
        here = (-levels[3] * gap if reverse else np.exp(log_pi) * gap).sum(axis=1)
        total += {"nobody": here.sum(), "mean": here.mean()}.get(visited_by, visits @ here)
        pi = {"tuned": levels[3], "base": levels[0]}.get(visited_by, np.exp(log_pi))
        visits = ((1 if once else visits[:, None]) * np.delete(pi, eos, axis=1)).ravel()
    return float(total)


def _law(seed: int) -> np.ndarray:
    return log_softmax(np.random.default_rng(seed).normal(size=3)).round(2)


def _tree(n_actions: int, horizon: int, seed: int, lam: float) -> Case:
    """Base, proxy, reference and the base tuned itself, on a random tree."""
    mdp, base = (random_tree(n_actions, horizon, 0.7, seed + more) for more in (0, 50))
    r = random_reward(mdp, seed + 100)
    tuned = solve(TokenMDP(base.pi_ref, mdp.beta / lam), r).pi
    return base.pi_ref, solve(mdp, r).pi, mdp.pi_ref, tuned, lam


MIXTURES: list[Case] = [(_law(0), _law(1), _law(2), 1.5), (_law(3), _law(4), _law(5), 0.5)]
CHANGES: list[Case] = [
    (np.log([0.5, 0.25, 0.25]), np.array([0.0, -1.0, 1.0]), 1.5),
    (np.log([0.4, 0.6]), np.array([0.2, -1.1]), 0.5),
]


def _small(*policies: list[list[list[float]]], lam: float) -> Case:
    return (*([np.array(level) for level in policy] for policy in policies), lam)


ONE_STATE = _small([[[0.5, 0.5]]], [[[0.8, 0.2]]], [[[0.4, 0.6]]], [[[0.7, 0.3]]], lam=0.5)
A_CHAIN = _small(  # two tokens: one state a level
    [[[0.5, 0.5]], [[0.4, 0.6]], [[0.3, 0.7]]],
    [[[0.8, 0.2]], [[0.5, 0.5]], [[0.4, 0.6]]],
    [[[0.6, 0.4]], [[0.7, 0.3]], [[0.5, 0.5]]],
    [[[0.7, 0.3]], [[0.1, 0.9]], [[0.6, 0.4]]],
    lam=2.0,
)
A_TREE = _small(
    [[[0.5, 0.3, 0.2]], [[0.4, 0.4, 0.2], [0.1, 0.6, 0.3]]],
    [[[0.6, 0.1, 0.3]], [[0.5, 0.2, 0.3], [0.2, 0.2, 0.6]]],
    [[[0.4, 0.4, 0.2]], [[0.3, 0.3, 0.4], [0.1, 0.7, 0.2]]],
    [[[0.7, 0.2, 0.1]], [[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]]],
    lam=1.5,
)
TREES: list[Case] = [ONE_STATE, A_CHAIN, A_TREE, _tree(3, 3, 2, 0.5), _tree(3, 4, 3, 1.5)]

EXERCISES = {
    "09.1": Exercise(
        mixture,
        MIXTURES,
        [
            (
                "the sum is not 1: divide by it.",
                lambda b, p, r, lam: np.exp(b + lam * (p - r)),
            ),
            ("proxy and reference are swapped.", lambda b, p, r, lam: mixture(b, r, p, lam)),
            ("lambda is missing.", lambda b, p, r, lam: mixture(b, p, r, 1.0)),
            ("the base is missing.", lambda b, p, r, lam: mixture(0 * b, p, r, lam)),
            (
                "lambda scales the base too.",
                lambda b, p, r, lam: mixture(lam * b, p, r, lam),
            ),
            (
                "those are the logits; take the exponential and normalise.",
                lambda b, p, r, lam: mixed_logits(b, p, r, lam),
            ),
        ],
    ),
    "09.2": Exercise(
        change,
        CHANGES,
        [
            ("the normaliser is missing: subtract log Z.", lambda b, d, lam: lam * d),
            (
                "Z is a mean under the base: pi_base is missing in it.",
                lambda b, d, lam: lam * d - logsumexp(lam * d),
            ),
            (
                "Z was computed without lambda.",
                lambda b, d, lam: lam * d - logsumexp(b + d),
            ),
            ("lambda is missing.", lambda b, d, lam: change(b, d, 1.0)),
            (
                "that is the mixture's own log-probability; subtract the base's.",
                lambda b, d, lam: b + change(b, d, lam),
            ),
            (
                "the logarithm of Z is missing.",
                lambda b, d, lam: lam * d - np.exp(logsumexp(b + lam * d)),
            ),
        ],
    ),
    "09.3": Exercise(
        distance,
        TREES,
        [
            (
                "the mixture is not normalised: divide by its sum at each state.",
                lambda *case: _summed(*case, normalised=False),
            ),
            (
                "lambda scales the base too; it is the exponent of proxy/reference alone.",
                lambda *case: _summed(*case, logits=lambda b, p, q, lam: lam * (b + p - q)),
            ),
            (
                "the ratio is upside down: proxy over reference.",
                lambda *case: _summed(*case, logits=lambda b, p, q, lam: b - lam * (p - q)),
            ),
            (
                "the base is missing in the mixture.",
                lambda *case: _summed(*case, logits=lambda b, p, q, lam: lam * (p - q)),
            ),
            (
                "at each state that is KL(tuned, mixture); here it is the other direction.",
                lambda *case: _summed(*case, reverse=True),
            ),
            (
                "KL and visits are both the tuned policy's: that is KL(tuned, mixture).",
                lambda *case: _summed(*case, reverse=True, visited_by="tuned"),
            ),
            (
                "the states are not weighted: multiply each KL by how often the mixture comes there.",
                lambda *case: _summed(*case, visited_by="nobody"),
            ),
            (
                "that is the mean over the states of a level; weigh them by the mixture's visits.",
                lambda *case: _summed(*case, visited_by="mean"),
            ),
            (
                "the visits are the tuned policy's; replies are drawn from the mixture.",
                lambda *case: _summed(*case, visited_by="tuned"),
            ),
            (
                "the mixture sums to 1 over a whole level; normalise each state, over axis=1.",
                lambda *case: _summed(*case, axis=None),
            ),
            (
                "EOS is the last column, not the first: it leads nowhere.",
                lambda *case: _summed(*case, eos=0),
            ),
            (
                "visits multiply: to be in a state a reply must have come to the one above.",
                lambda *case: _summed(*case, once=True),
            ),
            (
                "the KLs of the levels are summed over a reply, not averaged.",
                lambda *case: distance(*case) / len(case[0]),
            ),
            (
                "the visits are the base's; replies are drawn from the mixture.",
                lambda *case: _summed(*case, visited_by="base"),
            ),
        ],
    ),
}

check = checker(EXERCISES)

"""The exercises of lesson 09: solutions, cases, and the mistakes that are named."""

import numpy as np
from scipy.special import softmax

from dpoq_lab.lessons.check import Case, Exercise, checker
from dpoq_lab.theory.mixtures import mixed_logits


def mixture(log_base: np.ndarray, log_proxy: np.ndarray, log_ref: np.ndarray, lam: float) -> np.ndarray:
    """pi proportional to pi_base (pi_proxy / pi_ref)^lambda (eq. 14), (n_actions,)."""
    return softmax(mixed_logits(log_base, log_proxy, log_ref, lam))


def _law(seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=5)
    return x - np.log(np.exp(x).sum())


MIXTURES: list[Case] = [(_law(0), _law(1), _law(2), 1.5), (_law(3), _law(4), _law(5), 0.5)]

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
        ],
    ),
    "09.2": Exercise(
        0.0,
        [],
        [
            ("lambda = 1 gives the proxy's own policy only if base and reference are one.", 1.0),
            ("half the exponent is half-way, not the base.", 0.5),
        ],
    ),
    "09.3": Exercise(
        -3.0,
        [],
        [
            ("lambda is missing: only half of the advantage is added.", -2.0),
            ("that is what is added; the base's own log-probability is missing.", 1.0),
            ("the sign is off: the proxy likes this token more than its reference does.", -5.0),
        ],
    ),
}

check = checker(EXERCISES)

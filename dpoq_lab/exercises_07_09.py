"""The exercises of lessons 07 to 09: solutions, cases, and the mistakes that are named."""

import numpy as np

from dpoq_lab.exercises import Case, Exercise


def likelihood_pick(R: np.ndarray, log_pi_ref: np.ndarray, beta: float) -> int:
    """The reply that likelihood search on pi* returns, by eq. (13) at the end of a reply."""
    return int(np.argmax(R + beta * log_pi_ref))


def normalised(log_pis: list[float], length_penalty: float) -> float:
    """sum log pi / length**length_penalty; EOS counts."""
    return sum(log_pis) / len(log_pis) ** length_penalty


def mixture(log_base: np.ndarray, log_proxy: np.ndarray, log_ref: np.ndarray, lam: float) -> np.ndarray:
    """pi proportional to pi_base (pi_proxy / pi_ref)^lambda (eq. 14), (V,)."""
    logits = log_base + lam * (log_proxy - log_ref)
    p = np.exp(logits - logits.max())
    return p / p.sum()


def _mean_reward(kl_mu_ref: float, kl_mu_pi: float, beta: float) -> float:
    return beta * (kl_mu_ref - kl_mu_pi)


def _law(seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=5)
    return x - np.log(np.exp(x).sum())


PICKS: list[Case] = [
    (np.array([4.0, 3.0, 2.0, 0.0]), np.array([-6.0, -3.0, -1.5, -0.5]), 0.5),
    (np.array([1.0, 0.9]), np.array([-1.0, -3.0]), 0.1),
]
SUMS: list[Case] = [([-1.0, -2.0, -0.5], 1.0), ([-1.0, -2.0, -0.5], 0.0), ([-0.3, -0.2], 2.0)]
MIXTURES: list[Case] = [(_law(0), _law(1), _law(2), 1.5), (_law(3), _law(4), _law(5), 0.5)]

EXERCISES = {
    "07.1": Exercise(
        likelihood_pick,
        PICKS,
        [
            (
                "that is the best return; likelihood also pays beta log pi_ref.",
                lambda R, q, b: int(np.argmax(R)),
            ),
            ("that is the reference's own favourite.", lambda R, q, b: int(np.argmax(q))),
            ("beta is missing before log pi_ref.", lambda R, q, b: int(np.argmax(R + q))),
            ("that is the worst one.", lambda R, q, b: int(np.argmin(R + b * q))),
            ("return the index of the reply, not its score.", lambda R, q, b: float((R + b * q).max())),
        ],
    ),
    "07.2": Exercise(
        normalised,
        SUMS,
        [
            (
                "that is always the mean; the penalty is the exponent of the length.",
                lambda x, p: sum(x) / len(x),
            ),
            ("EOS is an action too and counts as length.", lambda x, p: sum(x) / (len(x) - 1) ** p),
            ("divide by the power of the length, do not multiply.", lambda x, p: sum(x) * len(x) ** p),
            ("the length is missing.", lambda x, p: sum(x)),
        ],
    ),
    "07.3": Exercise(
        2.4,
        [],
        [
            ("the sign is wrong as printed, so the error is not V* but twice V*.", 1.2),
            ("a constant shift is no error of 0: only the argmax does not notice it.", 0.0),
            ("(12) less the printed (13) is V* - (-V*).", -2.4),
        ],
    ),
    "08.1": Exercise(
        _mean_reward,
        [(1.6, 0.4, 0.5), (0.0, 0.7, 2.0)],
        [
            (
                "the two are swapped: room under the reference is for the reward.",
                lambda a, b, c: c * (b - a),
            ),
            ("beta is missing.", lambda a, b, c: a - b),
            ("that is the bound; subtract how far mu still is from pi.", lambda a, b, c: c * a),
            ("beta multiplies log-ratios.", lambda a, b, c: (a - b) / c),
        ],
    ),
    "08.2": Exercise(
        0.8,
        [],
        [
            ("beta is missing: rewards are beta times log-ratios.", 1.6),
            ("a KL cannot be negative, so KL(mu, pi) = 0 is the best case, not 1.6.", 0.0),
            ("beta multiplies log-ratios, it does not divide them.", 3.2),
        ],
    ),
    "08.3": Exercise(
        -0.5,
        [],
        [
            ("the mean of the two is what is fixed: half of their sum.", 2.5),
            ("chosen is minus beta KL plus half of the margin, not plus all of it.", 1.0),
            ("the sign of beta KL is off: the mean is below 0.", 3.5),
        ],
    ),
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

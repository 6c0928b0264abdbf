"""The exercises of lesson 03: solutions, cases, and the mistakes that are named."""

import numpy as np

from dpoq_lab.lessons.check import Exercise, checker


def _sigma(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def preferred(log_ratios_w: np.ndarray, log_ratios_l: np.ndarray, beta: float) -> float:
    """p(w preferred to l) by eq. (8), from the log-ratios of two replies, (N,) and (M,), EOS last."""
    return _sigma(beta * (log_ratios_w.sum() - log_ratios_l.sum()))


def true_margin(score_w: float, score_l: float, V_w: float, V_l: float) -> float:
    """R_w - R_l for replies that start in two states, each return being V*(s_0) + score."""
    return (V_w + score_w) - (V_l + score_l)


def centred_Q(log_pi: np.ndarray, log_pi_ref: np.ndarray, beta: float) -> np.ndarray:
    """Q*(s,a) minus its mean over a, (n, n_actions): beta log pi* minus its mean, V* being one for all a."""
    Q = beta * log_pi
    return Q - Q.mean(axis=1, keepdims=True)


def cut_score(r: np.ndarray, V_start: float, V_reached: float) -> float:
    """sum_t beta log pi*/pi_ref over the tokens (T,) of a reply that is not at its end."""
    return r.sum() + V_reached - V_start


def beta_two_ways(gap: float, beta: float) -> np.ndarray:
    """The first push -dL/dd at d = 0, and the log-ratio difference d at the optimum of a return gap."""
    return np.array([beta / 2, gap / beta])


_rng = np.random.default_rng(34)
RATIOS = [(_rng.normal(size=4), _rng.normal(size=7), 0.3), (_rng.normal(size=5), _rng.normal(size=2), 0.8)]
STARTS = [(1.2, 0.4, 0.5, -0.3), (-0.5, 0.1, -1.0, 0.7)]
POLICIES = [
    (np.log(_rng.dirichlet(np.ones(3), size=4)), np.log(_rng.dirichlet(np.ones(3), size=4)), beta)
    for beta in (0.5, 2.0)
]
CUTS = [(_rng.normal(size=3), 0.7, -0.4), (_rng.normal(size=5), -0.2, 1.1)]
EXERCISES = {
    "03.1": Exercise(
        preferred,
        RATIOS,
        [
            (
                "it averages over tokens; only sums telescope to the return.",
                lambda w, x, b: _sigma(b * (w.mean() - x.mean())),
            ),
            (
                "EOS is an action too: the last log-ratio belongs to the sum.",
                lambda w, x, b: _sigma(b * (w[:-1].sum() - x[:-1].sum())),
            ),
            ("beta is missing.", lambda w, x, b: _sigma(w.sum() - x.sum())),
            ("the two replies are swapped.", lambda w, x, b: _sigma(b * (x.sum() - w.sum()))),
            ("that is the margin; return its sigma.", lambda w, x, b: b * (w.sum() - x.sum())),
        ],
    ),
    "03.2": Exercise(
        true_margin,
        STARTS,
        [
            ("V*(s_0) cancels only if the start is shared; here it is not.", lambda w, x, a, b: w - x),
            (
                "the sign of V*(s_0) is off: R = V*(s_0) + score.",
                lambda w, x, a, b: (w - a) - (x - b),
            ),
            ("each reply has its own V*(s_0): subtract that of the other too.", lambda w, x, a, b: w + a - x),
        ],
    ),
    "03.3": Exercise(
        centred_Q,
        POLICIES,
        [
            (
                "without log pi_ref, please: the paper's Q* contains it, and Q* - V* = beta log pi*.",
                lambda p, q, b: centred_Q(p - q, q, b),
            ),
            ("beta multiplies log-probabilities; it divides Q.", lambda p, q, b: centred_Q(p, q, 1 / b)),
            ("beta is missing.", lambda p, q, b: centred_Q(p, q, 1.0)),
            (
                "the constant is one per state: centre over the tokens, axis 1.",
                lambda p, q, b: b * (p - p.mean(axis=0)),
            ),
            ("it is not centred: take the mean of each state off.", lambda p, q, b: b * p),
        ],
    ),
    "03.4": Exercise(
        cut_score,
        CUTS,
        [
            (
                "V* of the state reached is missing: a cut reply is not terminal.",
                lambda r, v, w: r.sum() - v,
            ),
            ("V*(s_0) is missing.", lambda r, v, w: r.sum() + w),
            ("the two values are swapped: + V*(reached) - V*(s_0).", lambda r, v, w: r.sum() + v - w),
            ("that is only what was paid so far.", lambda r, v, w: r.sum()),
            ("a sum, not a mean.", lambda r, v, w: r.mean() + w - v),
        ],
    ),
    "03.5": Exercise(
        beta_two_ways,
        [(1.0, 0.1), (2.0, 0.5)],
        [
            (
                "both are upside down: a larger beta pushes harder at first and ends nearer the reference.",
                lambda g, b: np.array([1 / (2 * b), g * b]),
            ),
            (
                "the optimum is the wrong way round: beta d = gap, so d falls with beta.",
                lambda g, b: np.array([b / 2, g * b]),
            ),
            (
                "the push is the wrong way round: -dL/dd = beta sigma(-beta d) rises with beta.",
                lambda g, b: np.array([1 / (2 * b), g / b]),
            ),
            ("sigma(0) = 1/2 is missing in the push.", lambda g, b: np.array([b, g / b])),
        ],
    ),
}

check = checker(EXERCISES)

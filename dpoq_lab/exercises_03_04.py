"""The exercises of lessons 03 and 04: solutions, cases, and the mistakes that are named."""

import numpy as np

from dpoq_lab.exercises import Exercise


def _sigma(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def preferred(log_ratios_w: np.ndarray, log_ratios_l: np.ndarray, beta: float) -> float:
    """p(w preferred to l) by eq. (8), from the log-ratios of two replies, (N,) and (M,), EOS last."""
    return _sigma(beta * (log_ratios_w.sum() - log_ratios_l.sum()))


def true_margin(score_w: float, score_l: float, V_w: float, V_l: float) -> float:
    """R_w - R_l for replies that start in two states, each return being V*(s_0) + score."""
    return (V_w + score_w) - (V_l + score_l)


def centred_Q(log_pi: np.ndarray, log_pi_ref: np.ndarray, beta: float) -> np.ndarray:
    """Q*(s,a) minus its mean over a, (n, V): beta log pi* minus its mean, as V*(s) is one for all a."""
    Q = beta * log_pi
    return Q - Q.mean(axis=1, keepdims=True)


def cut_score(r: np.ndarray, V_start: float, V_reached: float) -> float:
    """sum_t beta log pi*/pi_ref over the tokens (T,) of a reply that is not at its end."""
    return r.sum() + V_reached - V_start


def beta_two_ways(gap: float, beta: float) -> np.ndarray:
    """The first push -dL/dd at d = 0, and the log-ratio difference d at the optimum of a return gap."""
    return np.array([beta / 2, gap / beta])


def advantages(r: np.ndarray, V: np.ndarray) -> np.ndarray:
    """r + V(s') - V(s) along a complete reply, (T,), from `r` and `V` of its states; V(terminal) = 0."""
    return r + np.append(V[1:], 0) - V


def shaped_return(r: np.ndarray, phi: np.ndarray) -> float:
    """The return of r + Phi(s') - Phi(s) along a reply of T tokens through T + 1 states."""
    return r.sum() + phi[-1] - phi[0]


def soft_value(p: np.ndarray, R: np.ndarray, beta: float) -> float:
    """beta log E_p e^{R/beta} over the ways to go on."""
    return beta * np.log(p @ np.exp(R / beta))


def same_preferences(R: np.ndarray, R_other: np.ndarray) -> bool:
    """Whether two sets of returns of one prompt give the same preference probabilities."""
    return bool(np.ptp(R - R_other) < 1e-6)


_rng = np.random.default_rng(34)
RATIOS = [(_rng.normal(size=4), _rng.normal(size=7), 0.3), (_rng.normal(size=5), _rng.normal(size=2), 0.8)]
STARTS = [(1.2, 0.4, 0.5, -0.3), (-0.5, 0.1, -1.0, 0.7)]
POLICIES = [
    (np.log(_rng.dirichlet(np.ones(3), size=4)), np.log(_rng.dirichlet(np.ones(3), size=4)), beta)
    for beta in (0.5, 2.0)
]
CUTS = [(_rng.normal(size=3), 0.7, -0.4), (_rng.normal(size=5), -0.2, 1.1)]
PATHS = [(_rng.normal(size=T), _rng.normal(size=T)) for T in (3, 5)]
SHAPED = [(_rng.normal(size=T), _rng.normal(size=T + 1)) for T in (3, 5)]
GOING_ON = [(np.array([0.7, 0.2, 0.1]), np.array([1.0, -1.0, 2.0]), beta) for beta in (0.5, 2.0)]
_R = np.array([1.0, 0.0, -1.0, 3.0])
RETURNS = [(_R, _R), (_R, _R - 2), (_R, 2 * _R), (_R, _R**3), (_R, -_R)]


def _ranks(R: np.ndarray) -> list[int]:
    return np.argsort(R).tolist()


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
    "04.1": Exercise(
        advantages,
        PATHS,
        [
            ("V(s'), the value of the state that the token leads to, is missing.", lambda r, V: r - V),
            (
                "V(s), the value of the state that the token leaves, is missing.",
                lambda r, V: r + np.append(V[1:], 0),
            ),
            ("V(s) and V(s') are swapped.", lambda r, V: r + V - np.append(V[1:], 0)),
            (
                "V(terminal) is 0, not the value of the last state.",
                lambda r, V: r + np.append(V[1:], V[-1]) - V,
            ),
        ],
    ),
    "04.2": Exercise(
        shaped_return,
        SHAPED,
        [
            (
                "the sign is off: + Phi(s') - Phi(s), so the last is added.",
                lambda r, p: r.sum() + p[0] - p[-1],
            ),
            ("the two ends of the sum stay: Phi(terminal) and Phi(s_0).", lambda r, p: r.sum()),
            ("Phi(terminal) need not be 0 here.", lambda r, p: r.sum() - p[0]),
            ("Phi(s_0) stays.", lambda r, p: r.sum() + p[-1]),
            ("the inner Phi cancel; only the ends stay.", lambda r, p: r.sum() + p.sum()),
        ],
    ),
    "04.3": Exercise(
        soft_value,
        GOING_ON,
        [
            ("that is the mean return; V* is a log-mean-exp.", lambda p, R, b: p @ R),
            ("that is the best return; V* is a log-mean-exp.", lambda p, R, b: R.max()),
            ("beta is missing.", lambda p, R, b: np.log(p @ np.exp(R))),
            ("the reference is missing: it is a mean under pi_ref.", lambda p, R, b: soft_value(p**0, R, b)),
            (
                "R is divided by beta, but the logarithm is not multiplied.",
                lambda p, R, b: soft_value(p, R, b) / b,
            ),
        ],
    ),
    "04.4": Exercise(
        same_preferences,
        RETURNS,
        [
            ("one constant for all returns of the prompt cancels.", lambda R, S: bool(np.allclose(R, S))),
            (
                "the same order is not enough: the probabilities depend on the differences.",
                lambda R, S: _ranks(R) == _ranks(S),
            ),
            (
                "a factor changes the probabilities; only a shift does not.",
                lambda R, S: bool(np.corrcoef(R, S)[0, 1] > 1 - 1e-9),
            ),
        ],
    ),
}

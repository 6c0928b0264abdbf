"""The exercises of lesson 04: solutions, cases, and the mistakes that are named."""

import numpy as np

from dpoq_lab.lessons.check import Exercise, checker


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


_rng = np.random.default_rng(4)
PATHS = [(_rng.normal(size=T), _rng.normal(size=T)) for T in (3, 5)]
SHAPED = [(_rng.normal(size=T), _rng.normal(size=T + 1)) for T in (3, 5)]
GOING_ON = [(np.array([0.7, 0.2, 0.1]), np.array([1.0, -1.0, 2.0]), beta) for beta in (0.5, 2.0)]
_R = np.array([1.0, 0.0, -1.0, 3.0])
RETURNS = [(_R, _R), (_R, _R - 2), (_R, 2 * _R), (_R, _R**3), (_R, -_R)]


def _ranks(R: np.ndarray) -> list[int]:
    return np.argsort(R).tolist()


EXERCISES = {
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

check = checker(EXERCISES)

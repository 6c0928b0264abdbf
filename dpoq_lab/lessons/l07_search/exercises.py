"""The exercises of lesson 07: solutions, cases, and the mistakes that are named."""

import numpy as np

from dpoq_lab.lessons.check import Case, Exercise, checker


def likelihood_pick(R: np.ndarray, log_pi_ref: np.ndarray, beta: float) -> int:
    """The reply that likelihood search on pi* returns, by eq. (13) at the end of a reply."""
    return int(np.argmax(R + beta * log_pi_ref))


def normalised(log_pis: list[float], length_penalty: float) -> float:
    """sum log pi / length**length_penalty; EOS counts."""
    return sum(log_pis) / len(log_pis) ** length_penalty


PICKS: list[Case] = [
    (np.array([4.0, 3.0, 2.0, 0.0]), np.array([-6.0, -3.0, -1.5, -0.5]), 0.5),
    (np.array([1.0, 0.9]), np.array([-1.0, -3.0]), 0.1),
]
SUMS: list[Case] = [([-1.0, -2.0, -0.5], 1.0), ([-1.0, -2.0, -0.5], 0.0), ([-0.3, -0.2], 2.0)]
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
}

check = checker(EXERCISES)

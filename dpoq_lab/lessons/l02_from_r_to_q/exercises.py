"""The exercises of lesson 02: solutions, cases, and the mistakes that are named."""

import numpy as np
from scipy.special import logsumexp, softmax

from dpoq_lab.lessons.check import Case, Exercise, checker


def soft_value(Q: np.ndarray, beta: float) -> float:
    """V(s) = beta log sum_a e^{Q(s,a)/beta}, eq. (6), for Q (n_actions,)."""
    return beta * np.log(np.sum(np.exp(Q / beta)))


def policy_from_q(q: np.ndarray, pi_ref: np.ndarray, beta: float) -> np.ndarray:
    """pi(a|s) proportional to pi_ref e^{q/beta}, (n_actions,), for q = Q - beta log pi_ref."""
    weight = pi_ref * np.exp(q / beta)
    return weight / weight.sum()


def implied_reward(
    Q: np.ndarray, pi_ref: np.ndarray, V_next: np.ndarray, ends: np.ndarray, beta: float
) -> np.ndarray:
    """r = Q - beta log pi_ref - V(s'), (n_actions,), with V(s') = 0 where `ends`."""
    return Q - beta * np.log(pi_ref) - np.where(ends, 0.0, V_next)


def reply_return(V_0: float, log_pi: np.ndarray, log_pi_ref: np.ndarray, beta: float) -> float:
    """R = V*(s_0) + sum_t beta log pi*/pi_ref, for log-probabilities (T,)."""
    return V_0 + beta * np.sum(log_pi - log_pi_ref)


RETURNS: list[Case] = [
    (np.array([1.0, -0.5, 2.0]), np.array([0.2, 0.7, 0.1]), 0.5),
    (np.array([-1.0, 0.3, 0.4, 0.0]), np.array([0.4, 0.1, 0.2, 0.3]), 2.0),
]
QS: list[Case] = [(np.array([1.0, -0.5, 2.0]), 0.5), (np.array([-1.0, 0.3, 0.4, 0.0]), 2.0)]
STATES: list[Case] = [
    (
        np.array([1.0, -0.5, 2.0]),
        np.array([0.2, 0.7, 0.1]),
        np.array([0.5, -1.0, 3.0]),
        np.array([False, False, True]),
        0.5,
    ),
    (
        np.array([-1.0, 0.3]),
        np.array([0.4, 0.6]),
        np.array([1.5, -2.0]),
        np.array([True, True]),
        2.0,
    ),
]
REPLIES: list[Case] = [
    (0.7, np.array([-0.1, -2.0, -0.4]), np.array([-0.5, -1.0, -0.9]), 0.5),
    (-0.3, np.array([-1.5, -0.2]), np.array([-0.3, -0.6]), 2.0),
]

EXERCISES = {
    "02.1": Exercise(
        soft_value,
        QS,
        [
            ("V is a soft maximum: that is max, the limit beta -> 0.", lambda Q, b: np.max(Q)),
            ("beta is forgotten, inside and in front.", lambda Q, b: logsumexp(Q)),
            ("the beta in front of the logarithm is missing.", lambda Q, b: logsumexp(Q / b)),
            ("Q is to be divided by beta inside the exponential.", lambda Q, b: b * logsumexp(Q)),
            (
                "that averages over tokens; the paper's Q* contains pi_ref already, so (6) is a plain sum.",
                lambda Q, b: soft_value(Q, b) - b * np.log(len(Q)),
            ),
            (
                "that is E_pi Q; the entropy that the policy earns is missing.",
                lambda Q, b: np.sum(softmax(Q / b) * Q),
            ),
        ],
    ),
    "02.2": Exercise(
        policy_from_q,
        RETURNS,
        [
            (
                "pi_ref is missing: this q, unlike the paper's Q*, does not contain it.",
                lambda q, p, b: softmax(q / b),
            ),
            ("pi_ref is counted twice.", lambda q, p, b: policy_from_q(q, p**2, b)),
            (
                "beta divides logits; it does not multiply them.",
                lambda q, p, b: policy_from_q(b * q, p, 1.0),
            ),
            ("beta is missing.", lambda q, p, b: policy_from_q(q, p, 1.0)),
            ("it does not sum to 1.", lambda q, p, b: p * np.exp(q / b)),
        ],
    ),
    "02.3": Exercise(
        implied_reward,
        STATES,
        [
            (
                "V at terminal states is 0, whatever a network says about the text after EOS.",
                lambda Q, p, V, ends, b: Q - b * np.log(p) - V,
            ),
            (
                "beta log pi_ref is missing: the paper's Q* contains it, the reward does not.",
                lambda Q, p, V, ends, b: Q - np.where(ends, 0, V),
            ),
            (
                "log pi_ref has lost its beta.",
                lambda Q, p, V, ends, b: Q - np.log(p) - np.where(ends, 0, V),
            ),
            (
                "solve (7) for r: V(s') changes its sign.",
                lambda Q, p, V, ends, b: Q - b * np.log(p) + np.where(ends, 0, V),
            ),
            (
                "you subtracted V(s); that is the advantage of (10). The reward needs V(s').",
                lambda Q, p, V, ends, b: Q - b * np.log(p) - soft_value(Q, b),
            ),
        ],
    ),
    "02.4": Exercise(
        [0.5, -0.5, 0.0],
        [],
        [
            ("pi does not move, but the reward does.", [0.0, 0.0, 0.0]),
            (
                "the reward into the state subtracts V(s'), which the shift raises; so R stays.",
                [0.5, 0.0, 0.5],
            ),
            ("the two signs are exchanged: r = Q - beta log pi_ref - V(s').", [-0.5, 0.5, 0.0]),
            ("the reply takes the edge in and an edge out; the two changes cancel.", [0.5, -0.5, 0.5]),
        ],
    ),
    "02.5": Exercise(
        reply_return,
        REPLIES,
        [
            (
                "the sum has the wrong sign: the paper's misprint, or the ratio is upside down.",
                lambda V, p, q, b: V - b * np.sum(p - q),
            ),
            (
                "V*(s_0) is missing; it cancels only between two replies.",
                lambda V, p, q, b: b * np.sum(p - q),
            ),
            ("V*(s_0) is added, not subtracted.", lambda V, p, q, b: -V + b * np.sum(p - q)),
            ("beta is missing.", lambda V, p, q, b: V + np.sum(p - q)),
            ("that is the mean over tokens; only sums telescope.", lambda V, p, q, b: V + b * np.mean(p - q)),
            ("that is the sum of log pi* alone; pi_ref is missing.", lambda V, p, q, b: V + b * np.sum(p)),
        ],
    ),
}

check = checker(EXERCISES)

"""The exercises of lessons 01 and 02: solutions, cases, and the mistakes that are named."""

import numpy as np
from scipy.special import expit, logsumexp, softmax

from dpoq_lab.exercises import Case, Exercise


def count_replies(V: int, H: int) -> int:
    """Complete replies of at most H tokens, EOS being one of V: ended by EOS, or by the horizon."""
    return sum((V - 1) ** t for t in range(H - 1)) + (V - 1) ** (H - 1) * V


def reply_preference(r_w: np.ndarray, r_l: np.ndarray) -> float:
    """p(w preferred to l) = sigma(sum r_w - sum r_l), eq. (1), for token rewards (N,) and (M,)."""
    return expit(np.sum(r_w) - np.sum(r_l))


def bandit_optimum(R: np.ndarray, pi_ref: np.ndarray, beta: float) -> np.ndarray:
    """pi*(y) = pi_ref(y) e^{R(y)/beta} / Z of all N replies, (N,)."""
    weight = pi_ref * np.exp(R / beta)
    return weight / weight.sum()


def bandit_value(R: np.ndarray, pi_ref: np.ndarray, beta: float) -> float:
    """beta log Z = beta log sum_y pi_ref(y) e^{R(y)/beta}."""
    return beta * np.log(np.sum(pi_ref * np.exp(R / beta)))


def soft_value(Q: np.ndarray, beta: float) -> float:
    """V(s) = beta log sum_a e^{Q(s,a)/beta}, eq. (6), for Q (V,)."""
    return beta * np.log(np.sum(np.exp(Q / beta)))


def policy_from_q(q: np.ndarray, pi_ref: np.ndarray, beta: float) -> np.ndarray:
    """pi(a|s) proportional to pi_ref e^{q/beta}, (V,), for q = Q - beta log pi_ref."""
    return bandit_optimum(q, pi_ref, beta)


def implied_reward(
    Q: np.ndarray, pi_ref: np.ndarray, V_next: np.ndarray, ends: np.ndarray, beta: float
) -> np.ndarray:
    """r = Q - beta log pi_ref - V(s'), (V,), with V(s') = 0 where `ends`."""
    return Q - beta * np.log(pi_ref) - np.where(ends, 0.0, V_next)


def reply_return(V_0: float, log_pi: np.ndarray, log_pi_ref: np.ndarray, beta: float) -> float:
    """R = V*(s_0) + sum_t beta log pi*/pi_ref, for log-probabilities (T,)."""
    return V_0 + beta * np.sum(log_pi - log_pi_ref)


def _one_hot(R: np.ndarray) -> np.ndarray:
    return np.eye(len(R))[np.argmax(R)]


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
    "01.1": Exercise(
        count_replies,
        [(3, 3), (3, 2), (4, 5), (2, 6)],
        [
            ("EOS ends the reply; V**H lets the text go on after it.", lambda V, H: V**H),
            (
                "you counted the replies that end in EOS; here the horizon ends a reply too.",
                lambda V, H: sum((V - 1) ** t for t in range(H)),
            ),
            (
                "those are the replies of exactly H tokens; EOS may come earlier.",
                lambda V, H: (V - 1) ** (H - 1) * V,
            ),
            (
                "EOS leads on to no state: V - 1 tokens continue, not V.",
                lambda V, H: sum(V**t for t in range(H - 1)) + V ** (H - 1) * V,
            ),
        ],
    ),
    "01.2": Exercise(
        reply_preference,
        [
            (np.array([0.0, 2.0, -0.5]), np.array([-1.0, 0.4])),
            (np.array([-1.0, 0.5]), np.array([0.1, 0.6, 0.2, 0.3])),
        ],
        [
            (
                "it compares means; equation (1) compares sums, whatever the lengths.",
                lambda w, x: expit(np.mean(w) - np.mean(x)),
            ),
            ("w and l are swapped.", lambda w, x: expit(np.sum(x) - np.sum(w))),
            (
                "the exponentials are missing: returns may be negative.",
                lambda w, x: np.sum(w) / (np.sum(w) + np.sum(x)),
            ),
            (
                "the last token, EOS, is an action too and is paid.",
                lambda w, x: expit(np.sum(w[:-1]) - np.sum(x[:-1])),
            ),
            (
                "the longer reply was cut to the length of the shorter; all of it counts.",
                lambda w, x: expit(np.sum(w[: len(x)]) - np.sum(x[: len(w)])),
            ),
            ("that is the difference of the returns; take sigma of it.", lambda w, x: np.sum(w) - np.sum(x)),
        ],
    ),
    "01.3": Exercise(
        bandit_optimum,
        RETURNS,
        [
            (
                "beta is missing: it is e^{R/beta}, in the numerator and in Z.",
                lambda R, p, b: bandit_optimum(R, p, 1.0),
            ),
            (
                "the numerator has e^{R/beta}, but Z was computed without beta.",
                lambda R, p, b: p * np.exp(R / b) / np.sum(p * np.exp(R)),
            ),
            (
                "beta divides the return; it does not multiply it.",
                lambda R, p, b: bandit_optimum(b * R, p, 1.0),
            ),
            (
                "pi_ref is missing: that is the optimum for a uniform reference.",
                lambda R, p, b: softmax(R / b),
            ),
            ("it does not sum to 1: divide by Z.", lambda R, p, b: p * np.exp(R / b)),
            ("that is the best reply alone, the limit beta -> 0.", lambda R, p, b: _one_hot(R)),
        ],
    ),
    "01.4": Exercise(
        bandit_value,
        RETURNS,
        [
            ("the beta in front of the logarithm is missing.", lambda R, p, b: bandit_value(R, p, b) / b),
            ("Z was computed without beta: it is e^{R/beta}.", lambda R, p, b: b * bandit_value(R, p, 1.0)),
            ("beta is missing, inside and in front.", lambda R, p, b: bandit_value(R, p, 1.0)),
            ("that is the hard maximum, the limit beta -> 0.", lambda R, p, b: np.max(R)),
            ("that is the mean under pi_ref, the limit beta -> infinity.", lambda R, p, b: np.sum(p * R)),
            ("pi_ref is missing in Z.", lambda R, p, b: soft_value(R, b)),
        ],
    ),
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
            ("pi_ref is counted twice.", lambda q, p, b: bandit_optimum(q, p**2, b)),
            (
                "beta divides logits; it does not multiply them.",
                lambda q, p, b: bandit_optimum(b * q, p, 1.0),
            ),
            ("beta is missing.", lambda q, p, b: bandit_optimum(q, p, 1.0)),
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

"""The exercises of lesson 01: solutions, cases, and the mistakes that are named."""

from collections.abc import Callable

import numpy as np
from scipy.special import expit, logsumexp, softmax

from dpoq_lab.lessons.check import Case, Exercise, checker
from dpoq_lab.theory.token_mdp import Levels, random_reward, random_tree


def count_replies(n_actions: int, H: int) -> int:
    """Complete replies of at most H tokens, EOS being one of n_actions: ended by EOS, or by the horizon."""
    goes_on = n_actions - 1
    return sum(goes_on**t for t in range(H - 1)) + goes_on ** (H - 1) * n_actions


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


def backward_induction(pi_ref: Levels, r: Levels, beta: float) -> tuple[Levels, Levels]:
    """V* (6), levels (n_t,), and pi* (5), levels (n_t, n_actions), from the last level to the first."""
    return _rolled_back(pi_ref, r, beta)


def _rolled_back(
    pi_ref: Levels,
    r: Levels,
    beta: float,
    value: Callable[[np.ndarray, float], np.ndarray] = lambda Q, beta: beta * logsumexp(Q / beta, axis=1),
    children: Callable[[np.ndarray, int], np.ndarray] = lambda V, n: V.reshape(n, -1),
) -> tuple[Levels, Levels]:
    """Backward induction with V from Q by `value`, and V of the n states' `children`, (n, n_actions - 1)."""
    V, pi = [], []
    for r_t, ref_t in zip(reversed(r), reversed(pi_ref), strict=True):
        Q = r_t + beta * np.log(ref_t)
        if V:
            Q[:, :-1] += children(V[0], len(r_t))
        V.insert(0, value(Q, beta))
        pi.insert(0, np.exp((Q - V[0][:, None]) / beta))
    return V, pi


def _one_hot(R: np.ndarray) -> np.ndarray:
    return np.eye(len(R))[np.argmax(R)]


RETURNS: list[Case] = [
    (np.array([1.0, -0.5, 2.0]), np.array([0.2, 0.7, 0.1]), 0.5),
    (np.array([-1.0, 0.3, 0.4, 0.0]), np.array([0.4, 0.1, 0.2, 0.3]), 2.0),
]
TREES: list[Case] = [
    (tree.pi_ref, random_reward(tree, 7 + seed), tree.beta)
    for seed, tree in enumerate(
        [random_tree(2, 2, 0.5, 1), random_tree(3, 3, 2.0, 2), random_tree(4, 3, 0.7, 3)]
    )
]
EXERCISES = {
    "01.1": Exercise(
        count_replies,
        [(3, 3), (3, 2), (4, 5), (2, 6)],
        [
            ("EOS ends the reply; n_actions**H lets the text go on after it.", lambda n, H: n**H),
            (
                "you counted the replies that end in EOS; here the horizon ends a reply too.",
                lambda n, H: sum((n - 1) ** t for t in range(H)),
            ),
            (
                "those are the replies of exactly H tokens; EOS may come earlier.",
                lambda n, H: (n - 1) ** (H - 1) * n,
            ),
            (
                "EOS leads on to no state: n_actions - 1 tokens continue, not all.",
                lambda n, H: sum(n**t for t in range(H - 1)) + n ** (H - 1) * n,
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
            ("pi_ref is missing in Z.", lambda R, p, b: b * logsumexp(R / b)),
        ],
    ),
    "01.5": Exercise(
        backward_induction,
        TREES,
        [
            (
                "V*(s') is missing: each state is solved as if every token ended the reply.",
                lambda p, r, b: _rolled_back(p, r, b, children=lambda V, n: np.zeros((n, len(V) // n))),
            ),
            (
                "pi_ref is missing: Q* contains beta log pi_ref.",
                lambda p, r, b: _rolled_back([np.ones_like(level) for level in p], r, b),
            ),
            (
                "log pi_ref has lost its beta.",
                lambda p, r, b: _rolled_back([level ** (1 / b) for level in p], r, b),
            ),
            (
                "V* is a soft maximum; max is the limit beta -> 0.",
                lambda p, r, b: _rolled_back(p, r, b, value=lambda Q, b: Q.max(axis=1)),
            ),
            (
                "V* has lost the beta in front of its logarithm.",
                lambda p, r, b: _rolled_back(p, r, b, value=lambda Q, b: logsumexp(Q / b, axis=1)),
            ),
            (
                "that is the mean of Q* under the policy; the entropy that it earns is missing.",
                lambda p, r, b: _rolled_back(
                    p, r, b, value=lambda Q, b: (softmax(Q / b, axis=1) * Q).sum(axis=1)
                ),
            ),
            (
                "the children are taken in another order: state i's stand side by side, in row i.",
                lambda p, r, b: _rolled_back(p, r, b, children=lambda V, n: V.reshape(-1, n).T),
            ),
            (
                "V and pi are exchanged.",
                lambda p, r, b: backward_induction(p, r, b)[::-1],
            ),
        ],
    ),
}

check = checker(EXERCISES)

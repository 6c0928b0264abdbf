"""The exercises of lesson 02: solutions, cases, and the mistakes that are named."""

from collections.abc import Callable

import numpy as np
from scipy.special import logsumexp, softmax

from dpoq_lab.lessons.check import Case, Exercise, checker
from dpoq_lab.theory.token_mdp import Levels, random_reward, random_tree


def soft_value(Q: np.ndarray, beta: float) -> float:
    """V(s) = beta log sum_a e^{Q(s,a)/beta}, eq. (6), for Q (n_actions,)."""
    return beta * np.log(np.sum(np.exp(Q / beta)))


def policy_from_q(q: np.ndarray, pi_ref: np.ndarray, beta: float) -> np.ndarray:
    """pi(a|s) proportional to pi_ref e^{q/beta}, (n_actions,), for q = Q - beta log pi_ref."""
    weight = pi_ref * np.exp(q / beta)
    return weight / weight.sum()


def implied_reward(logits: Levels, pi_ref: Levels, beta: float) -> Levels:
    """The reward, levels (n_t, n_actions), for which a model with `logits`, sampled at temperature 1, is
    optimal: r = Q - beta log pi_ref - V(s') with Q = beta logits and V by (6), 0 where the reply ends."""
    return _way_back(logits, pi_ref, beta)


def _way_back(
    logits: Levels,
    pi_ref: Levels,
    beta: float,
    value: Callable[[np.ndarray, np.ndarray, float], np.ndarray] = lambda Q, p, b: (
        b * logsumexp(Q / b, axis=1)
    ),
    children: Callable[[np.ndarray, int], np.ndarray] = lambda V, n: V.reshape(n, -1),
    sign: float = -1.0,
) -> Levels:
    """The way from logits to the reward with V from Q and pi_ref by `value`, V of the n states' `children`,
    (n, n_actions - 1), and `sign` times V(s')."""
    r: Levels = []
    V = np.empty(0)
    for logits_t, ref_t in zip(reversed(logits), reversed(pi_ref), strict=True):
        Q = beta * logits_t
        paid = Q - beta * np.log(ref_t)
        if r:
            paid[:, :-1] += sign * children(V, len(Q))
        r.insert(0, paid)
        V = value(Q, ref_t, beta)
    return r


def _of_its_own_state(logits: Levels, pi_ref: Levels, beta: float) -> Levels:
    """Q - beta log pi_ref - V(s): the advantage in the place of the reward."""
    pairs = zip(logits, pi_ref, strict=True)
    return [beta * (x - logsumexp(x, axis=1, keepdims=True) - np.log(p)) for x, p in pairs]


def _eos_first(logits: Levels, pi_ref: Levels, beta: float) -> Levels:
    """The way back in which the first column ends the reply, not the last."""
    r, V = [], np.empty(0)
    for logits_t, ref_t in zip(reversed(logits), reversed(pi_ref), strict=True):
        paid = beta * (logits_t - np.log(ref_t))
        if r:
            paid[:, 1:] -= V.reshape(len(paid), -1)
        r.insert(0, paid)
        V = beta * logsumexp(logits_t, axis=1)
    return r


def reply_return(V_0: float, log_pi: np.ndarray, log_pi_ref: np.ndarray, beta: float) -> float:
    """R = V*(s_0) + sum_t beta log pi*/pi_ref, for log-probabilities (T,)."""
    return V_0 + beta * np.sum(log_pi - log_pi_ref)


RETURNS: list[Case] = [
    (np.array([1.0, -0.5, 2.0]), np.array([0.2, 0.7, 0.1]), 0.5),
    (np.array([-1.0, 0.3, 0.4, 0.0]), np.array([0.4, 0.1, 0.2, 0.3]), 2.0),
]
QS: list[Case] = [(np.array([1.0, -0.5, 2.0]), 0.5), (np.array([-1.0, 0.3, 0.4, 0.0]), 2.0)]
TREES: list[Case] = [
    (
        [np.array([[2.0, 1.0]]), np.array([[0.0, 1.0]])],
        [np.array([[0.6, 0.4]]), np.array([[0.3, 0.7]])],
        0.5,
    ),
    (  # the least tree in which the order of children tells: two states with two children each
        [
            np.array([[2.0, 2.0, 3.0]]),
            np.array([[3.0, 0.0, 1.0], [3.0, 0.0, 1.0]]),
            np.array([[3.0, 0.0, 2.0], [2.0, 1.0, 1.0], [1.0, 0.0, 3.0], [3.0, 0.0, 2.0]]),
        ],
        [
            np.array([[0.2, 0.3, 0.5]]),
            np.array([[0.2, 0.5, 0.3], [0.5, 0.2, 0.3]]),
            np.array([[0.2, 0.3, 0.5], [0.3, 0.2, 0.5], [0.2, 0.3, 0.5], [0.3, 0.2, 0.5]]),
        ],
        0.5,
    ),
    *(
        (random_reward(tree, 5 + seed), tree.pi_ref, tree.beta)
        for seed, tree in enumerate([random_tree(3, 3, 2.0, 2), random_tree(4, 3, 0.7, 3)])
    ),
]
REPLIES: list[Case] = [
    (0.7, np.array([-0.1, -2.0, -0.4]), np.array([-0.5, -1.0, -0.9]), 0.5),
    (-0.3127, np.array([-1.5, -0.2]), np.array([-0.3, -0.6]), 2.0),
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
            ("Q is divided by beta, not multiplied.", lambda Q, b: b * logsumexp(Q * b)),
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
        implied_reward,
        TREES,
        [
            (
                "V(s') is missing: only the tokens that end the reply have nothing to come.",
                lambda x, p, b: _way_back(x, p, b, sign=0.0),
            ),
            (
                "solve (7) for r: V(s') changes its sign.",
                lambda x, p, b: _way_back(x, p, b, sign=1.0),
            ),
            (
                "you subtracted V(s), of the token's own state: that is the advantage. r needs V(s').",
                _of_its_own_state,
            ),
            (
                "beta log pi_ref is missing: the paper's Q* contains it, the reward does not.",
                lambda x, p, b: _way_back(x, [np.ones_like(level) for level in p], b),
            ),
            (
                "beta log pi_ref is subtracted: the paper's Q* contains it.",
                lambda x, p, b: _way_back(x, [1 / level for level in p], b),
            ),
            (
                "log pi_ref has lost its beta.",
                lambda x, p, b: _way_back(x, [level ** (1 / b) for level in p], b),
            ),
            (
                "the logits were taken for Q: that holds for a model sampled at temperature beta. "
                "At temperature 1, Q = beta * logits.",
                lambda x, p, b: _way_back([level / b for level in x], p, b),
            ),
            (
                "V has lost the beta in front of its logarithm.",
                lambda x, p, b: _way_back(x, p, b, value=lambda Q, p, b: logsumexp(Q / b, axis=1)),
            ),
            (
                "Q is to be divided by beta inside the exponential of V.",
                lambda x, p, b: _way_back(x, p, b, value=lambda Q, p, b: b * logsumexp(Q, axis=1)),
            ),
            (
                "V is a soft maximum; max is the limit beta -> 0.",
                lambda x, p, b: _way_back(x, p, b, value=lambda Q, p, b: Q.max(axis=1)),
            ),
            (
                "pi_ref weights the sum in V: so it is with q, but the paper's Q* contains pi_ref already.",
                lambda x, p, b: _way_back(x, p, b, value=lambda Q, p, b: b * logsumexp(Q / b, axis=1, b=p)),
            ),
            (
                "the children are taken in another order: state i's stand side by side, in row i.",
                lambda x, p, b: _way_back(x, p, b, children=lambda V, n: V.reshape(-1, n).T),
            ),
            (
                "V(s') went to the wrong columns: EOS, the last one, ends the reply; the others lead on.",
                _eos_first,
            ),
            (
                "the levels are in reverse order: level 0, the root's, comes first.",
                lambda x, p, b: implied_reward(x, p, b)[::-1],
            ),
        ],
    ),
    "02.3": Exercise(
        [-0.5, 0.3, 0.2, 0.0],
        [],
        [
            ("the policy does not move, but the rewards do.", [0.0, 0.0, 0.0, 0.0]),
            ("V(s') is subtracted, not added: r = Q - beta log pi_ref - V(s').", [0.5, 0.7, 0.2, 1.4]),
            ("V(s') is subtracted, not added; so the edge in falls.", [0.5, 0.7, 0.2, 0.0]),
            ("V(s') is subtracted, not added; so the edge in falls.", [0.5, 0.3, 0.2, 0.0]),
            ("V(s') is subtracted, not added; so the edge in falls.", [0.5, 0.3, 0.2, 1.0]),
            ("V(s') is subtracted: the edge between the two states gets 0.5 - 0.2.", [-0.5, 0.7, 0.2, 0.4]),
            ("V(s') is subtracted: the edge between the two states gets 0.5 - 0.2.", [-0.5, 0.7, 0.2, 0.0]),
            ("all signs are exchanged: Q adds, V(s') subtracts.", [0.5, -0.3, -0.2, 0.0]),
            (
                "V rises with its Q, and the reward into each state subtracts it; so R stays.",
                [0.0, 0.5, 0.2, 0.7],
            ),
            ("a reward out of a state contains its own Q, which rises.", [-0.5, -0.2, 0.0, -0.7]),
            (
                "the edge between the two states feels both: +0.5 from its own Q, -0.2 from V(s').",
                [-0.5, 0.5, 0.2, 0.0],
            ),
            (
                "the edge between the two states feels both: +0.5 from its own Q, -0.2 from V(s').",
                [-0.5, 0.5, 0.2, 0.2],
            ),
            ("a reply through both takes all three edges: -0.5 + 0.3 + 0.2.", [-0.5, 0.3, 0.2, 0.5]),
            ("a reply through both takes all three edges: -0.5 + 0.3 + 0.2.", [-0.5, 0.3, 0.2, 0.7]),
        ],
    ),
    "02.4": Exercise(
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
            (
                "it does not sum to 1: weight by pi_ref first, then normalise.",
                lambda q, p, b: p * softmax(q / b),
            ),
            (
                "log pi_ref is not to be divided by beta: pi_ref e^{q/beta}.",
                lambda q, p, b: policy_from_q(q, p ** (1 / b), b),
            ),
        ],
    ),
    "02.5": Exercise(
        reply_return,
        REPLIES,
        [
            (
                "the sum has the wrong sign, or the ratio is upside down: what pi* likes better raises R.",
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
            ("one number is wanted: sum over the tokens.", lambda V, p, q, b: V + b * (p - q)),
        ],
    ),
}

check = checker(EXERCISES)

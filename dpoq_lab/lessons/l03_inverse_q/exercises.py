"""The exercises of lesson 03: solutions, cases, and the mistakes that are named."""

from collections.abc import Callable

import numpy as np
from scipy.special import log_softmax

from dpoq_lab.lessons.check import Case, Exercise, checker


def _sigma(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def preferred(log_ratios_w: np.ndarray, log_ratios_l: np.ndarray, beta: float) -> float:
    """p(w preferred to l) by eq. (8), from the log-ratios of two replies, (N,) and (M,), EOS last."""
    return _sigma(beta * (log_ratios_w.sum() - log_ratios_l.sum()))


Pair = tuple[list[tuple[int, int]], list[tuple[int, int]], float]  # tokens (state, token) of w and l, weight


def dpo(
    theta: np.ndarray, log_pi_ref: np.ndarray, pairs: list[Pair], beta: float
) -> tuple[float, np.ndarray]:
    """The DPO loss (9) in nats, and its gradient by the logits `theta` (n_states, n_actions).

    Each pair is the tokens of w, the tokens of l, each a (state, token), EOS last, and its weight; weights
    sum to 1. d log pi(a|s)/d theta(s,b) = 1[a = b] - pi(b|s).
    """
    return _dpo(theta, log_pi_ref, pairs, beta)


def _dpo(
    theta: np.ndarray,
    log_pi_ref: np.ndarray,
    pairs: list[Pair],
    beta: float,
    kept: Callable[[list], list] = lambda reply: reply,
    mean: bool = False,
    normalise: bool = True,
    axis: int | None = 1,
    softmax_moves: bool = True,
    factor: float | None = None,
    push: Callable[[float], float] = lambda margin: _sigma(-margin),
    cost: Callable[[float], float] = lambda margin: -np.log(_sigma(margin)),
) -> tuple[float, np.ndarray]:
    """`dpo` with the tokens `kept` of a reply, their mean in place of the sum, `factor` in place of beta in
    the gradient, another `push` or `cost` by margin, logits taken for log pi, or pi left out of the slope."""
    pi = np.exp(log_softmax(theta, axis=axis))
    log_pi = np.log(pi) if normalise else theta
    ratio = log_pi - log_pi_ref
    loss, gradient = 0.0, np.zeros_like(theta)
    for w, loser, weight in pairs:
        margin, slope = 0.0, np.zeros_like(theta)
        for reply, sign in ((kept(w), 1), (kept(loser), -1)):
            share = sign / len(reply) if mean else sign
            for s, a in reply:
                margin += beta * share * ratio[s, a]
                slope[s, a] += share
                slope[s] -= share * pi[s] * softmax_moves
        loss += weight * cost(margin)
        gradient -= weight * (beta if factor is None else factor) * push(margin) * slope
    return loss, gradient


def _unweighted(pairs: list[Pair]) -> list[Pair]:
    return [(w, loser, 1.0) for w, loser, _ in pairs]


def centred_Q(log_pi: np.ndarray, log_pi_ref: np.ndarray, beta: float) -> np.ndarray:
    """Q*(s,a) minus its mean over a, (n, n_actions): beta log pi* minus its mean, V* being one for all a."""
    Q = beta * log_pi
    return Q - Q.mean(axis=1, keepdims=True)


def cut_sum(r: np.ndarray, V_start: float, V_reached: float) -> float:
    """The sum of r_hat over the tokens (T,) that are left of a reply, by r and the two values."""
    return r.sum() + V_reached - V_start


def beta_two_ways(gap: float, beta: float) -> np.ndarray:
    """The first push -dL/dd at d = 0, and the log-ratio difference d at the optimum of a return gap."""
    return np.array([beta / 2, gap / beta])


_rng = np.random.default_rng(34)
RATIOS = [(_rng.normal(size=4), _rng.normal(size=7), 0.3), (_rng.normal(size=5), _rng.normal(size=2), 0.8)]
W, LOSER = [(0, 0), (1, 2)], [(0, 1), (2, 1), (6, 2)]  # 'thanks EOS' and 'no no EOS' of the polite tree
TREE: list[Case] = [
    (np.array([[0.5, 0.0]]), np.log([[0.6, 0.4]]), [([(0, 0)], [(0, 1)], 1.0)], 0.5),
    (
        _rng.normal(size=(2, 2)).round(1),
        np.log([[0.6, 0.4], [0.3, 0.7]]),
        [([(0, 0), (1, 1)], [(0, 1)], 0.75), ([(0, 1)], [(0, 0), (1, 0)], 0.25)],
        2.0,
    ),
    (
        _rng.normal(size=(7, 3)),
        np.log(_rng.dirichlet(np.ones(3), size=7)),
        [(W, LOSER, 0.5), (LOSER, [(0, 2)], 0.2), ([(0, 0), (1, 1), (4, 0)], W, 0.3)],
        0.3,
    ),
]
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
        dpo,
        TREE,
        [
            (
                "it averages over the tokens of a reply; the loss has their sum.",
                lambda *case: _dpo(*case, mean=True),
            ),
            (
                "EOS is an action too: the last token's log-ratio belongs to the sum.",
                lambda *case: _dpo(*case, kept=lambda reply: reply[:-1]),
            ),
            (
                "w and l are swapped: the loss rewards the reply that was rejected.",
                lambda t, ref, pairs, b: dpo(t, ref, [(x, w, p) for w, x, p in pairs], b),
            ),
            (
                "beta is missing, in the loss and in the gradient.",
                lambda t, ref, pairs, b: dpo(t, ref, pairs, 1.0),
            ),
            (
                "the loss is right; the gradient has lost its factor beta.",
                lambda *case: _dpo(*case, factor=1.0),
            ),
            (
                "the reference is missing: the loss has log pi - log pi_ref.",
                lambda t, ref, pairs, b: dpo(t, np.zeros_like(ref), pairs, b),
            ),
            (
                "the push is sigma(-margin) = 1 - sigma(margin): a pair that is won already pushes little.",
                lambda *case: _dpo(*case, push=_sigma),
            ),
            (
                "the gradient has the wrong sign: it points to where the loss rises.",
                lambda *case: (dpo(*case)[0], -dpo(*case)[1]),
            ),
            (
                "that is the gradient by log pi; a logit also lowers the other tokens of its state: "
                "d log pi(a|s)/d theta(s,b) = 1[a = b] - pi(b|s).",
                lambda *case: _dpo(*case, softmax_moves=False),
            ),
            (
                "logits are not log-probabilities yet: subtract log sum exp of each state.",
                lambda *case: _dpo(*case, normalise=False),
            ),
            (
                "logits become probabilities state by state: the sum runs over a row, axis 1.",
                lambda *case: _dpo(*case, axis=None),
            ),
            (
                "the weights sum to 1 already: no further mean over the pairs.",
                lambda t, ref, pairs, b: tuple(part / len(pairs) for part in dpo(t, ref, pairs, b)),
            ),
            (
                "the gradient is missing: return the loss and the gradient.",
                lambda *case: dpo(*case)[0],
            ),
            (
                "each pair counts with its weight.",
                lambda t, ref, pairs, b: dpo(t, ref, _unweighted(pairs), b),
            ),
            (
                "the logarithm is missing: a pair costs -log sigma(margin).",
                lambda *case: _dpo(*case, cost=lambda margin: _sigma(-margin)),
            ),
            (
                "that is log sigma(margin); the loss is minus it.",
                lambda *case: (-dpo(*case)[0], dpo(*case)[1]),
            ),
            (
                "loss and gradient are exchanged: return the loss first.",
                lambda *case: dpo(*case)[::-1],
            ),
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
        cut_sum,
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
        [(1.0, 0.1), (2.0, 0.7)],
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

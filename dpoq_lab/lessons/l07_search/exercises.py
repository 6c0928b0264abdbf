"""The exercises of lesson 07: solutions, cases, and the mistakes that are named."""

from collections.abc import Callable

import numpy as np

from dpoq_lab.lessons.check import Case, Exercise, checker
from dpoq_lab.lessons.l07_search.theory import beam_steps
from dpoq_lab.theory.search_values import up_to_here
from dpoq_lab.theory.soft_bellman import solve
from dpoq_lab.theory.token_mdp import Levels, Tokens, random_reward, random_tree

Replies = list[tuple[Tokens, float]]


def likelihood_pick(R: np.ndarray, log_pi_ref: np.ndarray, beta: float) -> int:
    """The reply that likelihood search on pi* returns, by eq. (13) at the end of a reply."""
    return int(np.argmax(R + beta * log_pi_ref))


def beam(log_pi: Levels, width: int) -> Replies:
    """The best replies and the sums of their `log_pi`, levels (n_t, n_actions), that a beam finds."""
    return [(h.tokens, h.rank) for h in beam_steps(up_to_here(log_pi), width)[-1]]


def gains(r: Levels, log_pi_ref: Levels, V: Levels, beta: float) -> Levels:
    """What each token adds to eq. (12), levels (n_t, n_actions): r + beta log pi_ref + V(s') - V(s), without
    - V(s_0) at the first, so that the sum along a prefix is (12)."""
    return _gains(r, log_pi_ref, V, beta)


def _gains(
    r: Levels,
    log_pi_ref: Levels,
    V: Levels,
    beta: float,
    after: float = 1.0,
    before: float = 1.0,
    children: Callable[[np.ndarray, int], np.ndarray] = lambda V, n: V.reshape(n, -1),
) -> Levels:
    """`gains` with V(s') and V(s) times `after` and `before`, the children of n states by `children`."""
    found = []
    for t, (pay, ref) in enumerate(zip(r, log_pi_ref, strict=True)):
        gain = pay + beta * ref
        if t + 1 < len(r):
            gain[:, :-1] += after * children(V[t + 1], len(pay))
        found.append(gain - before * V[t][:, None] if t else gain)
    return found


def normalised(log_pis: list[float], length_penalty: float) -> float:
    """sum log pi / length**length_penalty; EOS counts."""
    return sum(log_pis) / len(log_pis) ** length_penalty


def _variant(
    steps: Levels,
    width: int,
    per_parent: bool = False,
    keep_ended: bool = True,
    rank: Callable[[float, float, int], float] = lambda total, last, length: total,
    eos: float = 1.0,
    follow: bool = True,
) -> Replies:
    """A beam that goes wrong in one of the usual ways; ranks are of (sum, last step, length)."""
    n_actions, pool = steps[0].shape[1], [((), 0, 0.0, 0.0, False)]
    for t, level in enumerate(steps):
        grown = [h for h in pool if h[-1]] if keep_ended else []
        for tokens, state, total, _, _ in (h for h in pool if not h[-1]):
            mine = []
            for a in range(n_actions):
                step = float(level[state if follow else 0, a]) * (eos if a == n_actions - 1 else 1.0)
                ends = a == n_actions - 1 or t == len(steps) - 1
                mine.append(((*tokens, a), state * (n_actions - 1) + a, total + step, step, ends))
            grown += sorted(mine, key=lambda h: -h[2])[:width] if per_parent else mine
        pool = sorted(grown, key=lambda h: -rank(h[2], h[3], len(h[0])))
        pool = pool if per_parent else pool[:width]
    return [(h[0], h[2]) for h in pool]


PICKS: list[Case] = [
    (np.array([4.0, 3.0, 2.0, 0.0]), np.array([-6.0, -3.0, -1.5, -0.5]), 0.5),
    (np.array([1.0, 0.9]), np.array([-1.0, -3.0]), 0.1),
]
SUMS: list[Case] = [([-1.0, -2.0, -0.5], 1.0), ([-1.0, -2.0, -0.5], 0.0), ([-0.3, -0.2], 2.0)]
SMALL = [np.array([[-0.7, -1.6, -1.3]]), np.array([[-1.5, -1.9, -0.5], [-0.2, -2.3, -2.5]])]


def _log_levels(n_actions: int, H: int, seed: int, digits: int = 2) -> Levels:
    return [np.log(level).round(digits) for level in random_tree(n_actions, H, 1.0, seed).pi_ref]


def _valued(n_actions: int, H: int, beta: float, seed: int) -> Case:
    mdp = random_tree(n_actions, H, beta, seed)
    r = [level.round(1) for level in random_reward(mdp, seed)]
    V = [(level + 0.3).round(1) for level in solve(mdp, r).V]
    return r, [np.log(level).round(1) for level in mdp.pi_ref], V, beta


BEAMS: list[Case] = [  # the beam misses the best reply in all but the first
    (SMALL, 2),
    (_log_levels(3, 3, 3), 2),
    (_log_levels(4, 4, 8), 3),
    (_log_levels(3, 5, 5), 1),
    (_log_levels(3, 4, 8, digits=4), 4),
]
GAINS: list[Case] = [_valued(2, 2, 0.5, 1), _valued(3, 3, 2.0, 2), _valued(4, 3, 0.7777, 3)]
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
            (
                "return the index of the reply, not what it is worth.",
                lambda R, q, b: float((R + b * q).max()),
            ),
        ],
    ),
    "07.2": Exercise(
        beam,
        BEAMS,
        [
            (
                "a reply that has ended stays in the beam and competes; yours drops it.",
                lambda x, k: _variant(x, k, keep_ended=False),
            ),
            (
                "the width is that of the whole beam, not of each hypothesis's children.",
                lambda x, k: _variant(x, k, per_parent=True),
            ),
            ("EOS is an action too: its step belongs to the sum.", lambda x, k: _variant(x, k, eos=0.0)),
            ("that is greedy: keep `width` hypotheses, not one.", lambda x, k: beam(x, 1)),
            (
                "it ranks by the last token alone; rank by the sum of all of them.",
                lambda x, k: _variant(x, k, rank=lambda total, last, length: last),
            ),
            (
                "it ranks by the mean, which favours long replies; the sum ranks here.",
                lambda x, k: _variant(x, k, rank=lambda total, last, length: total / length),
            ),
            (
                "it keeps the worst: sort with the largest sum first.",
                lambda x, k: _variant(x, k, rank=lambda total, last, length: -total),
            ),
            (
                "it cuts at the end alone: a beam is cut to its width after every token.",
                lambda x, k: beam(x, 10**6)[:k],
            ),
            (
                "it reads row 0 of every level: each prefix has a row of its own, its state.",
                lambda x, k: _variant(x, k, follow=False),
            ),
            ("return all replies of the last beam, not the best alone.", lambda x, k: beam(x, k)[:1]),
            (
                "those are probabilities; return the sums of the log-probabilities.",
                lambda x, k: [(tokens, float(np.exp(total))) for tokens, total in beam(x, k)],
            ),
            ("that is the beam before it: the last level is missing.", lambda x, k: beam(x[:-1], k)),
        ],
    ),
    "07.3": Exercise(
        gains,
        GAINS,
        [
            (
                "V(s') is missing: that looks at what was paid, and not ahead.",
                lambda r, q, V, b: _gains(r, q, V, b, after=0.0, before=0.0),
            ),
            (
                "each step adds V(s') and must take V(s) away again, else every value on the way is counted.",
                lambda r, q, V, b: _gains(r, q, V, b, before=0.0),
            ),
            (
                "V(s') and V(s) are exchanged.",
                lambda r, q, V, b: _gains(r, q, V, b, after=-1.0, before=-1.0),
            ),
            ("beta is missing before log pi_ref.", lambda r, q, V, b: gains(r, [x / b for x in q], V, b)),
            (
                "log pi_ref is missing.",
                lambda r, q, V, b: gains(r, [np.zeros_like(x) for x in q], V, b),
            ),
            ("the reward r is missing.", lambda r, q, V, b: gains([0 * x for x in r], q, V, b)),
            (
                "(12) has no - V(s_0): at the first token nothing is taken away.",
                lambda r, q, V, b: [x - V[0][0] * (t == 0) for t, x in enumerate(gains(r, q, V, b))],
            ),
            (
                "the children are taken in another order: state i's stand side by side, in row i.",
                lambda r, q, V, b: _gains(r, q, V, b, children=lambda V, n: V.reshape(-1, n).T),
            ),
            (
                "that is (12) itself at every token; return what each token adds to it.",
                lambda r, q, V, b: up_to_here(gains(r, q, V, b)),
            ),
        ],
    ),
    "07.4": Exercise(
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
}

check = checker(EXERCISES)

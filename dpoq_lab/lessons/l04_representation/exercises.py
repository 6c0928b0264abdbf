"""The exercises of lesson 04: solutions, cases, and the mistakes that are named.

`check` of 04.5 takes pairs of replies and judges which states they leave open.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from dpoq_lab.lessons.check import CORRECT, Case, Exercise, checker, judge
from dpoq_lab.lessons.l04_representation.data import SHORT_REPLIES, open_states
from dpoq_lab.theory.soft_bellman import shape
from dpoq_lab.theory.token_mdp import Levels, random_reward, random_tree, uniform_tree


def advantages(r: np.ndarray, V: np.ndarray) -> np.ndarray:
    """r + V(s') - V(s) along a complete reply, (T,), from `r` and `V` of its states; V(terminal) = 0."""
    return r + np.append(V[1:], 0) - V


def shaped_return(r: np.ndarray, phi: np.ndarray) -> float:
    """The return of r + Phi(s') - Phi(s) along a reply of T tokens through T + 1 states."""
    return r.sum() + phi[-1] - phi[0]


def soft_value(p: np.ndarray, R: np.ndarray, beta: float) -> float:
    """beta log E_p e^{R/beta} over the ways to go on."""
    return beta * np.log(p @ np.exp(R / beta))


def link(r: Levels, r_other: Levels) -> Levels:
    """The Phi, levels (n_t,) and 0 at every end, by which `r` is shaped into `r_other`; [] if there is none.

    Along a token Phi grows by r_other - r, so the ends must all lie at one height.
    """
    return _linked(r, r_other)


def _linked(
    r: Levels,
    r_other: Levels,
    step: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda phi, d: phi[:, None] + d,
    children: Callable[[np.ndarray], np.ndarray] = lambda after: after[:, :-1].ravel(),
    kept: Callable[[list[np.ndarray]], list[np.ndarray]] = lambda ends: ends,
    base: Callable[[np.ndarray], float] = lambda ends: ends[0],
    differ: Callable[[np.ndarray], float] = np.ptp,
) -> Levels:
    """Phi from s_0 on: `step` to what each token leads to, the `children` of a level, the ends that are
    `kept`, how much they `differ`, and the height `base` that is taken away."""
    phi, ends = [np.zeros(1)], []
    for before, after in zip(r, r_other, strict=True):
        reached = step(phi[-1], after - before)
        ends.append(reached[:, -1])
        phi.append(children(reached))
    found = np.concatenate(kept([*ends, phi.pop()]))
    return [] if differ(found) > 1e-6 else [level - base(found) for level in phi]


_rng = np.random.default_rng(4)
PATHS = [(_rng.normal(size=T), _rng.normal(size=T)) for T in (3, 5)]
SHAPED = [(_rng.normal(size=T), _rng.normal(size=T + 1)) for T in (3, 5)]
GOING_ON = [(np.array([0.7, 0.2, 0.1]), np.array([1.0, -1.0, 2.0]), beta) for beta in (0.5, 2.0)]


def _levels(*rows: list) -> Levels:
    return [np.array(row, dtype=float) for row in rows]


def _trees() -> list[Case]:
    """Two rewards each: one token, two levels in one class or not, a shift, and larger trees."""
    early = _levels([[3, 0, 1]], [[1, 0, 0], [2, 0, 4]])
    late = _levels([[0, 0, 1]], [[4, 3, 3], [2, 0, 4]])
    found: list[Case] = [
        (_levels([[1, 0]]), _levels([[3, 2]])),
        (_levels([[1, 0]]), _levels([[-1, 0]])),
        (early, late),
        (early, [level + 1 for level in early]),
    ]
    for seed, tree in enumerate([random_tree(3, 3, 1.0, 1), random_tree(4, 3, 1.0, 2)]):
        r, phi = random_reward(tree, seed), [row[:, 0] for row in random_reward(tree, 10 + seed)]
        broken = shape(tree, r, phi)
        broken[-1] = broken[-1] + np.eye(*broken[-1].shape)
        found += [(r, shape(tree, r, phi, 0.5 * seed)), (r, broken), (r, random_reward(tree, 20 + seed))]
    for n_actions, early_end in ((2, 1.0), (3, -2.0)):
        tree = uniform_tree(n_actions, 3, 1.0)
        r = random_reward(tree, 30)
        paid = [level.copy() for level in r]
        paid[0][0, -1] += early_end  # the reply that is EOS alone, and no other
        found.append((r, paid))
    return found


PAIRS = [
    ("thanks thanks", "thanks no"),
    ("thanks no", "thanks \u27e8EOS\u27e9"),
    ("no thanks", "no no"),
    ("no no", "no \u27e8EOS\u27e9"),
]
START = "s_0"
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
        link,
        _trees(),
        [
            (
                "on a tree some Phi links any two rewards; look whether it is the same at all ends.",
                lambda r, s: _linked(r, s, differ=lambda ends: 0.0),
            ),
            (
                "Phi starts at 0 here; shift it so that it is 0 at the ends.",
                lambda r, s: _linked(r, s, base=lambda ends: 0.0),
            ),
            (
                "the sign is off: r' - r = Phi(s') - Phi(s), so along a token Phi grows by r' - r.",
                lambda r, s: link(s, r),
            ),
            (
                "the ends may share any height: a constant for all replies changes no preference.",
                lambda r, s: _linked(r, s, differ=lambda ends: abs(ends).max()),
            ),
            (
                "EOS ends a reply at every level; you looked at the ends of the last level alone.",
                lambda r, s: _linked(r, s, kept=lambda ends: [ends[-2], ends[-1]], base=lambda e: e[0]),
            ),
            (
                "the tokens of the last level end a reply too, not EOS alone.",
                lambda r, s: _linked(r, s, kept=lambda ends: ends[:-1]),
            ),
            (
                "Phi(s) is missing: a state's Phi is its parent's and the token's r' - r.",
                lambda r, s: _linked(r, s, step=lambda phi, d: d),
            ),
            (
                "the children are taken in another order: state i's stand side by side, in row i.",
                lambda r, s: _linked(r, s, children=lambda after: after[:, :-1].T.ravel()),
            ),
            ("that is Phi(s_0) alone; a Phi for every state is wanted.", lambda r, s: link(r, s)[:1]),
            (
                "the class is right, but the Phi is to be returned, not True.",
                lambda r, s: link(r, s) != [],
            ),
        ],
    ),
    "04.4": Exercise(
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
    "04.5": Exercise(
        [START],
        [],
        [
            ("nothing is left open: some pair links replies with different first tokens.", []),
            ("after 'thanks' it is open too: link the three replies there.", [START, "thanks"]),
            ("after 'no' it is open too: link the three replies there.", [START, "no"]),
            (
                "it is open everywhere: link the three replies that begin alike.",
                [START, "thanks", "no"],
            ),
        ],
    ),
}

_check = checker(EXERCISES)


def check(name: str, answer: Any) -> Any:
    """Print a verdict on `answer`; return it if right, else the solution. KeyError: no such exercise.

    Of 04.5 the answer is a list of pairs of replies; what they determine is judged, and printed if wrong.
    """
    if name != "04.5":
        return _check(name, answer)
    if answer is None or answer is ...:
        _check(name, answer)
        return PAIRS
    try:
        left_open = open_states(answer)
    except (ValueError, TypeError) as error:
        print(f"Exercise {name}: not correct: {error}.\n  The replies: {', '.join(map(repr, SHORT_REPLIES))}")
        return PAIRS
    verdict = judge(EXERCISES[name], left_open)
    print(f"Exercise {name}: {verdict}")
    if verdict == CORRECT:
        return answer
    for state in (START, "thanks", "no"):
        print(f"  your pairs {'leave open' if state in left_open else 'determine'} what is said at {state}")
    return PAIRS

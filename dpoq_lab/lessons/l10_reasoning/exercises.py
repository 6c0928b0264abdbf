"""The exercises of lesson 10: solutions, cases, and the mistakes that are named."""

import numpy as np

from dpoq_lab.lessons.check import Case, Exercise, checker


def chain_outlook(wrong: list[int], slip: float, repair: float, beta: float) -> np.ndarray:
    """What was paid plus V* before each step and after the last, (n + 1,); `wrong` (n,) is 1 where it ends
    wrong."""
    return _outlook(wrong, slip, repair, beta)


def _outlook(
    wrong: list[int],
    slip: float,
    repair: float,
    beta: float,
    mean: bool = False,
    shift: int = 0,
    front: bool = True,
    lost: float = -1.0,
    weighted: bool = True,
    in_place: bool = False,
) -> np.ndarray:
    line = np.zeros((len(wrong) + 1, 2))
    line[-1] = [1.0, lost]
    to_wrong = np.array([slip, 1 - repair])
    for t in reversed(range(len(wrong))):
        right, broken = line[t + 1]
        if in_place:
            new = _soft(slip, right, broken, beta)
            line[t] = new, _soft(1 - repair, new, broken, beta)
            continue
        if not weighted:
            line[t] = beta * np.log(np.exp(right / beta) + np.exp(broken / beta))
            continue
        if mean:
            line[t] = (1 - to_wrong) * right + to_wrong * broken
        else:
            line[t] = (beta if front else 1.0) * np.log(
                (1 - to_wrong) * np.exp(right / beta) + to_wrong * np.exp(broken / beta)
            )
    states = [*wrong, wrong[-1]] if shift else [0, *wrong]
    return np.array([line[t, state] for t, state in enumerate(states)])


def _soft(to_wrong: float, right: float, broken: float, beta: float) -> float:
    return beta * np.log((1 - to_wrong) * np.exp(right / beta) + to_wrong * np.exp(broken / beta))


def share_blamed(credit: np.ndarray, wrong: np.ndarray, law: np.ndarray) -> float:
    """How often the step of least credit broke a chain for good, of those that end wrong, weighted by `law`.

    `credit` and `wrong` (m, n), `law` (m,).
    """
    hits = ends = 0.0
    for a, w, p in zip(credit, wrong, law, strict=True):
        if w[-1] == 1:
            broke = max([-1, *np.flatnonzero(w == 0)]) + 1
            ends += p
            hits += p * (np.argmin(a) == broke)
    return float(hits / ends)


def relabelled_step(right: np.ndarray, tries: int) -> int:
    """The step of a wrong reply at which most was lost, from `right` (n + 1,): of `tries` replies that go on
    from before each step, and from after the last, how many end right."""
    return int(np.argmin(np.diff(np.asarray(right) / tries)))


def swapped_labels(pairs: list[tuple[str, str]], coin: np.ndarray) -> list[tuple[str, str]]:
    """The pairs (chosen, rejected) with the two exchanged where the `coin` (n,) fell True."""
    return [(b, a) if flip else (a, b) for (a, b), flip in zip(pairs, coin, strict=True)]


CHAINS: list[Case] = [
    ([1], 0.1, 0.3, 0.5),
    ([1, 0], 0.2, 0.3, 1.0),
    ([0, 1, 1], 0.1, 0.02, 0.5),
    ([1, 1, 0, 1], 0.25, 0.4, 2.0),
]
BLAMES: list[Case] = [
    (
        np.array([[-1.0, -0.2], [0.3, -0.9], [0.1, 0.2]]),
        np.array([[1, 1], [0, 1], [0, 0]]),
        np.array([0.2, 0.3, 0.5]),
    ),
    (
        np.array(
            [
                [-0.2, 1.3, -1.0],
                [0.1, -0.8, -0.4],
                [-0.5, 0.9, -0.7],
                [-0.9, 0.4, 0.2],
                [0.1, 0.1, -1.2],
                [0.2, -0.9, 0.1],
                [-0.8, 0.3, -0.4],
            ]
        ),
        np.array([[1, 1, 1], [0, 1, 1], [1, 0, 1], [1, 0, 0], [0, 0, 1], [0, 0, 1], [1, 0, 1]]),
        np.array([0.27, 0.2, 0.15, 0.15, 0.1, 0.05, 0.08]),
    ),
]
FALLS: list[Case] = [
    (np.array([6, 5, 1, 0]), 8),
    (np.array([8, 2, 2, 3, 0]), 8),
    (np.array([4, 5, 5, 1, 1]), 8),
    (np.array([3, 0, 7, 2, 0]), 10),
    (np.array([40, 20, 4, 3, 2]), 64),
]
LABELS: list[Case] = [
    ([("a", "b"), ("c", "d"), ("e", "f")], np.array([True, False, False])),
    ([("a", "b"), ("c", "d"), ("e", "f"), ("g", "h")], np.array([False, True, True, False])),
]

EXERCISES = {
    "10.1": Exercise(
        chain_outlook,
        CHAINS,
        [
            (
                "that is the mean of what follows; V* is a log-mean-exp, beta log E exp((r + V*)/beta).",
                lambda w, s, r, b: _outlook(w, s, r, b, mean=True),
            ),
            ("slip and repair are exchanged.", lambda w, s, r, b: _outlook(w, r, s, b)),
            (
                "repair is how often a wrong chain gets right; 1 - repair how often it stays wrong.",
                lambda w, s, r, b: _outlook(w, s, 1 - r, b),
            ),
            ("beta is forgotten.", lambda w, s, r, b: _outlook(w, s, r, 1.0)),
            (
                "the first value is that before any step, where the chain is right; yours are a step early.",
                lambda w, s, r, b: _outlook(w, s, r, b, shift=1),
            ),
            ("the first value, before any step, is missing.", lambda w, s, r, b: _outlook(w, s, r, b)[1:]),
            ("the return after the last step is missing.", lambda w, s, r, b: _outlook(w, s, r, b)[:-1]),
            (
                "that is V*, 0 of an ended reply; the outlook has what was paid on top, at the end 1 or -1.",
                lambda w, s, r, b: np.append(_outlook(w, s, r, b)[:-1], 0.0),
            ),
            (
                "that is A*, the steps of the outlook; return the outlook itself.",
                lambda w, s, r, b: np.diff(_outlook(w, s, r, b)),
            ),
            (
                "the beta in front of the logarithm is missing.",
                lambda w, s, r, b: _outlook(w, s, r, b, front=False),
            ),
            (
                "the probabilities are missing: V* is beta log of the mean under pi_ref, not of the sum.",
                lambda w, s, r, b: _outlook(w, s, r, b, weighted=False),
            ),
            (
                "V* of right is overwritten before that of wrong is made from it; keep both of a step apart.",
                lambda w, s, r, b: _outlook(w, s, r, b, in_place=True),
            ),
            ("a wrong answer pays -1, not 0.", lambda w, s, r, b: _outlook(w, s, r, b, lost=0.0)),
        ],
    ),
    "10.2": Exercise(
        share_blamed,
        BLAMES,
        [
            (
                "the most blamed step has the least credit: argmin, not argmax.",
                lambda a, w, p: share_blamed(-a, w, p),
            ),
            (
                "chains that end right must be left out of both sums; divide by the law of those that "
                "end wrong.",
                lambda a, w, p: share_blamed(a, w, p) * p[w[:, -1] == 1].sum() / p.sum(),
            ),
            (
                "every chain counts as much as pi_ref writes it: weight by `law`.",
                lambda a, w, p: share_blamed(a, w, np.ones_like(p)),
            ),
            (
                "credit has a sign: what is blamed most is the least, not the largest in size.",
                lambda a, w, p: share_blamed(-abs(a), w, p),
            ),
            (
                "any step from right to wrong counts there; the last one broke the chain for good.",
                lambda a, w, p: _share(
                    (np.diff(w, axis=1, prepend=0) == 1)[np.arange(len(w)), a.argmin(axis=1)], w, p
                ),
            ),
            (
                "that is the first wrong step; a chain that was mended broke for good later.",
                lambda a, w, p: _first(a, w, p),
            ),
            (
                "that is how often any wrong step is blamed; the one that broke the chain is asked for.",
                lambda a, w, p: _share(w[np.arange(len(w)), a.argmin(axis=1)] == 1, w, p),
            ),
            (
                "that is the last right step; the one after it broke the chain.",
                lambda a, w, p: _share(a.argmin(axis=1) == [_last_right(row) for row in w], w, p),
            ),
            (
                "that is the last step of all; look for the last one before which the chain was right.",
                lambda a, w, p: _share(a.argmin(axis=1) == w.shape[1] - 1, w, p),
            ),
        ],
    ),
    "10.3": Exercise(
        swapped_labels,
        LABELS,
        [
            ("the pairs are exchanged where the coin fell False.", lambda p, c: swapped_labels(p, ~c)),
            (
                "every label is exchanged; that teaches the opposite, which is no control.",
                lambda p, c: swapped_labels(p, np.ones_like(c)),
            ),
            ("no label is exchanged.", lambda p, c: list(p)),
            (
                "pairs are dropped where the coin fell True; a control has the same pairs.",
                lambda p, c: [pair for pair, flip in zip(p, c, strict=True) if not flip],
            ),
        ],
    ),
    "10.4": Exercise(
        relabelled_step,
        FALLS,
        [
            (
                "that is the first step that lost anything; take the one that lost most.",
                lambda x, n: int(np.flatnonzero(np.diff(x) < 0)[0]),
            ),
            (
                "that is the fall of V*; read each count as a share.",
                lambda x, n: int(np.argmin(np.diff(np.log(x / n + (1 - x / n) * np.exp(-6.0))))),
            ),
            ("that is the step that gained most.", lambda x, n: int(np.argmax(np.diff(x)))),
            (
                "it is one too far: the fall from entry t to t + 1 is step t's.",
                lambda x, n: int(np.argmin(np.diff(x))) + 1,
            ),
            ("that is where the share is least, not where it falls most.", lambda x, n: int(np.argmin(x))),
            (
                "that is after which step the share is least; look where it falls most.",
                lambda x, n: int(np.argmin(x[1:])),
            ),
            (
                "a rise is no loss: the largest fall, not the largest change.",
                lambda x, n: int(np.argmax(abs(np.diff(x)))),
            ),
            ("that is the fall itself; return its index.", lambda x, n: float(np.diff(x).min() / n)),
            (
                "that is the last step that lost anything.",
                lambda x, n: int(np.flatnonzero(np.diff(x) < 0)[-1]),
            ),
        ],
    ),
}


def _share(hits: np.ndarray, wrong: np.ndarray, law: np.ndarray) -> float:
    ends = wrong[:, -1] == 1
    return float((law * hits)[ends].sum() / law[ends].sum())


def _last_right(wrong: np.ndarray) -> int:
    return int(max([-1, *np.flatnonzero(wrong == 0)]))


def _first(credit: np.ndarray, wrong: np.ndarray, law: np.ndarray) -> float:
    return _share(credit.argmin(axis=1) == wrong.argmax(axis=1), wrong, law)


check = checker(EXERCISES)

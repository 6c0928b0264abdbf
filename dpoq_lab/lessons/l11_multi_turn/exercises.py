"""The exercises of lesson 11: solutions, cases, and the mistakes that are named."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import expit, logit

from dpoq_lab.lessons.check import Case, Exercise, checker

Reply = tuple[
    Sequence[float], Sequence[float], int
]  # law of what the user says, V* after each, what was said
End = tuple[float, float, float, bool]  # probability to be right, what right pays, what wrong pays, was it?
Ended = tuple[float, float, float]  # as End, before it is known how it was


def luck(replies: Sequence[Reply], end: End) -> float:
    """The luck of a conversation: of each reply V*(s') less its mean, of the end what it paid less its."""
    return _luck(replies, end)


def _luck(
    replies: Sequence[Reply],
    end: End,
    of_end: bool = True,
    of_replies: bool = True,
    mean: bool = True,
    mean_of_end: bool = True,
    mean_of_replies: bool = True,
    sign: int = 1,
) -> float:
    """The luck; an option set to False leaves a part out."""
    p, right, wrong, was_right = end
    total = 0.0
    for law, after, said in replies if of_replies else []:
        total += after[said] - (mean and mean_of_replies) * float(np.dot(law, after))
    if of_end:
        total += (right if was_right else wrong) - (mean and mean_of_end) * (p * right + (1 - p) * wrong)
    return sign * total


def border(p: float, cost: float) -> float:
    """The harm from which DPO on own users would rather ask than guess the thing of prior `p`, infinite if
    there is none: p sigma(cost) + (1 - p) sigma(cost - harm) = 1/2."""
    rest = (0.5 - p * expit(cost)) / (1 - p)
    return float(cost - logit(rest)) if rest > 0 else math.inf


def _solved(rest: float, chance: float, cost: float) -> float:
    """The harm at which sigma(cost - harm) is rest / chance; nan if there is none."""
    share = rest / chance
    return float(cost - logit(share)) if 0 < share < 1 else math.nan


def _border(rest: float, chance: float, cost: float) -> float:
    """The same; infinite where `rest` is not above 0."""
    return _solved(rest, chance, cost) if rest > 0 else math.inf


def label(first: Ended, second: Ended, replays: int) -> float:
    """The probability that `first` is preferred if each is rated by the mean of `replays` users' returns."""
    both = (_means(one, replays) for one in (first, second))
    (chance_1, R_1), (chance_2, R_2) = both
    return float(chance_1 @ expit(R_1[:, None] - R_2) @ chance_2)


def _means(ended: Ended, replays: int) -> tuple[np.ndarray, np.ndarray]:
    """The law of the mean return of `replays` users: probabilities and values, (replays + 1,)."""
    p, right, wrong = ended
    k = np.arange(replays + 1)
    ways = np.array([math.comb(replays, int(n)) for n in k])
    return ways * p**k * (1 - p) ** (replays - k), (k * right + (replays - k) * wrong) / replays


def _mean(ended: Ended) -> float:
    p, right, wrong = ended
    return p * right + (1 - p) * wrong


def _sums(first: Ended, second: Ended, replays: int) -> float:
    (chance_1, R_1), (chance_2, R_2) = (_means(one, replays) for one in (first, second))
    return float(chance_1 @ expit(replays * (R_1[:, None] - R_2)) @ chance_2)


def _sure(first: Ended, second: Ended, replays: int) -> float:
    (chance_1, R_1), (chance_2, R_2) = (_means(one, replays) for one in (first, second))
    gap = R_1[:, None] - R_2
    return float(chance_1 @ ((gap > 0) + 0.5 * (gap == 0)) @ chance_2)


def _some(begin: int, left_out: int) -> Callable:
    """`label` with k from `begin` on, the last `left_out` values missing."""

    def wrong(first: Ended, second: Ended, replays: int) -> float:
        k = slice(begin, replays + 1 - left_out)
        (p_1, R_1), (p_2, R_2) = ((p[k], R[k]) for p, R in (_means(x, replays) for x in (first, second)))
        return float(p_1 @ expit(R_1[:, None] - R_2) @ p_2)

    return wrong


def _one_k(first: Ended, second: Ended, replays: int) -> float:
    (chance_1, R_1), (chance_2, R_2) = (_means(one, replays) for one in (first, second))
    return float((chance_1 * chance_2 * expit(R_1 - R_2)).sum())


def _majority(first: Ended, second: Ended, replays: int) -> float:
    k, n = np.arange(replays + 1), replays
    p = label(first, second, 1)
    chance = np.array([math.comb(n, int(i)) for i in k]) * p**k * (1 - p) ** (n - k)
    return float(chance @ ((2 * k > n) + 0.5 * (2 * k == n)))


def _without_ways(first: Ended, second: Ended, replays: int) -> float:
    k = np.arange(replays + 1)
    parts = []
    for p, right, wrong in (first, second):
        parts.append((p**k * (1 - p) ** (replays - k), (k * right + (replays - k) * wrong) / replays))
    (chance_1, R_1), (chance_2, R_2) = parts
    return float(chance_1 @ expit(R_1[:, None] - R_2) @ chance_2)


TALKS: list[Case] = [
    ([], (0.8, 1.0, -3.0, False)),
    ([([0.3, 0.7], [0.5, -1.0], 0)], (0.9, 2.0, -1.0, True)),
    ([([0.6, 0.4], [0.2, 1.2], 1), ([0.5, 0.5], [-0.4, 0.8], 0)], (0.7123, 0.0, -8.0, False)),
]
POINTS: list[Case] = [(0.7, 0.5), (0.6, 0.2), (0.85, 0.5), (0.75, 1.0), (0.55, 1.0)]
RATED: list[Case] = [
    ((1.0, -0.5, -8.5), (0.85, 0.0, -8.0), 1),
    ((0.75, 1.0, 0.0), (0.5, 2.0, -1.0), 2),
    ((0.3, 1.5, -1.0), (0.8, 0.5, -2.0), 4),
]

EXERCISES = {
    "11.1": Exercise(
        luck,
        TALKS,
        [
            ("the end is missing: right or wrong is drawn too.", lambda r, e: _luck(r, e, of_end=False)),
            ("the replies are missing.", lambda r, e: _luck(r, e, of_replies=False)),
            (
                "the means are missing: luck is what came less what was to be expected.",
                lambda r, e: _luck(r, e, mean=False),
            ),
            ("the end still lacks its mean.", lambda r, e: _luck(r, e, mean_of_end=False)),
            ("the replies still lack their mean.", lambda r, e: _luck(r, e, mean_of_replies=False)),
            (
                "of several replies yours keeps the last alone: add them up.",
                lambda r, e: _luck(r[-1:], e),
            ),
            (
                "the end is to be counted by what was at stake, right less wrong.",
                lambda r, e: _luck(r, (e[0], 1.0, 0.0, e[3])),
            ),
            ("the sign is off: better than expected is good luck.", lambda r, e: _luck(r, e, sign=-1)),
            (
                "the end was asked for as it came, not as it did not.",
                lambda r, e: _luck(r, (*e[:3], not e[3])),
            ),
            (
                "that is the wrong way to weigh the end: right has probability p.",
                lambda r, e: _luck(r, (1 - e[0], *e[1:])),
            ),
            (
                "the mean over what the user can say is weighted by the law, not plain.",
                lambda r, e: _luck([([0.5, 0.5], after, said) for _, after, said in r], e),
            ),
        ],
    ),
    "11.2": Exercise(
        border,
        POINTS,
        [
            (
                "that is where asking is right, (1 - p) harm = cost; DPO sees sigma of it.",
                lambda p, c: c / (1 - p),
            ),
            (
                "above 1/(2 sigma(cost)) there is no such harm: infinite.",
                lambda p, c: border(p, c) if p < 0.5 / expit(c) else 0.0,
            ),
            (
                "below the line that is where asking is right; own users compare sigma of what they got.",
                lambda p, c: c / (1 - p) if p < 0.5 / expit(c) else math.inf,
            ),
            (
                "for p = 0.85 there is no border, for `rest` is below 0: np.inf is wanted.",
                lambda p, c: _solved(0.5 - p * expit(c), 1 - p, c),
            ),
            (
                "1 - p is forgotten: the harm is met with that probability.",
                lambda p, c: _border(0.5 - p * expit(c), 1.0, c),
            ),
            (
                "the guess at once wins by the cost, so with sigma(cost), not sigma(-cost).",
                lambda p, c: _border(0.5 - p * expit(-c), 1 - p, c),
            ),
            (
                "the guess at once wins by the cost, so with sigma(cost), not sigma(-cost).",
                lambda p, c: _solved(0.5 - p * expit(-c), 1 - p, c),
            ),
            ("the cost is missing: harm = cost - logit(...).", lambda p, c: border(p, c) - c),
            ("the sign of the logit is off.", lambda p, c: 2 * c - border(p, c)),
            ("likely and unlikely are exchanged.", lambda p, c: border(1 - p, c)),
        ],
    ),
    "11.3": Exercise(
        label,
        RATED,
        [
            (
                "that is the label of the two mean returns: as if all users were asked.",
                lambda x, y, n: float(expit(_mean(x) - _mean(y))),
            ),
            ("that is the label of one user each.", lambda x, y, n: label(x, y, 1)),
            ("that is of the sum over users; the mean is rated.", _sums),
            (
                "a preference is drawn from sigma of the difference; yours counts the larger mean as sure.",
                _sure,
            ),
            ("the two are exchanged.", lambda x, y, n: label(y, x, n)),
            ("k = 0 is missing, nobody finds it right: k runs from 0 to replays.", _some(1, 0)),
            ("k = replays is missing, all find it right: k runs from 0 to replays.", _some(0, 1)),
            ("k = 0 and k = replays are missing: k runs from 0 to replays.", _some(1, 1)),
            ("yours has one k for both; each conversation has a k of its own: two sums.", _one_k),
            ("users do not vote pair by pair: their returns are averaged, then compared once.", _majority),
            (
                "that is a difference of returns; sigma of it is missing.",
                lambda x, y, n: _mean(x) - _mean(y),
            ),
            (
                "in how many ways can k of them be right? The binomial coefficient is missing.",
                _without_ways,
            ),
            (
                "p is how likely right is, not wrong.",
                lambda x, y, n: label((1 - x[0], *x[1:]), (1 - y[0], *y[1:]), n),
            ),
            (
                "users are drawn for each conversation by itself: both sums, not one k for both.",
                lambda x, y, n: float((_means(x, n)[0] * expit(_means(x, n)[1] - _means(y, n)[1])).sum()),
            ),
        ],
    ),
}

check = checker(EXERCISES)

"""The exercises of lesson 06: solutions, cases, and the mistakes that are named."""

from collections.abc import Sequence

import numpy as np
import torch

from dpoq_lab.lessons.check import Case, Exercise, checker

Rows = Sequence[np.ndarray]  # of each reply an array of its tokens


def advantages(r: np.ndarray, V: np.ndarray) -> np.ndarray:
    """A* = r + V*(s') - V*(s) of each token of a reply, (N,), eq. (10); V* is 0 after the last."""
    return r + np.append(V[1:], 0.0) - V


def implicit_rewards(
    logits: torch.Tensor, ref_logits: torch.Tensor, ids: torch.Tensor, n_prompt: int, beta: float
) -> torch.Tensor:
    """r_hat of each token of the reply, (T - n_prompt,), eq. (11), from the logits (T, n_actions) of the
    whole text, whose row i has read ids[: i + 1]."""
    log_ratio = logits.log_softmax(-1) - ref_logits.log_softmax(-1)
    return beta * log_ratio[torch.arange(n_prompt - 1, len(ids) - 1), ids[n_prompt:]]


def hits(suspicion: Rows, flaws: Rows) -> float:
    """Precision at 1: how often a reply's most suspicious token is a flaw, over replies that have one."""
    return float(
        np.mean([bad[np.argmax(row)] for row, bad in zip(suspicion, flaws, strict=True) if any(bad)])
    )


def controls(r_hat: Rows, log_pi_ref: Rows, flaws: Rows, coins: Rows, orders: Rows) -> dict[str, float]:
    """Precision at 1 of -r_hat and of surprisal, and of two controls: -r_hat with the sign that `coins` give
    it, and -r_hat against flags in the `orders` given."""
    blame = [-row for row in r_hat]
    return {
        "blame": hits(blame, flaws),
        "surprisal": hits([-row for row in log_pi_ref], flaws),
        "coin signs": hits([-coin * abs(row) for coin, row in zip(coins, r_hat, strict=True)], flaws),
        "moved flags": hits(blame, [bad[order] for bad, order in zip(flaws, orders, strict=True)]),
    }


def _looks_back(r: np.ndarray, V: np.ndarray) -> np.ndarray:
    return r + np.append(0.0, V[:-1]) - V


def _rows_of(
    logits: torch.Tensor, ref_logits: torch.Tensor, ids: torch.Tensor, first: int, beta: float
) -> torch.Tensor:
    """As `implicit_rewards`, the logits' rows taken from `first` on."""
    log_ratio = logits.log_softmax(-1) - ref_logits.log_softmax(-1)
    picked = ids[-(len(ids) - first) :]
    return beta * log_ratio[torch.arange(first, first + len(picked)).clamp(max=len(ids) - 1), picked]


def _some(values: dict[str, float], **others: float) -> dict[str, float]:
    """A copy of `values` with `others`, by name with a space."""
    return values | {name.replace("_", " "): value for name, value in others.items()}


def _counted_all(r_hat: Rows, log_pi_ref: Rows, flaws: Rows, coins: Rows, orders: Rows) -> dict[str, float]:
    right, share = controls(r_hat, log_pi_ref, flaws, coins, orders), np.mean([any(bad) for bad in flaws])
    return {name: value * share for name, value in right.items()}


def _case(seed: int, lengths: Sequence[int], flawed: Sequence[Sequence[int]]) -> Case:
    """Replies of these lengths with errors at these places, all numbers of one decimal."""
    rng = np.random.default_rng(seed)
    r_hat = [rng.normal(size=n).round(1) for n in lengths]
    log_pi_ref = [(-abs(rng.normal(size=n)) * 2 - 0.1).round(1) for n in lengths]
    flaws = [np.isin(np.arange(n), bad) for n, bad in zip(lengths, flawed, strict=True)]
    coins = [rng.choice([-1, 1], n) for n in lengths]
    return r_hat, log_pi_ref, flaws, coins, [rng.permutation(n) for n in lengths]


CONTROLS: list[Case] = [
    (
        [np.array([0.5, -2.0]), np.array([-0.2, -1.5, 0.4]), np.array([-1.0, 0.3])],
        [np.array([-3.0, -1.0]), np.array([-0.5, -2.0, -1.0]), np.array([-0.1, -0.2])],
        [np.array([False, True]), np.array([False, True, False]), np.array([False, False])],
        [np.array([-1, 1]), np.array([-1, 1, 1]), np.array([-1, 1])],
        [np.array([1, 0]), np.array([2, 1, 0]), np.array([0, 1])],
    ),
    _case(1, (3, 4, 2, 3, 5), ((1,), (0, 2), (), (2,), (3,))),
    _case(2, (6, 3, 5, 4, 4, 6, 5), ((1, 4), (2,), (0,), (), (1, 2), (5,), (2, 3))),
]


def _logits(seed: int, T: int, n_actions: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    draw = [(2 * torch.randn(T, n_actions, generator=generator)).round(decimals=1) for _ in range(2)]
    return *draw, torch.randint(n_actions, (T,), generator=generator)


TEXTS: list[Case] = [(*_logits(0, 3, 2), 1, 0.5), (*_logits(3, 6, 4), 2, 0.1), (*_logits(5, 7, 5), 4, 2.0)]
REPLIES: list[Case] = [
    (np.array([0.0, -1.0]), np.array([2.0, 0.7])),
    (np.array([0.0, 1.0, -1.0, 1.0]), np.array([2.6, 2.0, 1.3, 0.7])),
    (np.array([1.0]), np.array([0.4321])),
]
EXERCISES = {
    "06.1": Exercise(
        advantages,
        REPLIES,
        [
            ("that is what the tokens pay; add what they do to the value.", lambda r, V: r),
            ("the reward that the token pays is missing.", lambda r, V: np.append(V[1:], 0.0) - V),
            (
                "that is r + V*(s'); an advantage is measured from the value before.",
                lambda r, V: r + np.append(V[1:], 0.0),
            ),
            ("before and after are swapped.", lambda r, V: r + V - np.append(V[1:], 0.0)),
            (
                "after the last token the reply has ended: V* is 0 there, and not what it was before.",
                lambda r, V: r + np.append(V[1:], V[-1]) - V,
            ),
            (
                "the last token is missing: after it V* is 0, and it has an advantage too.",
                lambda r, V: (r + np.append(V[1:], 0.0) - V)[:-1],
            ),
            ("that is the outlook itself; return its steps.", lambda r, V: np.cumsum(r) - r + V),
            ("V* of the state after the token is missing.", lambda r, V: r - V),
            (
                "that is the running sum of A*; return its steps.",
                lambda r, V: np.cumsum(advantages(r, V)),
            ),
            (
                "np.roll puts V* of the first state after the last token: there it is 0.",
                lambda r, V: r + np.roll(V, -1) - V,
            ),
            ("that is V* of the state before, t - 1; take that of the state after, t + 1.", _looks_back),
            (
                "that is V* of the state before, t - 1; take that of the state after, t + 1.",
                lambda r, V: r + np.roll(V, 1) - V,
            ),
            ("all signs are flipped.", lambda r, V: V - r - np.append(V[1:], 0.0)),
        ],
    ),
    "06.2": Exercise(
        implicit_rewards,
        TEXTS,
        [
            (
                "row i has read token i and speaks of the next: token i stands in row i - 1.",
                lambda z, y, ids, n, b: _rows_of(z, y, ids, n, b),
            ),
            ("policy and reference are swapped.", lambda z, y, ids, n, b: implicit_rewards(y, z, ids, n, b)),
            (
                "that is beta times the ratio; its logarithm is asked for.",
                lambda z, y, ids, n, b: b * (implicit_rewards(z, y, ids, n, b) / b).exp(),
            ),
            (
                "that is a difference of probabilities; take that of their logarithms.",
                lambda z, y, ids, n, b: (
                    b * (z.softmax(-1) - y.softmax(-1))[torch.arange(n - 1, len(ids) - 1), ids[n:]]
                ),
            ),
            ("beta is missing.", lambda z, y, ids, n, b: implicit_rewards(z, y, ids, n, 1.0)),
            (
                "logits are no log-probabilities: take log_softmax first.",
                lambda z, y, ids, n, b: b * (z - y)[torch.arange(n - 1, len(ids) - 1), ids[n:]],
            ),
            (
                "the tokens of the prompt are no actions: begin at ids[n_prompt].",
                lambda z, y, ids, n, b: implicit_rewards(z, y, ids, 1, b),
            ),
            (
                "that is the sum over the reply; return one number a token.",
                lambda z, y, ids, n, b: implicit_rewards(z, y, ids, n, b).sum(),
            ),
            (
                "that is the policy alone; subtract the reference's log-probabilities.",
                lambda z, y, ids, n, b: (
                    implicit_rewards(z, torch.zeros_like(z), ids, n, b)
                    - b * torch.tensor(float(z.shape[1])).log()
                ),
            ),
            (
                "the first token of the reply is missing: row n_prompt - 1 chose it.",
                lambda z, y, ids, n, b: implicit_rewards(z, y, ids, n, b)[1:],
            ),
            (
                "the last token, EOS, is an action too.",
                lambda z, y, ids, n, b: implicit_rewards(z, y, ids, n, b)[:-1],
            ),
        ],
    ),
    "06.3": Exercise(
        controls,
        CONTROLS,
        [
            (
                "a bad word has a low r_hat: what is suspicious is -r_hat.",
                lambda r, q, y, c, o: controls([-row for row in r], q, y, [-k for k in c], o),
            ),
            ("replies without an error have nothing to find: leave them out.", _counted_all),
            (
                "surprisal is -log pi_ref: a surprising word has a low log-probability.",
                lambda r, q, y, c, o: _some(controls(r, q, y, c, o), surprisal=hits(q, y)),
            ),
            (
                "the coin is the new sign, whatever the old one was: it multiplies abs(r_hat).",
                lambda r, q, y, c, o: _some(
                    controls(r, q, y, c, o),
                    coin_signs=hits([-k * row for k, row in zip(c, r, strict=True)], y),
                ),
            ),
            (
                "the coin makes a new r_hat; what is suspicious is the negative of that as well.",
                lambda r, q, y, c, o: controls(r, q, y, [-k for k in c], o),
            ),
            (
                "the flags alone are moved: a control that moves r_hat with them changes nothing.",
                lambda r, q, y, c, o: _some(
                    controls(r, q, y, c, o),
                    moved_flags=hits([-row for row in r], y),
                ),
            ),
            (
                "r_hat was moved in place of the flags: those of reply i are flaws[i][orders[i]].",
                lambda r, q, y, c, o: _some(
                    controls(r, q, y, c, o),
                    moved_flags=hits([-row[order] for row, order in zip(r, o, strict=True)], y),
                ),
            ),
            (
                "return a dictionary with these four names.",
                lambda r, q, y, c, o: list(controls(r, q, y, c, o).values()),
            ),
            (
                "the most suspicious word of each reply is asked for, not the one of all replies.",
                lambda r, q, y, c, o: _of_all(r, q, y, c, o),
            ),
            (
                "those are numbers of replies; return their share.",
                lambda r, q, y, c, o: {
                    name: value * sum(map(any, y)) for name, value in controls(r, q, y, c, o).items()
                },
            ),
        ],
    ),
}


def _of_all(r_hat: Rows, log_pi_ref: Rows, flaws: Rows, coins: Rows, orders: Rows) -> dict[str, float]:
    """`controls` of all tokens as one reply."""
    at = np.cumsum([0, *map(len, orders[:-1])])
    order = np.concatenate([order + start for order, start in zip(orders, at, strict=True)])
    one = ([np.concatenate(rows)] for rows in (r_hat, log_pi_ref, flaws, coins))
    return controls(*one, [order])


check = checker(EXERCISES)

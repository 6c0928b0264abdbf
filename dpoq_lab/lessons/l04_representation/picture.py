"""Lesson 04's picture: pay slides along two replies, the values follow, and the credit stands still."""

import numpy as np

from dpoq_lab.theory.example_trees import TOKENS, polite_tree
from dpoq_lab.theory.soft_bellman import implicit_reward, preference, solve
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, largest, reply_names, terminal_only, trajectories
from dpoq_lab.views.charts import INK, label, line, symbol
from dpoq_lab.views.charts import path as curve
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed

PAIR = (f"no thanks {TOKENS[2]}", f"thanks thanks {TOKENS[2]}")  # chosen, rejected
LEFT, STEP, PANEL = 240, 112, 404  # pixels: the names of the rows, a token, a reply
UNIT, BAR, LOWEST = 34, 46, 364  # pixels: a reward of 1, the width of a bar, the last line
ZERO = {"r": 140, "V*": 246, "A*": 304}  # where 0 of each row is
NOTES = {"r": "what a token pays: moves", "V*": "what a state is worth: moves", "A*": "credit: stands still"}
ALT = (
    "Two replies side by side, token by token: bars for the reward r that each token is paid, a line for V* "
    "of the states between them, bars for the credit A*; below, their sums of r and the probability of "
    "preferring the first"
)


def members() -> list[tuple[str, Levels]]:
    """Rewards of one class with what they are: pay at the end, word by word, and A* itself."""
    mdp, r = polite_tree()
    late, own = terminal_only(mdp, r), implicit_reward(mdp, solve(mdp, r).pi)

    def between(x: Levels, y: Levels, share: float) -> Levels:
        return [(1 - share) * a + share * b for a, b in zip(x, y, strict=True)]

    return [
        ("All is paid at the end of a reply", late),
        ("A third of the pay has moved to the words that earn it", between(late, r, 1 / 3)),
        ("Two thirds have", between(late, r, 2 / 3)),
        ("Each word is paid when it is said", r),
        ("A third of the way to A*", between(r, own, 1 / 3)),
        ("Two thirds of the way", between(r, own, 2 / 3)),
        ("A* itself is paid, and V* is 0: the member that DPO finds", own),
    ]


def frames() -> list[Figure]:
    """The members one after another; the axes stay, and so do the lowest bars."""
    mdp, _ = polite_tree()
    every = members()
    return [member_figure(mdp, name, member, every[0][1]) for name, member in every]


def member_figure(mdp: TokenMDP, name: str, r: Levels, before: Levels) -> Figure:
    """r, V* and A* along the pair's replies; the reading says how far all 21 tokens are from `before`."""
    A, A_before = (implicit_reward(mdp, solve(mdp, x).pi) for x in (r, before))
    moved = f"r moved by up to {largest(r, before):.2f}, A* by {largest(A, A_before):.2f}"
    reading = f"{name}. Since the first frame, over all 21 tokens: {moved}."
    numbers = [along(mdp, r, reply) for reply in PAIR]
    body = [row_names()]
    for k, (reply, found) in enumerate(zip(PAIR, numbers, strict=True)):
        body.append(reply_panel(reply, found, LEFT + k * PANEL, ("chosen", "rejected")[k]))
    R = [found["r"].sum() for found in numbers]
    p = preference(*R)
    said = f"sums of r: {signed(R[0])} and {signed(R[1])}; difference {signed(R[0] - R[1])}, "
    body.append(label(LEFT, LOWEST, f"{said}so the first reply is preferred with probability {p:.2f}"))
    data = {"chosen": numbers[0], "rejected": numbers[1], "p": p}
    return Figure("".join(body), LEFT + 2 * PANEL + 10, LOWEST + 10, ALT, reading, data)


def along(mdp: TokenMDP, r: Levels, reply: str) -> dict[str, np.ndarray]:
    """r, A* and pi* of a reply's T tokens, (T,), and V* of its states, 0 at the terminal one, (T + 1,)."""
    y = reply_names(mdp, TOKENS).index(reply)
    every, solution = trajectories(mdp), solve(mdp, r)
    T = every.lengths[y]
    at = [(t, every.states[y, t], every.tokens[y, t]) for t in range(T)]
    A = implicit_reward(mdp, solution.pi)
    found = {"r": r, "A*": A, "pi*": solution.pi}
    return {name: np.array([x[t][i, a] for t, i, a in at]) for name, x in found.items()} | {
        "V*": np.array([*(solution.V[t][i] for t, i, _ in at), 0.0])
    }


def row_names() -> str:
    """What each row holds, at its left."""
    parts = []
    for name, note in NOTES.items():
        y = ZERO[name]
        parts += [label(8, y - 4, name, "start", "word"), label(8, y + 15, note, "start", "quiet")]
    parts.append(label(34, ZERO["A*"] - 4, "= \u03b2 log \u03c0*/\u03c0ref"))
    return "".join(parts)


def reply_panel(reply: str, found: dict[str, np.ndarray], left: float, role: str) -> str:
    """One reply: its words, and a row for each quantity."""
    words = reply.split()
    parts = [label(left, 16, f"{role}: {' '.join(words)}", "start", "word")]
    for t, (word, said) in enumerate(zip(words, found["pi*"], strict=True)):
        middle = left + (t + 0.5) * STEP
        parts.append(label(middle, 40, word, "middle", "word"))
        parts.append(label(middle, 58, f"\u03c0* {said:.2f}", "middle", "quiet"))
    for name, zero in ZERO.items():
        parts.append(line(left, zero, left + len(words) * STEP, zero, "dpoq-zero"))
        parts.append((values if name == "V*" else bars)(found[name], left, zero))
    return "".join(parts)


def bars(x: np.ndarray, left: float, zero: float) -> str:
    """A bar a token, up and blue where the number is positive, down and orange where it is negative."""
    parts = []
    for t, value in enumerate(x):
        middle, high = left + (t + 0.5) * STEP, abs(value) * UNIT
        up = value >= 0
        place = f'x="{middle - BAR / 2:.1f}" y="{zero - high if up else zero:.1f}"'
        kind = "more" if up else "less"
        parts.append(f'<rect class="dpoq-bar fill {kind}" {place} width="{BAR}" height="{high:.1f}"/>')
        parts.append(label(middle + BAR / 2 + 4, zero + (-6 if up else 17), signed(value)))
    return "".join(parts)


def values(V: np.ndarray, left: float, zero: float) -> str:
    """V* of the states before, between and after the tokens."""
    points = [(left + t * STEP, zero - v * UNIT) for t, v in enumerate(V)]
    data = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    marks = [symbol(x, y, INK, 4) for x, y in points]
    below = [v < -1e-9 for v in V]
    names = [
        label(x, y + (21 if low else -9), signed(v), "middle")
        for (x, y), v, low in zip(points, V, below, strict=True)
    ]
    return curve(data, INK) + "".join([*marks, *names])

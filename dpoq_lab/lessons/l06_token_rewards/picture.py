"""Lesson 06's picture: the outlook of one telegram, word by word; r_hat is the step that each word makes."""

from itertools import product

import numpy as np

from dpoq_lab.lessons.l06_token_rewards.telegrams import (
    MANNERS,
    N_ACTIONS,
    P_SLIP,
    Telegram,
    reward,
    tree,
)
from dpoq_lab.order_notes.language import following
from dpoq_lab.theory.soft_bellman import implicit_reward, solve
from dpoq_lab.views.charts import GREY, LESS, MORE, Look, label, line, path
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed

BETA = 0.5
TOLD = ("Tuesday", "Rome", "40")
PROMPT = "day : Tuesday ; city : Rome ; price : 40"
TOKENS = (1, 1, 0, 0, 2)  # hastily, a wrong day, the right city, the right price, EOS
WIDE, LEFT, TOP, FLOOR = 152, 78, 86, 300  # pixels: a state, the first one, the plane's top and bottom
LOW, HIGH = -1.3, 3.0  # of the outlook
ALT = (
    f"The outlook of a reply to {PROMPT}, a level a state: each word moves it by r_hat, and beside each word "
    "stand r_hat and what it is paid"
)


def writers_tree() -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """r_hat (5,) and r (5,) of the tokens of the reply, V* (6,) of its states, and its words.

    r_hat = beta log pi*/pi_ref = r + V*(s') - V*(s), eq. (10), under the writer's own habits as reference.
    """
    log_pi = np.zeros((16, 5))
    for row, choices in enumerate(product((0, 1), repeat=4)):
        slip = P_SLIP[MANNERS[choices[0]]]
        log_pi[row, :4] = np.log([0.5, *(slip if wrong else 1 - slip for wrong in choices[1:])])
    mdp, _ = tree(log_pi, BETA)
    solution, r, state = solve(mdp, reward()), reward(), 0
    credit, found = implicit_reward(mdp, solution.pi), []
    for t, token in enumerate(TOKENS):
        found.append((credit[t][state, token], r[t][state, token], solution.V[t][state]))
        state = state * (N_ACTIONS - 1) + token
    r_hat, paid, V = np.array(found).T
    choices = Telegram(PROMPT, (MANNERS, *((word, following(word)) for word in TOLD))).choices
    words = [two[token] for two, token in zip(choices, TOKENS[:-1], strict=True)]
    return r_hat, paid, np.append(V, 0.0), [*words, "EOS"]


def frames() -> list[Figure]:
    """The prompt alone, then one word more at a time, EOS the last."""
    r_hat, r, V, words = writers_tree()
    lines = [
        f"Before the first word: nothing is paid, and a reply to this prompt is worth V* {signed(V[0])}.",
        f"'hastily' is paid nothing, but a hasty writer slips: the outlook falls by {-r_hat[0]:.2f}.",
        f"'Wednesday' is wrong and pays {signed(r[1])}: the outlook falls off a cliff, by {-r_hat[1]:.2f}.",
        f"'Rome' is right and pays {signed(r[2])}; two thirds were expected: r_hat is {signed(r_hat[2])}.",
        f"'40' likewise. All facts are told, and V* is 0: the outlook is what was paid, {signed(r.sum())}.",
        f"r blames one word, r_hat two: 'hastily' {signed(r_hat[0])} for what it makes likely, 'Wednesday' "
        f"{signed(r_hat[1])}. The sum of r_hat is R - V*(s_0).",
    ]
    return [_frame(said, r_hat, r, V, words, text) for said, text in enumerate(lines)]


def _frame(
    said: int, r_hat: np.ndarray, r: np.ndarray, V: np.ndarray, words: list[str], reading: str
) -> Figure:
    """The first `said` words; levels and V* as in `writers_tree`."""
    paid = np.concatenate([[0.0], np.cumsum(r)])
    outlook = paid + V
    body = [label(LEFT, 20, f"prompt  {PROMPT}", "start", "quiet"), _axis()]
    body += [_level(t, outlook[t], paid[t], V[t]) for t in range(said + 1)]
    body += [_word(t, words[t], outlook[t : t + 2], paid[t : t + 2], r_hat[t], r[t]) for t in range(said)]
    rows = ((FLOOR + 32, "r_hat", "word"), (FLOOR + 56, "r paid", "quiet"))
    body += [label(LEFT - 12, y, text, "end", kind) for y, text, kind in rows]
    end = LEFT + WIDE * (said + 1) + 6
    body.append(label(end, _y(outlook[said]) - 6 * (said == 5) + 5, "outlook", "start", "word"))
    body.append(label(end, _y(paid[said]) + (19 if said >= 4 else -6), "paid so far", "start", "quiet"))
    drawn = {"outlook": outlook[: said + 1], "r_hat": r_hat[:said], "r": r[:said], "words": words[:said]}
    return Figure("".join(body), LEFT + WIDE * 6 + 92, FLOOR + 66, ALT, reading, drawn)


def _y(value: float) -> float:
    return FLOOR - (value - LOW) / (HIGH - LOW) * (FLOOR - TOP)


def _axis() -> str:
    """Grid and numbers of the outlook."""
    right, parts = LEFT + WIDE * 6, []
    for value in range(-1, 4):
        parts.append(line(LEFT, _y(value), right, _y(value), "dpoq-zero" if value == 0 else "dpoq-grid"))
        text = str(value).replace("-", "\u2212")
        parts.append(label(LEFT - 12, _y(value) + 5, text, "end", "quiet"))
    return "".join(parts)


def _level(t: int, outlook: float, paid: float, V: float) -> str:
    """State t: its outlook, what was paid up to it, and V* between the two."""
    x = LEFT + WIDE * t
    level = f"M{x} {_y(outlook):.1f}h{WIDE}"
    thick = path(level, Look("ink"), 4)
    dotted = path(f"M{x} {_y(paid):.1f}h{WIDE}", GREY)
    text = label(x + WIDE / 2, (_y(outlook) + _y(paid)) / 2 + 5, f"V* {signed(V)}", "middle", "quiet")
    return dotted + thick + (text if V > 0.5 else "")


def _word(t: int, word: str, outlook: np.ndarray, paid: np.ndarray, r_hat: float, r: float) -> str:
    """Token t between two states: the word above, the step of the outlook, its numbers below."""
    x = LEFT + WIDE * (t + 1)
    wrong, look = r < 0, LESS if r_hat < 0 else MORE
    step = path(f"M{x} {_y(outlook[0]):.1f}V{_y(outlook[1]):.1f}", look, 5)
    grey = path(f"M{x} {_y(paid[0]):.1f}V{_y(paid[1]):.1f}", GREY)
    name = label(x, 48, "\u2717 " * bool(wrong) + word, "middle", "word")
    mark = label(x, 66, "planted error", "middle", "small") if wrong else ""
    ticks = line(x, TOP - 10, x, FLOOR + 10, "dpoq-grid")
    arrow = "\u25bc " if r_hat < -0.005 else "\u25b2 " if r_hat > 0.005 else ""
    numbers = label(x, FLOOR + 32, arrow + signed(r_hat), "middle", f"word fill {look.colour}")
    return ticks + grey + step + name + mark + numbers + label(x, FLOOR + 56, signed(r), "middle", "quiet")

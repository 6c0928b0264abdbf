"""Lesson 03's picture: r_hat of two replies written out, and V* that cancels between neighbours."""

from dataclasses import dataclass

import numpy as np

from dpoq_lab.theory.example_trees import TOKENS, polite_tree
from dpoq_lab.theory.soft_bellman import implicit_reward, preference, solve
from dpoq_lab.theory.token_mdp import prefix, trajectories
from dpoq_lab.views.charts import GREY, LESS, MORE, Look, label, line, path
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed

W, LOSER = (0, 2), (1, 1, 2)  # the tokens of 'thanks EOS' and of 'no no EOS'
BOX, HIGH, APART = 92, 44, 12  # pixels: a term's width and height, the gap between two tokens
LANE, RIGHT, WIDTH, HEIGHT = 134, 890, 1070, 336  # of a reply; where its sum stands; of all
ALT = (
    "Two replies, token by token: each r_hat is minus V* of the state before, plus the reward, plus V* of "
    "the state after; neighbouring V* are crossed out one after the other"
)
LINES = (
    "DPO fits r\u0302 = \u03b2 log \u03c0*/\u03c0_ref of each token. Where is the return R in their sum?",
    "Each r\u0302 written out: minus V* of where it starts, plus what it pays, plus V* of where it leads.",
    "What the first token adds, the second takes away again: V* of the state between them cancels.",
    "So at every boundary between two tokens. The longer reply has one more of them.",
    "The end is worth 0. What the tokens pay is left, R, and one V* that nobody takes away: V*(s_0).",
    "Both replies start at s_0, so V*(s_0) goes too: comparing sums of r\u0302 is comparing returns.",
)
PLAIN, MINUS = Look("ink"), "\u2212"


@dataclass(frozen=True)
class Term:
    """A term of a token's r_hat: its name, its value, the step at which it goes."""

    name: str
    value: float
    goes: int


@dataclass(frozen=True)
class Reply:
    """A reply: its name, its words, pi*, pi_ref and r_hat of each, three terms a token, its return."""

    name: str
    words: list[str]
    pi: list[float]
    pi_ref: list[float]
    terms: list[tuple[Term, Term, Term]]
    R: float
    r_hat: list[float]


def frames() -> list[Figure]:
    """r_hat alone, written out, then what cancels goes: within the replies, then between them."""
    w, loser = the_reply("w", W), the_reply("l", LOSER)
    return [_figure(w, loser, step, text) for step, text in enumerate(LINES)]


def the_reply(name: str, tokens: tuple[int, ...]) -> Reply:
    """The reply of `tokens`, EOS last, in the polite tree at beta 1."""
    mdp, r = polite_tree(1.0)
    exact = solve(mdp, r)
    r_hat = implicit_reward(mdp, exact.pi)
    every = trajectories(mdp)
    y = next(y for y, n in enumerate(every.lengths) if tuple(every.tokens[y, :n]) == tokens)
    path_ = [(t, int(every.states[y, t]), a) for t, a in enumerate(tokens)]
    names = [" ".join(TOKENS[a] for a in prefix(mdp, t, i)) or "s_0" for t, i, _ in path_]
    V = [float(exact.V[t][i]) for t, i, _ in path_] + [0.0]
    terms, last = [], len(path_) - 1
    for t, i, a in path_:
        before = Term(f"\u2212V*({names[t]})", -V[t], 5 if t == 0 else 1 + t)
        after = Term("+V*(end)" if t == last else f"+V*({names[t + 1]})", V[t + 1], 4 if t == last else 2 + t)
        terms.append((before, Term("r", float(r[t][i, a]), len(LINES)), after))
    return Reply(
        name,
        [TOKENS[a] for a in tokens],
        [float(exact.pi[t][i, a]) for t, i, a in path_],
        [float(mdp.pi_ref[t][i, a]) for t, i, a in path_],
        terms,
        float(sum(r[t][i, a] for t, i, a in path_)),
        [float(r_hat[t][i, a]) for t, i, a in path_],
    )


def _figure(w: Reply, loser: Reply, step: int, reading: str) -> Figure:
    """Both replies at a step, the difference of their sums below."""
    parts = [_lane(w, step, 4), _lane(loser, step, LANE + 12), _difference(w, loser, step)]
    return Figure("".join(parts), WIDTH, HEIGHT, ALT, reading, {"w": w, "l": loser, "step": step})


def _lane(reply: Reply, step: int, top: float) -> str:
    """A reply from left to right, its sum at the right end."""
    parts, wide = [], 3 * BOX + APART
    for t, (word, r_hat) in enumerate(zip(reply.words, reply.r_hat, strict=True)):
        x = 2 + wide * t
        start = f"{reply.name}:  {word}" if t == 0 else word
        parts += [
            label(x, top + 16, start, kind="word"),
            label(x + 150, top + 16, f"r\u0302 {signed(r_hat)}"),
        ]
        if step == 0:
            ratio = f"log {reply.pi[t]:.2f} / {reply.pi_ref[t]:.2f} = {signed(r_hat)}"
            parts.append(_box(x, top + 26, 3 * BOX - 2, PLAIN) + label(x + 40, top + 53, ratio))
        else:
            parts += [_term(term, step, x + BOX * k, top + 26) for k, term in enumerate(reply.terms[t])]
    return "".join(parts) + _arcs(reply, step, top + 26 + HIGH) + _sum(reply, step, top)


def _term(term: Term, step: int, x: float, y: float) -> str:
    """A box with name and value: plus solid, minus dashed, r in ink; crossed out once it has gone."""
    gone = step >= term.goes
    look = GREY if gone else PLAIN if term.name == "r" else MORE if term.name[0] == "+" else LESS
    kind = "quiet" if gone else ""
    parts = [_box(x, y, BOX - 2, look)]
    if gone:
        parts.append(line(x + 3, y + HIGH - 3, x + BOX - 5, y + 3, "dpoq-edge grey"))
    middle, value = x + BOX / 2 - 1, "0" if term.name == "+V*(end)" else signed(term.value)
    parts.append(label(middle, y + 17, term.name, "middle", f"small {kind}"))
    return "".join(parts) + label(middle, y + 36, value, "middle", kind)


def _box(x: float, y: float, wide: float, look: Look) -> str:
    return path(f"M{x:.1f} {y:.1f}h{wide:.1f}v{HIGH}h-{wide:.1f}z", look)


def _arcs(reply: Reply, step: int, y: float) -> str:
    """A bracket under each pair of neighbours that has cancelled, and what cancels between the replies."""
    parts = [label(2, y + 20, "the same in both", kind="small")] if step == len(LINES) - 1 else []
    for t in range(1, len(reply.words)):
        if step >= 1 + t:
            left = 2 + (3 * BOX + APART) * t - APART - BOX / 2
            right = left + APART + BOX
            parts.append(path(f"M{left:.1f} {y + 4:.1f}v8H{right:.1f}v-8", PLAIN))
            parts.append(label((left + right) / 2, y + 28, "cancel", "middle", "small"))
    return "".join(parts)


def _sum(reply: Reply, step: int, top: float) -> str:
    """The sum of r_hat; from the step on at which only this is left, as R - V*(s_0)."""
    total = sum(reply.r_hat)
    text = [f"sum of r\u0302 = {signed(total)}"]
    if step >= 4:
        V = reply.terms[0][0].value
        text += [
            f"= R({reply.name}) \u2212 V*(s_0)",
            f"= {signed(reply.R)} {'+' if V > 0 else MINUS} {abs(V):.2f}",
        ]
    return "".join(
        label(RIGHT, top + 40 + 21 * n, line_, kind="" if n else "word") for n, line_ in enumerate(text)
    )


def _difference(w: Reply, loser: Reply, step: int) -> str:
    """The last line: the difference of the sums, and what it is once all has cancelled."""
    gap, returns, y = sum(w.r_hat) - sum(loser.r_hat), w.R - loser.R, HEIGHT - 40
    said = "sum of r\u0302(w) \u2212 sum of r\u0302(l) = "
    if step < len(LINES) - 1:
        return label(2, y, said + signed(gap), kind="word")
    assert np.isclose(returns, gap)
    shown = f"R(w) \u2212 R(l) = {signed(w.R)} \u2212 ({signed(loser.R)}) = {signed(returns)}"
    p = f"w is preferred with probability \u03c3({returns:.2f}) = {preference(w.R, loser.R):.3f}, (1) and (8)"
    return label(2, y, said + shown, kind="word") + label(2, y + 25, p)

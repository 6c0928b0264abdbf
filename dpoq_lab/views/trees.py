"""A prefix tree drawn with its numbers on it, as SVG.

The root is on the left. An edge is a token: its width is pi(a|s), its numbers stand above and below it, and
it is blue and solid where a number rose, orange and dashed where it fell, grey where it stayed, grey and
dotted where it is left open. A box is a state and holds V(s); a small filled square is a terminal state,
where V = 0, with the reply's numbers beside it. Fit for about 15 replies. Shapes as in `token_mdp`; there
are S states, E = S*V edges and N endings, in the order of level, state, token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from dpoq_lab.theory.soft_bellman import Solution, trajectory_probs
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, flat, trajectory_sums
from dpoq_lab.views.charts import LETTER, Look, label
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed

ROW, BOX, BEND = 38, (58, 34), 44  # pixels: between rows, of a state, from a state to where edges are level
ROSE, FELL, STAYED, OPEN = Look("more"), Look("less", "9 5"), Look("grey"), Look("grey", "2 5")


@dataclass(frozen=True, eq=False)
class TreeLabels:
    """What stands on a tree, as plain text.

    Each edge's word (E,), what follows it `above` the edge and what is `below` (E,); `value`, the name of
    what the `states` (S,) hold; texts beside the `endings` (N,). Each edge's `width` in 0..1, the sign of its
    `change` and whether it is `open`, (E,); the edge that is `chosen` and the state that is `marked`, -1 for
    none.
    """

    words: list[str]
    above: list[str]
    below: list[str]
    value: str
    states: list[str]
    endings: list[str]
    width: np.ndarray
    change: np.ndarray
    open: np.ndarray | None = None
    chosen: int = -1
    marked: int = -1

    def looks(self) -> list[Look]:
        """How each edge is drawn, (E,)."""
        signs = {1.0: ROSE, 0.0: STAYED, -1.0: FELL}
        is_open = self.open if self.open is not None else np.zeros(len(self.words), bool)
        changes = np.sign(self.change.round(6))
        return [OPEN if o else signs[c] for c, o in zip(changes, is_open, strict=True)]


def edge_words(mdp: TokenMDP, words: Sequence[str]) -> list[str]:
    """The word of each edge, (E,)."""
    return list(words) * mdp.n_states


def ending_labels(r: Levels, solution: Solution) -> list[str]:
    """R and pi(y) of each reply, (N,)."""
    pairs = zip(trajectory_sums(r), trajectory_probs(solution.pi), strict=True)
    return [f"R {signed(R)}, p {p:.2f}" for R, p in pairs]


def tree_rows(mdp: TokenMDP) -> tuple[Levels, Levels]:
    """The row, from the top, of each state, levels (n_t,), and of what each token leads to, (n_t, n_actions).

    Every ending has a row of its own; a state stands in the middle of the rows of its endings.
    """
    n_actions = mdp.n_actions
    sizes = [n_actions]  # endings below a state of each level, from the last level up
    for _ in range(mdp.horizon - 1):
        sizes.insert(0, (n_actions - 1) * sizes[0] + 1)
    first, states, ends = np.zeros(1), [], []
    for size, below in zip(sizes, [*sizes[1:], 1], strict=True):
        states.append(first + (size - 1) / 2)
        children = first[:, None] + below * np.arange(n_actions)
        ends.append(children + (below - 1) / 2)
        ends[-1][:, -1] = children[:, -1]
        first = children[:, :-1].ravel()
    return states, ends


def tree_figure(mdp: TokenMDP, labels: TreeLabels, alt: str, reading: str) -> Figure:
    """The tree with `labels` on it; `data` has them."""
    rows = [f"{word} {text}" for word, text in zip(labels.words, labels.above, strict=True)]
    column = BOX[0] + BEND + 24 + LETTER * max(map(len, [*rows, *labels.below]))
    width = BOX[0] / 2 + column * mdp.horizon + 24 + LETTER * max(map(len, labels.endings))
    states, ends = tree_rows(mdp)
    depth, starts = _depths(ends), np.repeat(flat(states), mdp.n_actions)
    body = [
        _edge(labels, look, e, (column * t, start), (column * (t + 1), row))
        for e, (look, t, start, row) in enumerate(zip(labels.looks(), depth, starts, flat(ends), strict=True))
    ]
    boxes = zip(_depths(states), flat(states), labels.states, strict=True)
    body += [_state(labels, s, column * t, row, text) for s, (t, row, text) in enumerate(boxes)]
    last = [*(level[:, -1:] for level in ends[:-1]), ends[-1]]
    tips = zip(_depths(last), flat(last), labels.endings, strict=True)
    body += [_ending(column * (t + 1), row, text) for t, row, text in tips]
    moved = f'<g transform="translate({BOX[0] / 2 + 2:g},{ROW / 2:g})">{"".join(body)}</g>'
    return Figure(moved, width, ROW * mdp.n_trajectories + 6, alt, reading, {"labels": labels})


def _edge(
    labels: TreeLabels, look: Look, e: int, start: tuple[float, float], end: tuple[float, float]
) -> str:
    """An edge with its texts; both ends as pixels across and row."""
    (x0, row0), (x1, row1) = start, end
    x0, y0, y1 = x0 + BOX[0] / 2, row0 * ROW, row1 * ROW
    curve = f"M{x0:.1f} {y0:.1f}C{x0 + BEND:.1f} {y0:.1f} {x0:.1f} {y1:.1f} {x0 + BEND:.1f} {y1:.1f}H{x1:.1f}"
    dash = f' stroke-dasharray="{look.dash}"' if look.dash else ""
    width = 1.5 + 6.5 * labels.width[e]
    pointer = "\u25b6 " if e == labels.chosen else ""
    word = f'<tspan class="word">{pointer}{escape(labels.words[e])}</tspan> {_text(labels.above[e])}'
    x = x0 + BEND + 4
    return (
        f'<path class="dpoq-edge {look.colour}" d="{curve}" style="stroke-width:{width:.1f}px"{dash}/>'
        f'<text x="{x:.1f}" y="{y1 - 6:.1f}">{word}</text>'
        f'<text x="{x:.1f}" y="{y1 + 15:.1f}" class="quiet">{_text(labels.below[e])}</text>'
    )


def _state(labels: TreeLabels, state: int, x: float, row: float, text: str) -> str:
    wide, high = BOX
    corner = f'x="{x - wide / 2:.1f}" y="{row * ROW - high / 2:.1f}" width="{wide}" height="{high}" rx="3"'
    stroke = 4 if state == labels.marked else 1
    box = f'<rect class="dpoq-box" {corner} style="stroke-width:{stroke}px"/>'
    name = label(x, row * ROW - 3, labels.value, "middle", "small")
    return box + name + label(x, row * ROW + 13, text, "middle")


def _ending(x: float, row: float, text: str) -> str:
    corner = f'x="{x - 5:.1f}" y="{row * ROW - 5:.1f}"'
    return (
        f'<rect class="fill ink" {corner} width="10" height="10"/>'
        f'<text x="{x + 12:.1f}" y="{row * ROW + 5:.1f}">{_text(text)}</text>'
    )


def _text(text: str) -> str:
    """Escaped text with pi_ref set as it is written."""
    return escape(text).replace(
        "_ref", '<tspan class="small" dy="3">ref</tspan><tspan dy="-3">\u200b</tspan>'
    )


def _depths(levels: Levels) -> np.ndarray:
    return np.repeat(np.arange(len(levels)), [level.size for level in levels])

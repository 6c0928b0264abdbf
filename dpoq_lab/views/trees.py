"""A prefix tree drawn with its numbers on it: pure functions from a `TokenMDP` to a Plotly figure.

The root is on the left. An edge is a token: its width is pi(a|s), its numbers stand above and below it,
and it is blue and solid where a number rose, orange and dotted where it fell, grey and dashed where it is
left open. A square is a state and
holds V(s); a small filled square is a terminal state, where V = 0, with the reply's numbers beside it.
Fit for about 15 replies. Shapes as in `token_mdp`; there are S states, E = S*V edges and N endings, in
the order of level, state, token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go

from dpoq_lab.theory.soft_bellman import Solution, trajectory_probs
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, flat, trajectory_sums
from dpoq_lab.views.figures import BLUE, GREY, ORANGE
from dpoq_lab.views.token_view import signed

ROW, COLUMN, BEND = 48, 220, 0.2  # pixels, pixels, share of a column


@dataclass(frozen=True, eq=False)
class TreeLabels:
    """What stands on a tree: texts `above` and `below` the edges (E,), in the `states` (S,) and beside the
    `endings` (N,); each edge's `width` in 0..1, the sign of its `change` and whether it is `open`, (E,); the
    `marked` state, -1 for none."""

    above: list[str]
    below: list[str]
    states: list[str]
    endings: list[str]
    width: np.ndarray
    change: np.ndarray
    marked: int = -1
    open: np.ndarray | None = None


def edge_words(mdp: TokenMDP, words: Sequence[str]) -> list[str]:
    """The word of each edge, (E,), escaped."""
    return [escape(word) for word in words] * mdp.n_states


def ending_labels(r: Levels, solution: Solution) -> list[str]:
    """R and pi(y) of each reply, (N,)."""
    pairs = zip(trajectory_sums(r), trajectory_probs(solution.pi), strict=True)
    return [f" R {signed(R)}, p {p:.2f}" for R, p in pairs]


def tree_rows(mdp: TokenMDP) -> tuple[Levels, Levels]:
    """The row, from the top, of each state, levels (n_t,), and of what each token leads to, (n_t, V).

    Every ending has a row of its own; a state stands in the middle of the rows of its endings.
    """
    V = mdp.vocabulary
    sizes = [V]  # endings below a state of each level, from the last level up
    for _ in range(mdp.horizon - 1):
        sizes.insert(0, (V - 1) * sizes[0] + 1)
    first, states, ends = np.zeros(1), [], []
    for size, below in zip(sizes, [*sizes[1:], 1], strict=True):
        states.append(first + (size - 1) / 2)
        children = first[:, None] + below * np.arange(V)
        ends.append(children + (below - 1) / 2)
        ends[-1][:, -1] = children[:, -1]
        first = children[:, :-1].ravel()
    return states, ends


def tree_figure(mdp: TokenMDP) -> go.Figure:
    """The tree without its numbers: one trace an edge, then above, below, states and endings."""
    states, ends = tree_rows(mdp)
    figure = _canvas(mdp)
    for t, (starts, rows) in enumerate(zip(states, ends, strict=True)):
        for start, row in zip(np.repeat(starts, mdp.vocabulary), rows.ravel(), strict=True):
            figure.add_scatter(x=[t, t + BEND, t + 1], y=[start, row, row], mode="lines")
    middle = _depths(ends) + BEND + 0.36
    for place, away in (("top center", -0.12), ("bottom center", 0.12)):  # of a row, clear of the widest edge
        rows = flat(ends) + away
        figure.add_scatter(x=middle, y=rows, mode="text", textposition=place, textfont={"size": 14})
    square = {"symbol": "square", "size": 46, "color": "white"}
    figure.add_scatter(
        x=_depths(states), y=flat(states), mode="markers+text", marker=square, textfont={"size": 13}
    )
    last = [*(rows[:, -1:] for rows in ends[:-1]), ends[-1]]
    figure.add_scatter(
        x=_depths(last) + 1,
        y=flat(last),
        mode="markers+text",
        marker={"symbol": "square", "size": 9, "color": INK},
        textposition="middle right",
        textfont={"size": 14},
    )
    return figure


def draw_tree(figure: go.Figure, labels: TreeLabels) -> None:
    """Put `labels` on the figure of `tree_figure`; on a FigureWidget the page redraws."""
    *edges, above, below, states, endings = figure.data
    looks = [_STYLE[sign] for sign in np.sign(labels.change.round(6))]
    if labels.open is not None:
        looks = [_OPEN if is_open else look for look, is_open in zip(looks, labels.open, strict=True)]
    marked = [i == labels.marked for i in range(len(labels.states))]
    with figure.batch_update():
        for edge, width, look in zip(edges, labels.width, looks, strict=True):
            edge.line = {"width": 1 + 7 * width, **look}
        above.text, below.text = labels.above, labels.below
        states.text, endings.text = labels.states, labels.endings
        states.marker.line = {"color": INK, "width": [4 if mark else 1 for mark in marked]}


INK = "#111111"
_STYLE = {
    1.0: {"color": BLUE, "dash": "solid"},
    0.0: {"color": GREY, "dash": "solid"},
    -1.0: {"color": ORANGE, "dash": "dot"},
}
_OPEN = {"color": GREY, "dash": "dash"}


def _depths(levels: Levels) -> np.ndarray:
    return np.repeat(np.arange(len(levels)), [level.size for level in levels])


def _canvas(mdp: TokenMDP) -> go.Figure:
    figure = go.Figure(
        layout={
            "width": int(COLUMN * (mdp.horizon + 0.75)),
            "height": ROW * mdp.n_trajectories + 40,
            "margin": {"l": 10, "r": 10, "t": 10, "b": 10},
            "plot_bgcolor": "white",
            "font": {"color": INK},
            "showlegend": False,
            "hovermode": False,
            "dragmode": False,
        }
    )
    figure.update_xaxes(visible=False, range=[-0.12, mdp.horizon + 0.62], fixedrange=True)
    figure.update_yaxes(visible=False, range=[mdp.n_trajectories - 0.3, -0.7], fixedrange=True)
    return figure

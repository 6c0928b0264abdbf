"""What lesson 04 draws: credit on the readable tree, and the error of the learned advantage."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from dpoq_lab.theory.soft_bellman import Solution, implicit_reward
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, flat, trajectory_sums
from dpoq_lab.views.figures import BLUE, GREY, ORANGE
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.trees import TreeLabels, edge_words


def credit_labels(
    mdp: TokenMDP, words: Sequence[str], r: Levels, solution: Solution, left_open: Levels
) -> TreeLabels:
    """r and A* = beta log pi*/pi_ref on the edges, V* in the states, R at the endings.

    An edge rises where A* > 0. A token of `left_open`, levels (n_t, V) of bool, carries a question mark.
    """
    A, is_open = flat(implicit_reward(mdp, solution.pi)), flat(left_open)
    named = zip(edge_words(mdp, words), flat(r), strict=True)
    return TreeLabels(
        above=[f"<b>{word}</b>  r {signed(x)}" for word, x in named],
        below=[f"A* {signed(a)}{'?' if o else ''}" for a, o in zip(A, is_open, strict=True)],
        states=[f"V*<br>{signed(v)}" for v in flat(solution.V)],
        endings=[f" R {signed(R)}" for R in trajectory_sums(r)],
        width=flat(solution.pi),
        change=A,
        open=is_open,
    )


def error_figure(n: np.ndarray, errors: dict[str, np.ndarray]) -> go.Figure:
    """Error of the learned advantage against the number of pairs, on logarithmic axes.

    `errors` maps two names to (seeds, len(n)); drawn are medians with the range over the seeds, and the
    slope n^-1/2 through the first curve's last point.
    """
    figure = go.Figure(layout={"height": 380, "margin": {"l": 70, "r": 20, "t": 20, "b": 60}})
    figure.update_xaxes(title="number of pairs n", type="log")
    figure.update_yaxes(title="median |fitted - A*| over settled tokens", type="log")
    styles = ((BLUE, "solid", "circle"), (ORANGE, "dash", "diamond"))
    for (name, by_seed), (colour, dash, symbol) in zip(errors.items(), styles, strict=True):
        middle = np.median(by_seed, axis=0)
        bars = {"array": by_seed.max(axis=0) - middle, "arrayminus": middle - by_seed.min(axis=0)}
        figure.add_scatter(
            name=name,
            x=n,
            y=middle,
            error_y=bars,
            mode="lines+markers",
            line={"color": colour, "dash": dash},
            marker={"symbol": symbol, "size": 9},
        )
    first = np.median(next(iter(errors.values())), axis=0)
    slope = first[-1] * (n / n[-1]) ** -0.5
    figure.add_scatter(name="slope n^-1/2", x=n, y=slope, mode="lines", line={"color": GREY, "dash": "dot"})
    return figure

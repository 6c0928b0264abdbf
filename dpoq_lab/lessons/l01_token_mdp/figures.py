"""What lesson 01 writes on its tree, and the cost of solving trees by their size."""

from collections.abc import Sequence

import plotly.graph_objects as go

from dpoq_lab.theory.soft_bellman import Solution
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, flat
from dpoq_lab.views.figures import BLUE, ORANGE
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.trees import TreeLabels, edge_words, ending_labels


def optimum_labels(
    mdp: TokenMDP, words: Sequence[str], r: Levels, solution: Solution, chosen: int
) -> TreeLabels:
    """r, pi_ref and pi* on the edges, V* in the states, R and pi*(y) at the endings.

    An edge rises where pi* > pi_ref. The edge `chosen`, 0..E-1, carries a pointer.
    """
    pi_ref, pi = flat(mdp.pi_ref), flat(solution.pi)
    above = [f"<b>{w}</b>  r {signed(x)}" for w, x in zip(edge_words(mdp, words), flat(r), strict=True)]
    above[chosen] = "\u25b6 " + above[chosen]
    return TreeLabels(
        above=above,
        below=[
            f"\u03c0<sub>ref</sub> {p:.2f} \u2192 \u03c0* {q:.2f}" for p, q in zip(pi_ref, pi, strict=True)
        ],
        states=[f"V*<br>{signed(v)}" for v in flat(solution.V)],
        endings=ending_labels(r, solution),
        width=pi,
        change=pi - pi_ref,
        marked=chosen // mdp.vocabulary,
    )


def scaling_figure(rows: list[tuple[int, float, float]]) -> go.Figure:
    """Seconds and peak MiB of `bench_token_mdp.measure` against nodes, both axes logarithmic."""
    nodes, seconds, mib = zip(*rows, strict=True)
    figure = go.Figure(layout={"height": 340, "margin": {"l": 60, "r": 20, "t": 30, "b": 50}})
    figure.add_scatter(name="seconds", x=nodes, y=seconds, mode="lines+markers", line={"color": BLUE})
    dash = {"color": ORANGE, "dash": "dash"}
    figure.add_scatter(name="peak MiB", x=nodes, y=mib, mode="lines+markers", line=dash)
    figure.update_xaxes(type="log", title="nodes of the tree")
    figure.update_yaxes(type="log", title="seconds, MiB")
    return figure

"""Pure functions from exact results to the Plotly figures of lessons 03 and 04; each returns its reading.

Blue is above 0, orange below; every number carries its sign. Rewards and advantages share the unit of
the Bradley-Terry score, KLs are in nats.
"""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dpoq_lab.figures import BLUE, GREY, ORANGE
from dpoq_lab.token_mdp import Levels, TokenMDP
from dpoq_lab.token_view import signed

LIMIT = 6.0  # the advantages beyond +-LIMIT are drawn at the border


def reduction_figure(log_betas: np.ndarray) -> go.Figure:
    """The empty axes of `draw_reduction`: fitted against exact advantage, and beta two ways."""
    figure = make_subplots(cols=2, column_widths=[0.55, 0.45], horizontal_spacing=0.13)
    figure.update_layout(
        height=400, margin={"l": 60, "r": 20, "t": 30, "b": 90}, legend={"orientation": "h", "y": -0.22}
    )
    border = [-LIMIT * 1.08, LIMIT * 1.08]
    figure.update_layout(plot_bgcolor="#f5f5f5")
    figure.update_xaxes(title="exact A* of the token", range=border, zerolinecolor=GREY, col=1)
    figure.update_yaxes(title="fitted beta log pi/pi_ref", range=border, zerolinecolor=GREY, col=1)
    diagonal = {"color": GREY, "dash": "dot"}
    figure.add_scatter(name="equal", x=border, y=border, mode="lines", line=diagonal, row=1, col=1)
    marker = {"color": BLUE, "size": 9, "symbol": "circle"}
    figure.add_scatter(name="a token", mode="markers", marker=marker, hoverinfo="text", row=1, col=1)
    beta = (10**log_betas).tolist()
    figure.update_xaxes(title="beta", type="log", col=2)
    figure.update_yaxes(title="KL, or push", rangemode="tozero", col=2)
    figure.add_scatter(
        name="KL of the optimum (nats)", x=beta, mode="lines", line={"color": BLUE}, row=1, col=2
    )
    line = {"color": ORANGE, "dash": "dash"}
    figure.add_scatter(
        name="first push beta/2", x=beta, y=[b / 2 for b in beta], mode="lines", line=line, row=1, col=2
    )
    here = {"color": GREY, "size": 11, "symbol": "diamond"}
    figure.add_scatter(name="this beta", mode="markers", marker=here, row=1, col=2)
    return figure


def draw_reduction(
    figure: go.Figure, exact: Levels, fitted: Levels, names: list[str], kl: np.ndarray, here: list[float]
) -> str:
    """Draw advantages, levels (n_t, V), and KL(pi*||pi_ref), one a beta, in `reduction_figure`.

    `names` has one text a token, `here` is (beta, KL) of the marked point. Returns the reading.
    """
    A, found = np.concatenate(exact).ravel(), np.concatenate(fitted).ravel()
    beta, kl_here = here
    with figure.batch_update():
        figure.data[1].update(
            x=A.clip(-LIMIT, LIMIT),
            y=found.clip(-LIMIT, LIMIT),
            text=[
                f"{n}: A* {signed(a)}, fitted {signed(f)}" for n, a, f in zip(names, A, found, strict=True)
            ],
        )
        figure.data[2].update(y=kl)
        figure.data[4].update(x=[beta, beta], y=[kl_here, beta / 2])
    error, median = abs(found - A), float(np.median(abs(found - A)))
    outside = int((abs(found) > LIMIT).sum())
    beyond = f" Beyond the frame: {outside}." if outside else ""
    return (
        f"beta {beta:.2f}: largest error of a token {error.max():.2f}, median {median:.2f}.{beyond} "
        f"KL of the optimum {kl_here:.2f} nats; first push {beta / 2:.2f} a nat."
    )


def tree_figure(mdp: TokenMDP) -> go.Figure:
    """The empty axes of `draw_tree`: the start at the left, one row a reply, as high as it has replies."""
    height = 90 + 26 * mdp.n_trajectories
    figure = go.Figure(layout={"height": height, "margin": {"l": 20, "r": 20, "t": 40, "b": 50}})
    figure.update_xaxes(visible=False, range=[-0.05, mdp.horizon + 0.05])
    figure.update_yaxes(visible=False, range=[-mdp.n_trajectories + 0.3, 0.7])
    figure.update_layout(legend={"orientation": "h", "y": 0}, plot_bgcolor="white")
    for name, colour, dash in (
        ("A* above 0", BLUE, "solid"),
        ("A* below 0", ORANGE, "dash"),
        ("left open by the pairs (?)", GREY, "dot"),
    ):
        line = {"color": colour, "dash": dash, "width": 3}
        figure.add_scatter(name=name, mode="lines", line=line, hoverinfo="skip")
    figure.add_scatter(mode="text", textposition="top right", showlegend=False, hoverinfo="text")
    return figure


def draw_tree(
    figure: go.Figure, mdp: TokenMDP, tokens: tuple[str, ...], r: Levels, A: Levels, left_open: Levels
) -> None:
    """Draw every token of `mdp` as a line with its reward `r` and advantage `A`, levels (n_t, V).

    A token of `left_open`, levels of bool, is dotted and marked with a question mark.
    """
    xs, ys, rows = _places(mdp)
    x, y = [[], [], []], [[], [], []]
    text, at_x, at_y = [], [], []
    for t, i, a, row in rows:
        kind = 2 if left_open[t][i, a] else int(A[t][i, a] < 0)
        start = (xs[t], ys[t][i])
        x[kind] += [start[0], start[0] + 0.12, start[0] + 1, None]
        y[kind] += [start[1], row, row, None]
        mark = "?" if left_open[t][i, a] else ""
        text.append(f"{tokens[a]} &nbsp; r {signed(r[t][i, a])} &nbsp; <b>A {signed(A[t][i, a])}{mark}</b>")
        at_x.append(start[0] + 0.15)
        at_y.append(row + 0.05)
    with figure.batch_update():
        for trace, trace_x, trace_y in zip(figure.data[:3], x, y, strict=True):
            trace.update(x=trace_x, y=trace_y)
        figure.data[3].update(x=at_x, y=at_y, text=text)


def _places(mdp: TokenMDP) -> tuple[range, list[list[float]], list[tuple[int, int, int, float]]]:
    """Where the states stand, and (t, i, a, height) of each token; rows are counted downwards."""
    heights = [[0.0] * len(level) for level in mdp.pi_ref]
    rows: list[tuple[int, int, int, float]] = []
    leaves = 0

    def place(t: int, i: int) -> float:
        nonlocal leaves
        children = []
        for a in range(mdp.vocabulary):
            if a < mdp.vocabulary - 1 and t < mdp.horizon - 1:
                height = place(t + 1, i * (mdp.vocabulary - 1) + a)
            else:
                height, leaves = -float(leaves), leaves + 1
            children.append(height)
            rows.append((t, i, a, height))
        heights[t][i] = sum(children) / len(children)
        return heights[t][i]

    place(0, 0)
    return range(mdp.horizon), heights, rows


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

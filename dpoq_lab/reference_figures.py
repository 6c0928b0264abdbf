"""Figures of lesson 08: rewards and likelihoods by step, and the chosen reward by beta."""

import numpy as np
import plotly.graph_objects as go

from dpoq_lab.figures import BLUE, GREY, ORANGE, axes

LOOKS = {"chosen": (BLUE, "solid"), "rejected": (ORANGE, "dash"), "margin": (GREY, "dot")}


def two_curves(title: str) -> go.Figure:
    """Empty axes of chosen, rejected and margin by step."""
    figure = axes(340, "optimiser step", title, zero=True)
    for name, (colour, dash) in LOOKS.items():
        figure.add_scatter(name=name, mode="lines", line={"color": colour, "dash": dash}, x=[], y=[])
    return figure


def draw_curves(
    figure: go.Figure, chosen: list[float], rejected: list[float], steps: list[int] | None = None
) -> None:
    """Put chosen, rejected and their difference into the figure of `two_curves`; default: every step."""
    steps = steps or list(range(len(chosen)))
    margin = (np.array(chosen) - np.array(rejected)).tolist()
    with figure.batch_update():
        for trace, y in zip(figure.data, (chosen, rejected, margin), strict=True):
            trace.update(x=steps, y=y)


def beta_figure(betas: np.ndarray, exact: np.ndarray, limit: np.ndarray) -> go.Figure:
    """The mean chosen reward at pi* by beta, exact and in the small-reward limit."""
    figure = axes(320, "beta", "mean chosen reward at pi*", zero=True).update_xaxes(type="log")
    figure.add_scatter(name="exact", x=betas, y=exact, mode="lines+markers", line={"color": BLUE})
    figure.add_scatter(
        name="Var(R)/2 (1 - 1/beta)", x=betas, y=limit, mode="lines", line={"color": ORANGE, "dash": "dash"}
    )
    return figure

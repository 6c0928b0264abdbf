"""Pure functions from results to Plotly figures."""

import numpy as np
import plotly.graph_objects as go

BLUE, ORANGE, GREY = "#2166ac", "#b35806", "#555555"
CONFIG = {"showSendToCloud": False, "displaylogo": False}


def axes(height: int, x: str = "", y: str = "", zero: bool = False) -> go.Figure:
    """Empty axes with titles, as wide as the page, the legend above; with `zero` y = 0 is drawn."""
    figure = go.Figure(
        layout={
            "height": height,
            "autosize": True,
            "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom"},
            "margin": {"l": 60, "r": 20, "t": 60, "b": 50},
        }
    )
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y, zeroline=True, zerolinecolor=GREY) if zero else figure.update_yaxes(title=y)
    return figure


_CURVES = {"chosen": (BLUE, "solid"), "rejected": (ORANGE, "dash"), "margin": (GREY, "dot")}


def pair_curves(title: str) -> go.Figure:
    """Empty axes of chosen, rejected and margin by step."""
    figure = axes(340, "optimiser step", title, zero=True)
    for name, (colour, dash) in _CURVES.items():
        figure.add_scatter(name=name, mode="lines", line={"color": colour, "dash": dash}, x=[], y=[])
    return figure


def draw_curves(
    figure: go.Figure, chosen: list[float], rejected: list[float], steps: list[int] | None = None
) -> None:
    """Put chosen, rejected and their difference into the figure of `pair_curves`; default: every step."""
    steps = steps or list(range(len(chosen)))
    margin = (np.array(chosen) - np.array(rejected)).tolist()
    with figure.batch_update():
        for trace, y in zip(figure.data, (chosen, rejected, margin), strict=True):
            trace.update(x=steps, y=y)

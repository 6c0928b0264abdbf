"""What lesson 08 draws beside curves: the chosen reward by beta."""

import numpy as np
import plotly.graph_objects as go

from dpoq_lab.views.figures import BLUE, ORANGE, axes


def beta_figure(betas: np.ndarray, exact: np.ndarray, limit: np.ndarray) -> go.Figure:
    """The mean chosen reward at pi* by beta, exact and in the small-reward limit."""
    figure = axes(320, "beta", "mean chosen reward at pi*", zero=True).update_xaxes(type="log")
    figure.add_scatter(name="exact", x=betas, y=exact, mode="lines+markers", line={"color": BLUE})
    figure.add_scatter(
        name="Var(R)/2 (1 - 1/beta)", x=betas, y=limit, mode="lines", line={"color": ORANGE, "dash": "dash"}
    )
    return figure

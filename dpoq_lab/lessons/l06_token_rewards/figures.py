"""What lesson 06 draws: learned token rewards against exact advantages."""

import numpy as np
import plotly.graph_objects as go

from dpoq_lab.views.figures import BLUE, GREY, ORANGE, axes


def against_advantage(r_hat: np.ndarray, A: np.ndarray, r: np.ndarray) -> go.Figure:
    """Learned token rewards against exact advantages, (n,) each, marked by the reward that was paid."""
    figure = axes(380, "exact advantage A*", "learned r = beta log pi/pi_ref")
    ends = [float(A.min()), float(A.max())]
    figure.add_scatter(name="r = A*", x=ends, y=ends, mode="lines", line={"color": GREY, "dash": "dash"})
    for pay, colour, symbol in ((-1, ORANGE, "x"), (0, GREY, "diamond"), (1, BLUE, "circle")):
        marker = {"color": colour, "symbol": symbol, "size": 7, "opacity": 0.6}
        paid = r == pay
        figure.add_scatter(name=f"paid {pay:+d}", x=A[paid], y=r_hat[paid], mode="markers", marker=marker)
    return figure

"""What lesson 03 draws: fitted against exact advantages, and beta two ways.

Rewards and advantages share the unit of the Bradley-Terry score, KLs are in nats.
"""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from scipy.special import log_softmax

from dpoq_lab.theory.soft_bellman import trajectory_log_probs
from dpoq_lab.theory.token_mdp import Levels, TokenMDP
from dpoq_lab.views.figures import BLUE, GREY, ORANGE
from dpoq_lab.views.token_view import signed


def optimal_kl(mdp: TokenMDP, R: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """KL(pi*||pi_ref) over replies in nats at each `beta` (B,), for returns `R` (N,), (B,).

    pi*(y) is proportional to pi_ref(y) e^{R/beta}; no action is disallowed.
    """
    log_ref = trajectory_log_probs(mdp.pi_ref)
    log_pi = log_softmax(log_ref + R / beta[:, None], axis=1)
    return (np.exp(log_pi) * (log_pi - log_ref)).sum(axis=1)


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
            x=A.clip(-LIMIT, LIMIT).tolist(),
            y=found.clip(-LIMIT, LIMIT).tolist(),
            text=[
                f"{n}: A* {signed(a)}, fitted {signed(f)}" for n, a, f in zip(names, A, found, strict=True)
            ],
        )
        figure.data[4].update(x=[beta, beta], y=[kl_here, beta / 2])
    figure.data[
        2
    ].y = kl.tolist()  # apart: in a batch with x of other traces, the browser drops the x of this one
    error, median = abs(found - A), float(np.median(abs(found - A)))
    outside = int((abs(found) > LIMIT).sum())
    beyond = f" Beyond the frame: {outside}." if outside else ""
    return (
        f"beta {beta:.2f}: largest error of a token {error.max():.2f}, median {median:.2f}.{beyond} "
        f"KL of the optimum {kl_here:.2f} nats; first push {beta / 2:.2f} a nat."
    )

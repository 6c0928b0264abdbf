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


def training_curves(log: list[dict]) -> go.Figure:
    """Chosen and rejected summed reward and their margin by step, from a DPO run's metrics."""
    figure = axes(360, "optimiser step", "reward, summed over tokens (nats)", zero=True)
    for name, key, colour, dash in _CURVES:
        figure.add_scatter(
            name=name, line={"color": colour, "dash": dash}, mode="lines", x=[], y=[], meta=key
        )
    update_training_curves(figure, log)
    return figure


_CURVES = (
    ("chosen", "chosen_reward_sum", BLUE, "solid"),
    ("rejected", "rejected_reward_sum", ORANGE, "dash"),
    ("margin", "margin_sum", GREY, "dot"),
)


def update_training_curves(figure: go.Figure, log: list[dict]) -> None:
    """Put a longer log into the figure of `training_curves`; on a FigureWidget the page redraws."""
    with figure.batch_update():
        for trace in figure.data:
            trace.x = [record["step"] for record in log]
            trace.y = [record[trace.meta] for record in log]


def reading_of_curves(log: list[dict]) -> str:
    """One line of text that says what the curves show at their end."""
    last = log[-1]
    return (
        f"Step {last['step']}: chosen reward {last['chosen_reward_sum']:+.2f}, "
        f"rejected {last['rejected_reward_sum']:+.2f}, margin {last['margin_sum']:+.2f} nats."
    )


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


def dpo_loss_figure() -> go.Figure:
    """The empty axes of `draw_dpo_loss`."""
    figure = axes(340, "d = log-ratio of chosen minus that of rejected, summed over tokens (nats)", "nats")
    figure.add_scatter(name="loss -log sigma(beta d)", line={"color": BLUE}, mode="lines")
    figure.add_scatter(name="push beta sigma(-beta d)", line={"color": ORANGE, "dash": "dash"}, mode="lines")
    figure.add_scatter(name="this pair", mode="markers", marker={"color": GREY, "size": 12})
    return figure


def draw_dpo_loss(figure: go.Figure, beta: float, difference: float) -> str:
    """Draw loss and gradient size against d at `beta`, mark one pair, and return the reading."""
    d = np.linspace(-20, 20, 201)
    loss, push = np.logaddexp(0, -beta * d), beta / (1 + np.exp(beta * d))
    loss_here = float(np.logaddexp(0, -beta * difference))
    push_here = float(beta / (1 + np.exp(beta * difference)))
    with figure.batch_update():
        figure.data[0].update(x=d, y=loss)
        figure.data[1].update(x=d, y=push)
        figure.data[2].update(x=[difference], y=[loss_here])
        figure.update_yaxes(range=[0, max(3.0, 1.1 * loss_here)])  # the pair stays in view
    return f"beta {beta:.2f}, d {difference:+.1f}: loss {loss_here:.3f}, push on d {push_here:.3f} a nat."

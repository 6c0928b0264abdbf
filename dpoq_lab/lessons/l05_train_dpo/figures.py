"""What lesson 05 draws: the rewards of a run by step, and DPO's loss of one pair."""

import numpy as np
import plotly.graph_objects as go

from dpoq_lab.views.figures import BLUE, GREY, ORANGE, axes, draw_curves


def draw_rewards(figure: go.Figure, log: list[dict]) -> None:
    """Put the summed rewards of a run's metrics so far into the figure of `pair_curves`."""
    draw_curves(
        figure, *([record[f"{role}_reward_sum"] for record in log] for role in ("chosen", "rejected"))
    )


def reading_of_curves(log: list[dict]) -> str:
    """One line of text that says what the curves show at their end."""
    last = log[-1]
    return (
        f"Step {last['step']}: chosen reward {last['chosen_reward_sum']:+.2f}, "
        f"rejected {last['rejected_reward_sum']:+.2f}, margin {last['margin_sum']:+.2f} nats."
    )


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
        figure.data[0].update(x=d.tolist(), y=loss.tolist())
        figure.data[1].update(x=d.tolist(), y=push.tolist())
        figure.data[2].update(x=[difference], y=[loss_here])
        figure.update_yaxes(range=[0, max(3.0, 1.1 * loss_here)])  # the pair stays in view
    return f"beta {beta:.2f}, d {difference:+.1f}: loss {loss_here:.3f}, push on d {push_here:.3f} a nat."

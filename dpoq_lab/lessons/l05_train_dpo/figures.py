"""What lesson 05 draws: the rewards of a run by step, and DPO's loss of one pair."""

import numpy as np

from dpoq_lab.views.charts import LESS, MORE, Axis, Look, Series, axis, chart
from dpoq_lab.views.curves import pair_curves
from dpoq_lab.views.figures import Figure


def reward_curves(log: list[dict]) -> Figure:
    """The summed rewards of a run's metrics so far."""
    chosen, rejected = ([record[f"{role}_reward_sum"] for record in log] for role in ("chosen", "rejected"))
    return pair_curves("reward, nats a reply", chosen, rejected)


def dpo_loss_figure(beta: float, difference: float) -> Figure:
    """Loss and gradient size against d at `beta`, and where one pair of log-ratio `difference` stands."""
    d = np.linspace(-20, 20, 201)
    loss, push = np.logaddexp(0, -beta * d), beta / (1 + np.exp(beta * d))
    loss_here = float(np.logaddexp(0, -beta * difference))
    push_here = float(beta / (1 + np.exp(beta * difference)))
    top = 1.1 * max(3.0, loss_here)  # the pair stays in view
    within = np.where(loss <= top, loss, np.nan)
    series = [
        Series("loss -log sigma(beta d)", d.tolist(), within.tolist(), MORE),
        Series("push beta sigma(-beta d)", d.tolist(), push.tolist(), LESS),
        Series("this pair", [difference], [loss_here], Look("ink"), "dots"),
    ]
    return chart(
        series,
        axis("d = log-ratio of chosen less that of rejected, summed over tokens, nats", d),
        Axis("nats", 0.0, top),
        "DPO's loss of one pair and how hard it pushes, by the difference d of the two log-ratios",
        f"beta {beta:.2f}, d {difference:+.1f}: loss {loss_here:.3f}, push on d {push_here:.3f} a nat.",
    )

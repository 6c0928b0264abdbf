"""What lesson 05 draws: the sums of r_hat of a run by step, stored runs, and DPO's loss of one pair."""

import json
from collections.abc import Sequence

import numpy as np

from dpoq_lab.lessons.study import stored_record
from dpoq_lab.paths import data_folder
from dpoq_lab.views.charts import LESS, MORE, Axis, Look, Series, axis, chart, label
from dpoq_lab.views.curves import pair_curves
from dpoq_lab.views.figures import Figure

PUSH = "push beta sigma(-beta d)"
SUM = "sum of r\u0302, nats a reply"
METRICS = ("loss_mean", "chosen_reward_sum", "rejected_reward_sum")
PANEL, ACROSS = (340, 210), 3  # pixels of a run's panel, and how many stand in a row
CURVES = ("loss", "chosen", "rejected")


def reward_curves(log: list[dict]) -> Figure:
    """The sums of r_hat of a run's metrics so far."""
    chosen, rejected = ([record[f"{role}_reward_sum"] for record in log] for role in ("chosen", "rejected"))
    return pair_curves(SUM, chosen, rejected)


def curves_of(log: Sequence[dict]) -> tuple[list[float], list[float], list[float]]:
    """Loss, and the mean sum of r_hat over chosen and over rejected replies, by step, of a run's metrics."""
    loss, chosen, rejected = ([record[name] for record in log] for name in METRICS)
    return loss, chosen, rejected


def stored_curves() -> dict[str, tuple[list[float], list[float], list[float]]]:
    """Loss, chosen and rejected, as `curves_of`, of the runs that the kit keeps, by name."""
    record = stored_record("order-notes-writing", "writing")
    found = {name: tuple(run[kind] for kind in CURVES) for name, run in record["runs"].items()}
    metrics = data_folder() / "runs" / "smollm2-courtesy" / "metrics.jsonl"
    rows = [json.loads(row) for row in metrics.read_text(encoding="utf-8").splitlines()]
    return found | {"SmolLM2 on courtesy": curves_of(rows)}


def runs_figure(runs: dict[str, tuple[list[float], list[float], list[float]]]) -> Figure:
    """Chosen and rejected of each run by step, three runs in a row, each on its own axes; loss in words."""
    parts, data = [], {}
    for i, (name, (loss, chosen, rejected)) in enumerate(runs.items()):
        panel = _run_panel(chosen, rejected)
        x, y = i % ACROSS * (PANEL[0] + 14), i // ACROSS * (PANEL[1] + 50)
        title = label(4, 18, name, "start", "word")
        losses = label(4, 38, f"loss {loss[0]:.3f} at step 0, {loss[-1]:.3f} at the last", "start", "quiet")
        parts.append(
            f'<g transform="translate({x},{y})">{title}{losses}'
            f'<g transform="translate(0,40)">{panel.body}</g></g>'
        )
        data[name] = panel.data
    rows = -(-len(runs) // ACROSS)
    ends = "; ".join(f"{name} {loss[0]:.3f} to {loss[-1]:.3f}" for name, (loss, *_) in runs.items())
    return Figure(
        "".join(parts),
        ACROSS * (PANEL[0] + 14),
        rows * (PANEL[1] + 50),
        "The sums of r_hat of chosen and rejected replies by optimiser step, a panel a run",
        f"Loss at step 0 and at the last: {ends}.",
        data,
    )


def _run_panel(chosen: list[float], rejected: list[float]) -> Figure:
    steps = range(len(chosen))
    return chart(
        [Series("chosen", steps, chosen, MORE), Series("rejected", steps, rejected, LESS)],
        axis("optimiser step", steps),
        axis("sum of r\u0302, nats", [*chosen, *rejected], include=[0.0]),
        SUM,
        SUM,
        *PANEL,
    )


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
        Series(PUSH, d.tolist(), push.tolist(), LESS),
        Series("this pair", [difference], [loss_here], Look("ink"), "dots"),
    ]
    return chart(
        series,
        axis("d = log-ratio of chosen less that of rejected, summed over tokens, nats", d),
        Axis("nats", 0.0, top),
        "DPO's loss of one pair and how hard it pushes, by the difference d of the two log-ratios",
        f"beta {beta:.2f}, d {difference:+.1f}: loss {loss_here:.3f}, push on d {push_here:.3f} a nat.",
    )

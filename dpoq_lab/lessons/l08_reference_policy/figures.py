"""What lesson 08 draws beside curves: the chosen reward by beta, and what its studies found."""

import numpy as np

from dpoq_lab.lessons.l08_reference_policy.study import RUNS, grouped
from dpoq_lab.views.charts import LESS, MORE, Series, axis, chart
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.whiskers import whisker_figure


def beta_figure(betas: np.ndarray, exact: np.ndarray, limit: np.ndarray) -> Figure:
    """The mean chosen reward at pi* by beta, exact and in the small-reward limit."""
    return chart(
        [
            Series("exact", betas, exact.tolist(), MORE, "both"),
            Series("Var(R)/2 (1 - 1/beta)", betas, limit.tolist(), LESS),
        ],
        axis("beta", betas, log=True),
        axis("mean chosen reward at pi*", [*exact, *limit], include=[0.0]),
        "The mean chosen reward at the optimum by beta, exact and in the limit of small rewards",
        f"Chosen reward {exact[0]:+.4f} at beta {betas[0]:.1f}, {exact[-1]:+.4f} at beta {betas[-1]:.1f}.",
        height=320,
    )


def reference_figure(table: dict) -> Figure:
    """Rewards and true score after each run, grouped by kind of pairs and settings."""
    rows = [(name, table[run.name] if run else {}) for name, run in grouped()]
    start, after = (table[RUNS[i].name]["chosen_reward"]["mean"] for i in (0, 3))
    return whisker_figure(
        rows,
        {"chosen_reward": "chosen reward", "rejected_reward": "rejected reward", "score_after": "true score"},
        "Chosen reward, rejected reward and true score after DPO by reference, grouped by pairs and settings",
        f"Off-policy pairs: from the base the chosen reward ends at {start:+.2f}, from SFT on the chosen "
        f"replies at {after:+.2f}.",
    )


def displacement_figure(table: dict) -> Figure:
    """What one pair alone does to the log-likelihood of its two replies."""
    near = [table[f"{start}, one word apart"]["chosen"]["mean"] for start in ("base", "SFT")]
    return whisker_figure(
        list(table.items()),
        {
            "chosen": "log pi(chosen), change",
            "rejected": "log pi(rejected), change",
            "both_fall": "both fall",
        },
        "Change of the log-likelihood of chosen and rejected, and how often both fall, by kind of pair",
        f"One word apart, the chosen reply falls too: {near[0]:+.2f} from the base, {near[1]:+.2f} from SFT.",
    )


def cpl_figure(record: dict) -> Figure:
    """What CPL changes, by its start."""
    starts = record["starts"]
    ends = ", ".join(f"{name} {row['chosen_change']['mean']:+.2f}" for name, row in starts.items())
    return whisker_figure(
        list(starts.items()),
        {
            "chosen_change": "chosen, change",
            "rejected_change": "rejected, change",
            "return_after": "return after",
        },
        "Change of alpha log pi of chosen and rejected segments, and the return after CPL, by start",
        f"The chosen segments change by: {ends}.",
    )

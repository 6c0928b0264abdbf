"""What lesson 08 draws beside curves: the chosen reward by beta, and what its studies found."""

import numpy as np

from dpoq_lab.lessons.l08_reference_policy.study import RUNS, grouped
from dpoq_lab.views.charts import GREY, LESS, MORE, Series, axis, chart
from dpoq_lab.views.figures import Figure, beside
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.whiskers import whisker_figure


def beta_figure(betas: np.ndarray, exact: np.ndarray, limit: np.ndarray) -> Figure:
    """The mean chosen reward at pi* by beta, exact and in the small-reward limit."""
    return chart(
        [
            Series("exact", betas, exact.tolist(), MORE, "both"),
            Series("Var(R)/2 (1 - 1/beta)", betas, limit.tolist(), LESS),
        ],
        axis("beta", betas, log=True),
        axis("mean r_hat of chosen at pi*", [*exact, *limit], include=[0.0]),
        "The mean r_hat of chosen replies at the optimum by beta, exact and in the limit of small rewards",
        f"r_hat of chosen {exact[0]:+.4f} at beta {betas[0]:.1f}, {exact[-1]:+.4f} at beta {betas[-1]:.1f}.",
        height=320,
    )


def reference_figure(table: dict) -> Figure:
    """Rewards and true score after each run, grouped by kind of pairs and settings."""
    rows = [(name, table[run.name] if run else {}) for name, run in grouped()]
    start, after = (table[RUNS[i].name]["chosen_reward"]["mean"] for i in (0, 3))
    return whisker_figure(
        rows,
        {"chosen_reward": "chosen r_hat", "rejected_reward": "rejected r_hat", "score_after": "true score"},
        "r_hat of chosen and rejected and true score after DPO by reference, grouped by pairs and settings",
        f"Off-policy pairs: from the base the chosen r_hat ends at {start:+.2f}, from SFT on the chosen "
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


def unlabelled_figure(runs: dict[str, dict]) -> list[Figure]:
    """Two runs a row: the change of log pi of chosen and rejected replies, and KL(pi_ref, pi), by step."""
    parts = [_run_figure(name, run) for name, run in runs.items()]
    rows = []
    for pair in (parts[:2], parts[2:]):
        alt = "Logged curves of two runs: " + " and ".join(part.alt for part in pair)
        rows.append(beside(*pair, alt=alt, reading=" ".join(part.reading for part in pair)))
    return rows


def _run_figure(name: str, run: dict) -> Figure:
    curves = {"chosen": MORE, "rejected": LESS, "kl": GREY}
    series = [
        Series("KL" if key == "kl" else key, run["steps"], run[key], look) for key, look in curves.items()
    ]
    ends = ", ".join(f"{s.name} {signed(s.y[-1])}" for s in series)
    return chart(
        series,
        axis("optimiser step", run["steps"]),
        axis(f"run {name}, nats a reply", [v for key in curves for v in run[key]]),
        f"run {name}, change of log pi of chosen and rejected and KL(pi_ref, pi) by step",
        f"Run {name} ends at {ends}; words apart: {run['words_apart']:.0f}.",
        width=500,
        height=270,
    )

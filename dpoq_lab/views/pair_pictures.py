"""Two pictures of scored pairs: the plane of both changes, and the reward along the reply."""

from dataclasses import replace

import numpy as np

from dpoq_lab.preferences import SIDES
from dpoq_lab.runs.logs import Log
from dpoq_lab.views.charts import LESS, MORE, Axis, Look, Series, axis, chart
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed

MEAN, OWN, MARK = Look("ink", symbol="star"), Look("ink", symbol="cross"), Look("ink", symbol="square")
EVEN = Look("grey", "2 4")
ENDS = ("run starts", "run ends")


def plane(summary: dict, log: Log | None = None, width: float = 620) -> Figure:
    """A dot a pair: how far each reply's log pi moved; a cross where the reference's own text went."""
    facts, dots = summary["facts"], summary["plane"]
    right, wrong = ([d for d in dots if (d[2] > 0) == good] for good in (True, False))
    series = [
        Series(name, [d[0] for d in some], [None] * len(some), look, "dots", seeds=[[d[1]] for d in some])
        for name, some, look in (("ranked right", right, MORE), ("wrong", wrong, LESS))
    ]
    ends = [facts[side] / facts[f"{side}_tokens"] for side in SIDES]
    fell = [-facts[f"{side}_kl"] / facts[f"{side}_tokens"] for side in SIDES]
    series += [
        Series("mean", ends[:1], ends[1:], MEAN, "dots"),
        Series("text of pi_ref", fell[:1], fell[1:], OWN, "dots"),
    ]
    run = _run(log, facts) if log is not None and facts["beta"] else []
    xs, ys = zip(*(d[:2] for d in dots), ends, fell, *run, strict=True)
    x = replace(axis("change of log pi(chosen), nats a token", xs, include=[0.0]), zero=True)
    y = axis("change of log pi(rejected)", ys, include=[0.0])
    reading = (
        f"Chosen moved by {signed(ends[0])} and rejected by {signed(ends[1])} nats a token; text such as the "
        f"reference writes by {signed(fell[0])} and {signed(fell[1])} at the same places (the cross). Right "
        "or wrong is the sign of the summed margin; on the slanted line both replies moved alike a token."
    )
    return chart(
        [_even(x, y), *series, *_path(run)],
        x,
        y,
        "The plane of the change of log pi of chosen and rejected replies, a dot a pair",
        reading,
        width=width,
        height=400,
    )


def _run(log: Log, facts: dict[str, float]) -> list[np.ndarray]:
    """The run's path by its log, nats a token: its first record, then the means of at most 12 groups."""
    groups = np.array_split([[r[side] for side in SIDES] for r in log.records], min(len(log.records), 12))
    lengths = [facts[f"{side}_tokens"] for side in SIDES]
    return [np.mean(group, axis=0) / facts["beta"] / lengths for group in (groups[0][:1], *groups)]


def _path(run: list[np.ndarray]) -> list[Series]:
    """The path as a line, and its two ends with their names."""
    if not run:
        return []
    xs, ys = zip(*run, strict=True)
    ends = Series("ends of the run", xs[:: len(xs) - 1], ys[:: len(ys) - 1], MARK, "dots", tags=ENDS)
    return [Series("the run", xs, ys, Look("ink"), tags=[""] * len(xs)), ends]


def _even(x: Axis, y: Axis) -> Series:
    """The line on which chosen and rejected moved alike, as far as the axes go."""
    ends = [max(x.low, y.low), min(x.high, y.high)]
    return Series("chosen = rejected", ends, ends, EVEN, tags=["chosen = rejected", ""])


def along(summary: dict, width: float = 760) -> Figure:
    """Mean reward of the tokens at each place of the replies; a square where half of them have ended."""
    means, half = summary["along"], summary["half_reach"]
    series = [
        Series(side, range(1, len(means[side]) + 1), means[side], look)
        for side, look in zip(SIDES, (MORE, LESS), strict=True)
    ]
    rings = [(half[side], means[side][half[side] - 1]) for side in SIDES if means[side]]
    series.append(Series("half reach this far", *zip(*rings, strict=True), MARK, "dots"))
    values = [value for side in SIDES for value in means[side]]
    steepest = min(values, default=0.0)
    side = next((side for side in SIDES if steepest in means[side]), SIDES[0])
    place = means[side].index(steepest) + 1 if steepest in means[side] else 1
    return chart(
        series,
        axis("token of the reply", [1, max(map(len, means.values()))]),
        axis("mean r_hat", values, include=[0.0]),
        "The mean reward at each token of chosen and rejected replies, as far as a tenth of them reach",
        f"The lowest mean reward is {signed(steepest)} nats, at token {place} of the {side} replies. Drawn "
        "as far as a tenth of the replies reach; beyond the square it rests on fewer than half of them.",
        width=width,
        height=300,
    )

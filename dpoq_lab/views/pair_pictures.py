"""Two pictures of scored pairs: the plane of both changes, and the reward along the reply."""

import numpy as np

from dpoq_lab.run_logs import Log
from dpoq_lab.token_file import SIDES
from dpoq_lab.views.charts import LESS, MORE, Look, Series, axis, chart
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed

MEAN, OWN, RUN = Look("ink", symbol="star"), Look("ink", symbol="cross"), Look("ink")


def plane(summary: dict, log: Log | None = None) -> Figure:
    """A dot a pair: how far each reply's log pi moved; a cross where the reference's own text went."""
    facts, dots = summary["facts"], summary["plane"]
    right, wrong = ([d for d in dots if (d[0] > d[1]) == good] for good in (True, False))
    series = [
        Series(name, [x for x, _ in some], [None] * len(some), look, "dots", seeds=[[y] for _, y in some])
        for name, some, look in (("ranked right", right, MORE), ("wrong", wrong, LESS))
    ]
    ends = [facts[side] / facts[f"{side}_tokens"] for side in SIDES]
    fell = [-facts[f"{side}_kl"] / facts[f"{side}_tokens"] for side in SIDES]
    series += [
        Series("mean", ends[:1], ends[1:], MEAN, "dots"),
        Series("text of pi_ref", fell[:1], fell[1:], OWN, "dots"),
    ]
    run = []
    if log is not None and (beta := facts["beta"]):
        groups = np.array_split([[r[side] for side in SIDES] for r in log.records], min(len(log.records), 12))
        lengths = [facts[f"{side}_tokens"] for side in SIDES]
        run = [np.mean(group, axis=0) / beta / lengths for group in (groups[0][:1], *groups)]
        series.append(Series("the run", [x for x, _ in run], [y for _, y in run], RUN))
    xs, ys = zip(*dots, ends, fell, *run, strict=True)
    reading = (
        f"Chosen moved by {signed(ends[0])} and rejected by {signed(ends[1])} nats a token; text such as the "
        f"reference writes by {signed(fell[0])} and {signed(fell[1])} at the same places (the cross)."
    )
    return chart(
        series,
        axis("change of log pi(chosen), nats a token", xs, include=[0.0]),
        axis("change of log pi(rejected)", ys, include=[0.0]),
        "The plane of the change of log pi of chosen and rejected replies, a dot a pair",
        reading,
        width=620,
        height=400,
    )


def along(means: dict[str, list[float]]) -> Figure:
    """Mean reward of the tokens at each place of the replies."""
    series = [
        Series(side, range(1, len(means[side]) + 1), means[side], look)
        for side, look in zip(SIDES, (MORE, LESS), strict=True)
    ]
    values = [value for side in SIDES for value in means[side]]
    steepest = min(values, default=0.0)
    side = next((side for side in SIDES if steepest in means[side]), SIDES[0])
    place = means[side].index(steepest) + 1 if steepest in means[side] else 1
    return chart(
        series,
        axis("token of the reply", [1, max(map(len, means.values()))]),
        axis("mean r_hat", values, include=[0.0]),
        "The mean reward at each token of chosen and rejected replies, as far as a tenth of them reach",
        f"The lowest mean reward is {signed(steepest)} nats, at token {place} of the {side} replies.",
        height=300,
    )

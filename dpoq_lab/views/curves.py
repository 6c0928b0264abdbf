"""Chosen, rejected and their margin by step: the curves of a preference run."""

from collections.abc import Sequence

from dpoq_lab.views.charts import GREY, LESS, MORE, Series, axis, chart
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed


def pair_curves(
    title: str,
    chosen: Sequence[float],
    rejected: Sequence[float],
    steps: Sequence[int] = (),
    difference: str = "margin",
    width: float = 760,
) -> Figure:
    """Chosen, rejected and their difference, by that name; default: every step. `title` names the y axis."""
    steps = steps or range(len(chosen))
    gap = [c - r for c, r in zip(chosen, rejected, strict=True)]
    named = zip(("chosen", "rejected", difference), (chosen, rejected, gap), (MORE, LESS, GREY), strict=True)
    series = [Series(name, steps, list(y), look) for name, y, look in named]
    return chart(
        series,
        axis("optimiser step", steps),
        axis(title, [*chosen, *rejected, *gap], include=[0.0]),
        f"{title} of chosen and rejected replies, and their {difference}, by optimiser step",
        curves_reading(title, steps, series),
        width=width,
        height=340,
    )


def curves_reading(title: str, steps: Sequence[int], series: Sequence[Series]) -> str:
    """Where the curves begin and end, in a line."""
    if not len(steps):
        return f"{title}: no step yet."
    ends = ", ".join(f"{s.name} {signed(s.y[0])} to {signed(s.y[-1])}" for s in series)
    return f"Step {steps[0]} to {steps[-1]}, {title}: {ends}."

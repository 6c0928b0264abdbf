"""Results over seeds as a picture: a row a condition, a panel a measure, means, intervals and seeds."""

import math
import re
from collections.abc import Mapping, Sequence

from dpoq_lab.views.charts import LETTER, MORE, Axis, axis, exact_ticks, label, line, symbol
from dpoq_lab.views.figures import Figure

Found = (
    dict  # mean, half_95 and values of `over_seeds`, or mean and interval_95; perhaps `exact`, {what: value}
)
ROW, PANEL, GAP, NUMBER = 27, 210, 26, 52  # pixels; NUMBER is what a mean as text takes


def whisker_figure(
    rows: Sequence[tuple[str, dict[str, Found]]], columns: dict[str, str], alt: str, reading: str
) -> Figure:
    """Rows of named measures, (name, {measure: found}); a row without measures is a heading.

    `columns` maps the measures drawn to their titles. One or two `exact` values are ticks, named below; they
    are the same things in every row. `data` has the rows by name; a minus in the `reading` is drawn as one.
    """
    left = 16 + LETTER * max(len(name) for name, _ in rows)
    bottom = 30 + ROW * len(rows)
    body = [
        label(0, 30 + ROW * i + 19, name, "start", "" if found else "word")
        for i, (name, found) in enumerate(rows)
    ]
    for k, (measure, title) in enumerate(columns.items()):
        at = left + k * (PANEL + GAP + NUMBER)
        known = [end for _, found in rows if measure in found for end in _ends(found[measure])]
        body.append(_panel(rows, measure, title, axis(title, known), at, bottom))
    width, height = left + len(columns) * (PANEL + GAP + NUMBER), bottom + 26
    if exact := {what: 0 for _, found in rows for one in found.values() for what in one.get("exact", {})}:
        sides = zip(("upper", "lower"), exact, strict=False)
        said = "; ".join(f"{side} tick: {what}" for side, what in sides)
        body.append(label(left, height + 16, said, "start", "small"))
        height += 24
    reading = re.sub(r"(?<!\w)-(?=\d)", "\u2212", reading)
    return Figure("".join(body), width, height, alt, reading, dict(rows))


def with_interval(found: dict, score: str) -> Found:
    """A score and its 95% interval of a credit report, as a row of this picture."""
    return {"mean": found[score], "interval_95": found[f"{score}_interval_95"]}


def with_exact(row: Mapping[str, Found], exact: Mapping[str, Mapping[str, float]]) -> dict[str, Found]:
    """A row of this picture with exact values of its measures, {what: {measure: value}}, as ticks."""
    return {m: found | {"exact": {what: of[m] for what, of in exact.items()}} for m, found in row.items()}


def _ends(found: Found) -> list[float]:
    return [found["mean"], *_interval(found), *found.get("values", []), *found.get("exact", {}).values()]


def _interval(found: Found) -> tuple[float, float]:
    if "interval_95" in found:
        return tuple(found["interval_95"])
    half = found["half_95"] if math.isfinite(found["half_95"]) else 0.0
    return found["mean"] - half, found["mean"] + half


def _panel(
    rows: Sequence[tuple[str, dict[str, Found]]],
    measure: str,
    title: str,
    x: Axis,
    left: float,
    bottom: float,
) -> str:
    parts = [label(left, 18, title)]
    for value, text in x.ticks():
        at = left + PANEL * x.share(value)
        parts.append(line(at, 28, at, bottom, "dpoq-zero" if value == 0 else "dpoq-grid"))
        parts.append(label(at, bottom + 18, text, "middle", "quiet small"))
    for i, (_, found) in enumerate(rows):
        if measure in found:
            parts.append(_row(found[measure], x, left, 30 + ROW * i + 14))
    return "".join(parts)


def _row(found: Found, x: Axis, left: float, y: float) -> str:
    low, high, mean = (left + PANEL * x.share(v) for v in (*_interval(found), found["mean"]))
    seeds, exact = (
        [left + PANEL * x.share(v) for v in known]
        for known in (found.get("values", []), found.get("exact", {}).values())
    )
    whisker = f"M{low:.1f} {y - 5:.1f}v10M{high:.1f} {y - 5:.1f}v10M{low:.1f} {y:.1f}H{high:.1f}"
    return (
        "".join(symbol(px, y, MORE, 2.5, "dpoq-seed fill") for px in seeds)
        + f'<path class="dpoq-whisker more" d="{whisker}"/>'
        + exact_ticks(exact, y)
        + symbol(mean, y, MORE)
        + label(left + PANEL + 8, y + 5, f"{found['mean']:.2f}".replace("-", "\u2212"), "start", "small")
    )

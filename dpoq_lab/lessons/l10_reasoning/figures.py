"""Lesson 10's drawing: the outlook line of a chain of steps, and under each step its credit."""

from collections.abc import Callable, Sequence

from dpoq_lab.views.charts import GREY, LESS, MORE, Look, label, line, path, symbol
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed

WIDTH, LEFT, TOP, HIGH = 900, 90, 60, 250  # pixels
OUTLOOK = Look("ink")


def outlook_figure(
    names: Sequence[str],
    wrong: Sequence[bool],
    values: Sequence[float],
    credit: Sequence[float],
    low: float,
    high: float,
    alt: str,
    reading: str,
) -> Figure:
    """V* before each of n steps and the return at the end, (n + 1,), as a staircase from `low` to `high`.

    Above it each step's name, crossed where it is `wrong`; below it its `credit` A*, the least one marked.
    """
    n = len(names)
    column = (WIDTH - LEFT - 60) / (n + 1)

    def height(value: float) -> float:
        return TOP + (high - value) / (high - low) * HIGH

    parts = [_grid(low, high, height)]
    least = min(range(n), key=lambda k: credit[k])
    for t, value in enumerate(values):
        x, y = LEFT + t * column, height(value)
        parts.append(path(f"M{x:.1f} {y:.1f}h{column:.1f}", OUTLOOK))
        parts.append(label(x + column / 2, y - 8, signed(value), "middle"))
        if t < n:
            parts.append(_step(x + column, y, height(values[t + 1]), names[t], wrong[t]))
            parts.append(_credit(x + column, credit[t], t == least))
    parts.append(label(LEFT - 80, TOP + HIGH + 44, "A*"))
    parts.append(label(LEFT, 18, "V* before the first step", "start", "quiet small"))
    parts.append(label(WIDTH - 60 - column, 18, "the answer", "start", "quiet small"))
    data = {"values": list(values), "credit": list(credit), "blamed": least}
    return Figure("".join(parts), WIDTH, TOP + HIGH + 90, alt, reading, data)


def _grid(low: float, high: float, height: Callable[[float], float]) -> str:
    """Lines at whole values with their numbers."""
    whole = [v for v in range(int(low) - 1, int(high) + 2) if low <= v <= high]
    return "".join(
        line(LEFT, height(v), WIDTH - 60, height(v), "dpoq-zero" if v == 0 else "dpoq-grid")
        + label(LEFT - 10, height(v) + 5, f"{v:+d}".replace("-", "\u2212") if v else "0", "end", "quiet")
        for v in whole
    )


def _step(x: float, y: float, to: float, name: str, wrong: bool) -> str:
    """The rise or fall at a step and its name; a fall is orange and dashed."""
    look = GREY if abs(to - y) < 0.5 else LESS if to > y else MORE
    mark = "\u2717 " if wrong else "\u2713 "
    return path(f"M{x:.1f} {y:.1f}V{to:.1f}", look) + label(x, 42, mark + name, "middle", "word")


def _credit(x: float, value: float, blamed: bool) -> str:
    """A step's credit, and under the most blamed one a pointer."""
    look = LESS if value < 0 else MORE
    y = TOP + HIGH + 44
    text = label(x, y, signed(value), "middle", f"fill {look.colour}")
    if not blamed:
        return text
    return text + symbol(x, y + 16, LESS, 6) + label(x, y + 38, "blamed most", "middle", "small")

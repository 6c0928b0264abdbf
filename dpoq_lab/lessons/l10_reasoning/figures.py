"""Lesson 10's drawing: the outlook line of a chain of steps, and below it the credit of each step."""

from collections.abc import Callable, Sequence

from dpoq_lab.views.charts import GREY, LESS, MORE, Look, label, line, path, symbol
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed

WIDTH, LEFT, TOP, HIGH, ROW = 900, 90, 60, 240, 44  # pixels
OUTLOOK = Look("ink")


def outlook_figure(
    names: Sequence[str],
    wrong: Sequence[bool],
    values: Sequence[float],
    credit: dict[str, Sequence[float]],
    ends: tuple[float, float],
    alt: str,
    reading: str,
) -> Figure:
    """The outlook before each of n steps and after the last, (n + 1,), as a staircase between two `ends`.

    Above it each step's name, crossed where it is `wrong`; below it rows of `credit` (n,), the least marked.
    """
    column = (WIDTH - LEFT - 60) / len(values)

    def height(value: float) -> float:
        return TOP + (ends[1] - value) / (ends[1] - ends[0]) * HIGH

    parts = [_grid(ends, height)]
    for t, value in enumerate(values):
        x, y = LEFT + t * column, height(value)
        parts.append(path(f"M{x:.1f} {y:.1f}h{column:.1f}", OUTLOOK))
        parts.append(label(x + column / 2, y - 8, signed(value), "middle"))
        if t < len(names):
            parts.append(_step(x + column, y, height(values[t + 1]), names[t], wrong[t]))
    bottom = TOP + HIGH + ROW
    for k, (name, row) in enumerate(credit.items()):
        parts.append(_credit(name, row, bottom + k * ROW, column))
    parts.append(label(LEFT, 18, "the outlook before the first step", "start", "quiet small"))
    parts.append(label(WIDTH - 60 - column, 18, "the answer", "start", "quiet small"))
    data = {"values": list(values), "credit": {name: list(row) for name, row in credit.items()}}
    return Figure("".join(parts), WIDTH, bottom + len(credit) * ROW - 10, alt, reading, data)


def _grid(ends: tuple[float, float], height: Callable[[float], float]) -> str:
    """Lines at whole values with their numbers."""
    whole = [v for v in range(int(ends[0]) - 1, int(ends[1]) + 2) if ends[0] <= v <= ends[1]]
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


def _credit(name: str, row: Sequence[float], y: float, column: float) -> str:
    """A row of credit with its name; under the least of it, if below 0, a pointer."""
    parts = [label(LEFT - 10, y, name, "end", "word")]
    least = min(range(len(row)), key=lambda k: row[k])
    for k, value in enumerate(row):
        x = LEFT + (k + 1) * column
        parts.append(label(x, y, signed(value), "middle", f"fill {'less' if value < 0 else 'more'}"))
        if k == least and value < 0:
            parts.append(symbol(x - 44, y - 5, LESS, 5) + label(x + 34, y, "blamed most", "start", "small"))
    return "".join(parts)

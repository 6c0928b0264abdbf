"""Lesson 13's drawings: pictures of pixels, bars of r_hat, and the grid of the smallest game."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from dpoq_lab.lessons.l13_multi_model.pixels import SIDE
from dpoq_lab.views.charts import bar, label, line
from dpoq_lab.views.token_view import signed

BAR, STEP = 38, 50  # pixels: a bar, and from one to the next
UP, MOST = 64, 46  # pixels for a nat, and the longest bar
MARKS = {True: "\u2713", False: "\u2717"}  # tick and cross


def pixel_picture(pixels: Tensor, x: float, y: float, size: float) -> str:
    """A picture (8, 8) of 0 and 1, as a square of `size`; -1 is not drawn yet and stays hatched grey."""
    side, parts = size / SIDE, []
    for i, row in enumerate(pixels.tolist()):
        for j, value in enumerate(row):
            place = f'x="{x + j * side:.1f}" y="{y + i * side:.1f}" width="{side:.1f}" height="{side:.1f}"'
            if value == 1:
                parts.append(f'<rect class="dpoq-bar fill ink" stroke-width="0" {place}/>')
            elif value == -1:
                parts.append(f'<rect class="fill grey" fill-opacity="0.35" stroke-width="0" {place}/>')
    frame = f'x="{x:.1f}" y="{y:.1f}" width="{size:.1f}" height="{size:.1f}"'
    return "".join(parts) + f'<rect class="grey" fill="none" {frame}/>'


def tick(name: str, is_so: bool) -> str:
    """A word with a tick or a cross."""
    return f"{name} {MARKS[bool(is_so)]}"


def r_hat_bars(names: Sequence[str], values: Sequence[float], x: float, zero: float, shown: int) -> str:
    """A bar of r_hat a move, the first `shown` of them, with numbers at the ends and names in a row below;
    `zero` is where 0 lies."""
    parts = [line(x - 8, zero, x + STEP * len(names) - 8, zero, "dpoq-zero")]
    for k, (name, value) in enumerate(zip(names, values, strict=True)):
        left, middle = x + k * STEP, x + k * STEP + BAR / 2
        if k < shown:
            high = min(abs(value) * UP, MOST)
            parts.append(_upright(left, zero - high if value > 0 else zero, high, value))
            number = zero + (high + 16 if value < 0 else -high - 6)
            parts.append(label(middle, number, signed(value), "middle", "small"))
        parts.append(label(middle, zero + MOST + 30, name, "middle", "small" if k < shown else "small quiet"))
    return "".join(parts)


def _upright(x: float, y: float, high: float, value: float) -> str:
    return bar(x, y, BAR, max(round(high, 1), 0.5), "less" if value < 0 else "more")


def grid(law: np.ndarray, R: np.ndarray, x: float, y: float, cell: float = 84) -> str:
    """The smallest game: a row the words of a refined prompt, a column a picture. The filled share of a cell
    is its probability, and what it pays stands in its corner."""
    parts = []
    for i, row in enumerate(law):
        parts.append(label(x - 12, y + i * cell + cell / 2 + 5, f"words {i + 1}", "end"))
        for j, p in enumerate(row):
            left, top = x + j * cell, y + i * cell
            side = (cell - 6) * float(p) ** 0.5
            place = f'x="{left:.1f}" y="{top:.1f}" width="{cell - 6}" height="{cell - 6}"'
            parts.append(f'<rect class="grey" fill="none" {place}/>')
            inner = f'x="{left:.1f}" y="{top + cell - 6 - side:.1f}" width="{side:.1f}" height="{side:.1f}"'
            parts.append(f'<rect class="dpoq-bar fill more" stroke-width="0" fill-opacity="0.5" {inner}/>')
            parts.append(label(left + cell - 12, top + 18, _whole(R[i, j]), "end", "small word"))
            parts.append(label(left + cell - 12, top + cell - 14, f"{p:.2f}", "end", "small"))
    for j in range(law.shape[1]):
        parts.append(label(x + j * cell + cell / 2 - 3, y - 8, f"picture {j + 1}", "middle", "small quiet"))
    return "".join(parts)


def _whole(value: float) -> str:
    """A number without decimals, with its sign."""
    return f"{value:+.0f}".replace("-", "\u2212") if value else "0"

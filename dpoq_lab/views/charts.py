"""Charts: named series on two axes, as SVG elements; a line is named at its end, points in a row above."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from dpoq_lab.views.figures import Figure

LETTER, LINE = 8.2, 19  # pixels: the width of a letter of the theme's type, and the least height of a line


@dataclass(frozen=True)
class Look:
    """How a series is told from others, with and without colour: the theme's colour, dashes, symbol."""

    colour: str
    dash: str = ""
    symbol: str = "circle"


MORE, LESS = Look("more"), Look("less", "8 5", "diamond")
GREY, INK = Look("grey", "2 4", "square"), Look("ink", "12 4 2 4", "cross")
LOOKS = (MORE, LESS, GREY, INK)


@dataclass(frozen=True)
class Series:
    """Values `y` at `x`, (n,) each; NaN or None: nothing there. `half` (n,) draws whiskers y +- half, `seeds`
    (n, k) a small dot a seed, `hovers` (n,) what a point says under the mouse, `tags` (n,) what stands beside
    it, in place of the series' name; both unescaped."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    look: Look = MORE
    marks: Literal["line", "dots", "both"] = "line"
    half: Sequence[float] = ()
    seeds: Sequence[Sequence[float]] = ()
    hovers: Sequence[str] = ()
    tags: Sequence[str] = ()


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`; with `names` a category each at 0, 1, 2, ...; `zero` marks an x of 0."""

    title: str
    low: float
    high: float
    log: bool = False
    names: Sequence[str] = ()
    zero: bool = False

    def share(self, value: float) -> float:
        """Where a value lies between the axis's ends, 0 to 1."""
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return (value - low) / (high - low)

    def ticks(self) -> list[tuple[float, str]]:
        """Round values within the axis, with their text."""
        if self.names:
            return list(enumerate(self.names))
        found = _log_steps(self.low, self.high) if self.log else _steps(self.low, self.high)
        return [(value, _plain(value)) for value in found]


def _plain(value: float) -> str:
    """A round number as people write it."""
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}").replace("-", "\u2212")


def axis(
    title: str, values: Sequence[float | None], log: bool = False, include: Sequence[float] = ()
) -> Axis:
    """The axis that holds all `values`, and those to `include`, with a little room."""
    known = [v for v in [*values, *include] if v is not None and math.isfinite(v)] or [0.0, 1.0]
    low, high = min(known), max(known)
    if log:
        return Axis(title, low / (high / low) ** 0.04 / 1.02, high * (high / low) ** 0.04 * 1.02, True)
    if 0 < high - low < 0.05 * abs(high):  # values nearly alike: their numbers on the axis stay short
        low, high = (low + high) / 2 - 0.025 * abs(high), (low + high) / 2 + 0.025 * abs(high)
    room = 0.06 * (high - low) or 0.5
    return Axis(title, low - room, high + room)


def named_axis(title: str, names: Sequence[object]) -> Axis:
    """An axis of categories."""
    return Axis(title, -0.5, len(names) - 0.5, names=[str(name) for name in names])


def _steps(low: float, high: float) -> list[float]:
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 10) + 0.0 for k in range(first, last + 1)]


def _log_steps(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for parts in ((1,), (1, 3), (1, 2, 5)):
        found = [m * 10.0**d for d in decades for m in parts if low <= m * 10.0**d <= high]
        if len(found) >= 3:
            break
    return found


def chart(
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    alt: str,
    reading: str,
    width: float = 760,
    height: float = 360,
) -> Figure:
    """The series on their axes; `data` has them by name."""
    named = [s for s in series if s.marks != "dots" and not s.tags and _last(s)]
    points = [s for s in series if s.marks == "dots" and not s.tags]
    right = 22 + LETTER * max((len(s.name) for s in named), default=0)
    rows = _rows(points, width - 74)
    frame = _Frame(x, y, 74, 14 + 26 * len(rows), width - 74 - right, height)
    parts = [frame.axes(), *(frame.series(s) for s in series), frame.end_names(named), frame.tags(series)]
    parts += [f'<g transform="translate(0,{26 * k})">{key(row, 74)}</g>' for k, row in enumerate(rows)]
    return Figure("".join(parts), width, height, alt, reading, {s.name: s for s in series})


def _rows(series: Sequence[Series], width: float) -> list[list[Series]]:
    """The entries of a key, in as many rows as they need."""
    rows: list[list[Series]] = []
    for s in series:
        if rows and sum(46 + LETTER * len(each.name) for each in [*rows[-1], s]) <= width:
            rows[-1].append(s)
        else:
            rows.append([s])
    return rows


def _last(s: Series) -> tuple[float, float] | None:
    """The last point that is there."""
    points = [p for p in zip(s.x, s.y, strict=True) if _known(p[1])]
    return points[-1] if points else None  # type: ignore[return-value]


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


class _Frame:
    """The plane of a chart: from values to pixels."""

    def __init__(self, x: Axis, y: Axis, left: float, top: float, width: float, height: float) -> None:
        self.x, self.y, self.left, self.top, self.width = x, y, left, top, width
        self.height = height - top - 56

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a point."""
        across, up = self.x.share(x), self.y.share(y)
        return self.left + across * self.width, self.top + (1 - up) * self.height

    def axes(self) -> str:
        """Quiet grid, numbers and titles."""
        bottom, right = self.top + self.height, self.left + self.width
        parts = []
        for value, text in self.x.ticks():
            px, _ = self.place(value, self.y.low)
            kind = "dpoq-zero" if self.x.zero and value == 0 else "dpoq-grid"
            parts.append(line(px, self.top, px, bottom, kind) if not self.x.names else "")
            parts.append(label(px, bottom + 20, text, "middle", "quiet"))
        for value, text in self.y.ticks():
            _, py = self.place(self.x.low, value)
            parts.append(line(self.left, py, right, py, "dpoq-zero" if value == 0 else "dpoq-grid"))
            parts.append(label(self.left - 8, py + 5, text, "end", "quiet"))
        parts.append(label(self.left + self.width / 2, bottom + 44, self.x.title, "middle"))
        middle = self.top + self.height / 2
        turned = f'<g transform="translate(16,{middle:g}) rotate(-90)">'
        return "".join(parts) + f"{turned}{label(0, 0, self.y.title, 'middle')}</g>"

    def series(self, s: Series) -> str:
        """One series: whiskers, line, seeds, points."""
        points = [(i, *self.place(x, y)) for i, (x, y) in enumerate(zip(s.x, s.y, strict=True)) if _known(y)]
        parts = [self._whisker(s, i) for i, *_ in points] if len(s.half) else []
        if s.marks != "dots":
            parts.append(path(_pieces(points), s.look))
        for x, values in zip(s.x, s.seeds, strict=len(s.seeds) > 0):
            parts += [symbol(*self.place(x, v), s.look, 2.5, "dpoq-seed fill") for v in values]
        if s.marks != "line":
            hovers = s.hovers or [""] * len(s.x)
            parts += [symbol(px, py, s.look, hover=hovers[i]) for i, px, py in points]
        return "".join(parts)

    def _whisker(self, s: Series, i: int) -> str:
        y, half = s.y[i], s.half[i]
        if not math.isfinite(half):
            return ""
        (px, low), (_, high) = self.place(s.x[i], y - half), self.place(s.x[i], y + half)
        cap = f"M{px - 5:.1f} {low:.1f}h10M{px - 5:.1f} {high:.1f}h10M{px:.1f} {low:.1f}V{high:.1f}"
        return f'<path class="dpoq-whisker {s.look.colour}" d="{cap}"/>'

    def end_names(self, series: Sequence[Series]) -> str:
        """Each line's name at its end, moved apart where lines end close together."""
        ends = sorted((self.place(*_last(s))[1], i) for i, s in enumerate(series))
        at = spread([y for y, _ in ends], LINE, self.top, self.top + self.height)
        right = self.left + self.width + 8
        return "".join(
            label(right, y + 5, series[i].name, "start", f"fill {series[i].look.colour}")
            for y, (_, i) in zip(at, ends, strict=True)
        )

    def tags(self, series: Sequence[Series]) -> str:
        """What stands beside points: below them to the right, or to the left where there is no room."""
        found = []
        for s in (s for s in series if s.tags):
            for x, y, tag in zip(s.x, s.y, s.tags, strict=True):
                if tag:
                    px, py = self.place(x, y)
                    found.append((py + 19, px, tag, s.look.colour))
        found.sort()
        right, bottom = self.left + self.width, self.top + self.height
        parts = []
        for y, (_, px, tag, colour) in zip(
            spread([f[0] for f in found], LINE, self.top + 14, bottom - 6), found, strict=True
        ):
            fits = px + 8 + LETTER * len(tag) < right
            place = (px + 8, y, tag, "start") if fits else (px - 8, y, tag, "end")
            parts.append(label(*place, f"fill {colour}"))
        return "".join(parts)


def spread(places: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """Ascending `places`, moved apart to at least `least` and kept, if they fit, within `low` to `high`."""
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + least) if found else max(place, low))
    for i in reversed(range(len(found))):
        found[i] = min(found[i], high if i == len(found) - 1 else found[i + 1] - least)
    return found


def _pieces(points: Sequence[tuple[int, float, float]]) -> str:
    """Path data through the points; a gap where an index is missing."""
    parts, before = [], None
    for i, x, y in points:
        parts.append(f"{'L' if before == i - 1 else 'M'}{x:.1f} {y:.1f}")
        before = i
    return "".join(parts)


def key(series: Sequence[Series], left: float) -> str:
    """Symbols and names in a row above what is drawn."""
    parts, at = [], left + 8
    for s in series:
        parts += [symbol(at, 15, s.look), label(at + 14, 20, s.name, "start", f"fill {s.look.colour}")]
        at += 46 + LETTER * len(s.name)
    return "".join(parts)


def label(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> str:
    """Text, escaped; y is its base line."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>'


def line(x: float, y: float, to_x: float, to_y: float, kind: str) -> str:
    """A straight line of a class of the theme."""
    return f'<path class="{kind}" d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}"/>'


def path(data: str, look: Look, width: float | None = None) -> str:
    """A curve, of a width in pixels or of the theme's."""
    dash = f' stroke-dasharray="{look.dash}"' if look.dash else ""
    thick = f'style="stroke-width:{width}px" ' if width else ""
    return f'<path {thick}class="dpoq-line {look.colour}" d="{data}"{dash}/>'


def bar(x: float, y: float, width: float, height: float, colour: str) -> str:
    """A bar of a colour of the theme, half a pixel wide at least."""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height}"'
    return f'<rect class="dpoq-bar fill {colour}" {place}/>'


def exact_ticks(places: Sequence[float], y: float) -> str:
    """Upright ticks beside what was measured at y: the first place above it in ink, the second below."""
    ends = zip(places, ((y - 13, y - 2, "ink"), (y + 2, y + 13, "less")), strict=False)
    return "".join(line(x, top, x, bottom, f"dpoq-whisker {colour}") for x, (top, bottom, colour) in ends)


_SHAPES = {
    "circle": "M-{r} 0a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0z",
    "diamond": "M0 -{d1}L{d1} 0L0 {d1}L-{d1} 0z",
    "square": "M-{r} -{r}h{d}v{d}h-{d}z",
    "cross": "M-{r} -{r}L{r} {r}M{r} -{r}L-{r} {r}",
    "star": "M0 -{s}L{t} -{t}L{s} 0L{t} {t}L0 {s}L-{t} {t}L-{s} 0L-{t} -{t}z",
    "ring": "M-{s} 0a{s} {s} 0 1 0 {s2} 0a{s} {s} 0 1 0 -{s2} 0z",
}


def symbol(x: float, y: float, look: Look, r: float = 5, kind: str = "", hover: str = "") -> str:
    """A point, its shape by the look; filled but for a ring and a cross."""
    kind = kind or ("dpoq-dot" if look.symbol in ("ring", "cross") else "dpoq-dot fill")
    sizes = {"r": r, "d": 2 * r, "d1": 1.3 * r, "s": 1.8 * r, "s2": 3.6 * r, "t": 0.55 * r}
    shape = _SHAPES[look.symbol].format(**{name: f"{size:g}" for name, size in sizes.items()})
    title = f"<title>{escape(hover)}</title>" if hover else ""
    place = f'class="{kind} {look.colour}" transform="translate({x:.1f},{y:.1f})"'
    return f'<path {place} d="{shape}">{title}</path>'

"""A figure that may leave the house: an SVG with its alt text and its reading in one line; and `show`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Protocol

from dpoq_lab.views.theme import STYLE, box


@dataclass(frozen=True)
class Figure:
    """SVG elements on a canvas of `width` by `height` pixels, and what they say.

    `alt` says what is drawn, to those who do not see it; `reading` what it shows, to all. `data` is what was
    drawn. ValueError: one of the two is missing.
    """

    body: str
    width: float
    height: float
    alt: str
    reading: str
    data: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (self.alt.strip() and self.reading.strip()):
            raise ValueError("a figure needs alt text and a reading of one line")

    def svg(self) -> str:
        """The picture alone."""
        size = f'viewBox="0 0 {self.width:g} {self.height:g}" width="{self.width:g}" height="{self.height:g}"'
        label = escape(self.alt, quote=True)
        what = f'xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{label}"'
        return f"<svg {what}>{self.body}</svg>"

    def html(self, narrow: str = "") -> str:
        """The reading and the picture below it; on a page a phone gets the picture `narrow` in its place."""
        reading = f'<figcaption class="dpoq-reading">{escape(self.reading)}</figcaption>'
        return box(f'<figure class="dpoq-figure">{reading}{self.svg()}{narrow}</figure>')


@dataclass(frozen=True)
class _Shown:
    """What IPython displays: HTML for people, the reading for a console."""

    html: str
    reading: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.reading


class Showable(Protocol):
    """What `show` takes: a Figure, a Table."""

    @property
    def reading(self) -> str: ...

    def html(self) -> str: ...


def show(*parts: Showable | str) -> None:
    """Show figures, tables, or HTML that `views` made, with its style; a console gets their readings."""
    from IPython.display import display

    for part in parts:
        html, reading = (part, "") if isinstance(part, str) else (part.html(), part.reading)
        display(_Shown(STYLE + html, reading))


def beside(*figures: Figure, alt: str, reading: str, gap: float = 20) -> Figure:
    """Figures next to one another as one; their `data` are joined."""
    at, parts, data = 0.0, [], {}
    for figure in figures:
        parts.append(f'<g transform="translate({at:g},0)">{figure.body}</g>')
        at += figure.width + gap
        data |= figure.data
    height = max(figure.height for figure in figures)
    return Figure("".join(parts), at - gap, height, alt, reading, data)


COLUMN, GUTTER, HEAD = 620, 24, 34  # pixels of a sheet


def sheet(cards: Sequence[tuple[str, Figure]], columns: int = 2) -> str:
    """Titled figures, each as wide as its column, as one SVG that needs no page: light, on white."""
    tops, parts = [float(GUTTER)] * columns, []
    for title, figure in cards:
        column = tops.index(min(tops))
        x, y = GUTTER + column * (COLUMN + GUTTER), tops[column]
        high = figure.height * COLUMN / figure.width
        head = f'<text class="word" font-size="18" x="{x}" y="{y + 22:.1f}">{escape(title)}</text>'
        place = f'x="{x}" y="{y + HEAD:.1f}" width="{COLUMN}" height="{high:.1f}"'
        box = f'viewBox="0 0 {figure.width:g} {figure.height:g}"'
        parts.append(f"{head}<svg {place} {box}>{figure.body}</svg>")
        tops[column] += HEAD + high + GUTTER
    wide, high = columns * (COLUMN + GUTTER) + GUTTER, round(max(tops))
    paper = f'<rect width="{wide}" height="{high}" fill="white"/>'
    size = f'viewBox="0 0 {wide} {high}" width="{wide}" height="{high}"'
    body = f'<g class="dpoq-figure" font-family="system-ui,sans-serif">{"".join(parts)}</g>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" class="dpoq" {size}>{STYLE}{paper}{body}</svg>\n'

"""A figure that may leave the house: an SVG with its alt text and its reading in one line; and `show`."""

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

    def html(self) -> str:
        """The reading and the picture below it."""
        reading = f'<figcaption class="dpoq-reading">{escape(self.reading)}</figcaption>'
        return box(f'<figure class="dpoq-figure">{reading}{self.svg()}</figure>')


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

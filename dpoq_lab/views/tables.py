"""Tables: one object, as aligned text where it is compared and as HTML where it is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

from dpoq_lab.views.theme import box
from dpoq_lab.views.token_view import signed

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Table:
    """Rows of texts, the first of them the head; a row of one text is a heading.

    `meanings` says what a text means to whoever points at it where it first stands, or reaches it by Tab.
    `print` gives lines with aligned columns, the first `left` to the left; `show` the same in HTML.
    """

    rows: Rows
    left: int = 1
    caption: str = ""
    meanings: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return text_table(self.rows, self.left)

    @property
    def reading(self) -> str:
        """The table for a console."""
        return str(self)

    def html(self) -> str:
        """The table for people, escaped."""
        head, *rest = self.rows
        said: set[str] = set()
        lines = self._line(head, "th", said) + "".join(self._line(row, "td", said) for row in rest)
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        return box(f'<table class="dpoq-table">{caption}{lines}</table>', "dpoq-scroll")

    def _line(self, row: Sequence[str], kind: str, said: set[str]) -> str:
        if len(row) == 1 < len(self.rows[0]):
            return f'<tr><th class="left" colspan="{len(self.rows[0])}">{escape(row[0])}</th></tr>'
        sides = [' class="left"' * (column < self.left) for column in range(len(row))]
        cells = (
            f"<{kind}{side}>{self._cell(text, said)}</{kind}>" for text, side in zip(row, sides, strict=True)
        )
        return f"<tr>{''.join(cells)}</tr>"

    def _cell(self, text: str, said: set[str]) -> str:
        """A text, with its meaning if it is not among those `said`, which grow."""
        meaning = self.meanings.get(text)
        if not meaning or text in said:
            return escape(text)
        said.add(text)
        what = escape(meaning, quote=True)
        return (
            f'<abbr class="dpoq-what" tabindex="0" title="{what}" data-means="{what}">{escape(text)}</abbr>'
        )


def text_table(rows: Rows, left: int = 1) -> str:
    """Rows of texts as lines with aligned columns: the first `left` to the left, the others to the right.

    A row of one text is a heading and takes part in no width; two spaces stand between columns.
    """
    full = [row for row in rows if len(row) > 1]
    widths = [max(map(len, column)) for column in zip(*full, strict=True)]
    lines = []
    for row in rows:
        cells = enumerate(zip(row, widths, strict=False))
        texts = [cell.ljust(width) if c < left else cell.rjust(width) for c, (cell, width) in cells]
        lines.append("  ".join(texts).rstrip())
    return "\n".join(lines)


def terms_table(title: str, names: Sequence[str], columns: dict[str, np.ndarray], pi: np.ndarray) -> str:
    """Named rows with their numbers and pi, as escaped HTML."""
    numbers = zip(names, zip(*columns.values(), strict=True), pi, strict=True)
    rows = [(name, *map(signed, row), f"{p:.2f}") for name, row, p in numbers]
    return Table([("token", *columns, "pi"), *rows], caption=title).html()

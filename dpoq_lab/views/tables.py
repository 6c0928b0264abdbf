"""Tables: aligned text for what is compared, HTML for what is read."""

from collections.abc import Sequence
from html import escape

import numpy as np

from dpoq_lab.views.token_view import signed


def text_table(rows: Sequence[Sequence[str]], left: int = 1) -> str:
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
    head = "".join(f"<th>{escape(name)}</th>" for name in ("token", *columns, "pi"))
    rows = "".join(
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{signed(x)}</td>' for x in row)}<td>{p:.2f}</td></tr>"
        for name, row, p in zip(names, zip(*columns.values(), strict=True), pi, strict=True)
    )
    return f"{_TABLE}<b>{escape(title)}</b><table class='dpoq-terms'><tr>{head}</tr>{rows}</table>"


_TABLE = """<style>
.dpoq-terms{border-collapse:collapse;font-size:1.1em}
.dpoq-terms td,.dpoq-terms th{padding:.1em .8em;text-align:right}
.dpoq-terms td:first-child,.dpoq-terms th:first-child{text-align:left}
</style>"""

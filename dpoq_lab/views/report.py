"""The page of `inspect` and `diagnose`: a verdict in words, the pictures that carry it, then the pairs.

It is one file that asks for nothing. Model text is data: `token_view` and `escape` are its only ways in.
"""

from collections.abc import Sequence
from html import escape

from dpoq_lab.diagnosis import Diagnosis
from dpoq_lab.encoding import flaw_mask
from dpoq_lab.rewards import TokenScores
from dpoq_lab.run_logs import Log
from dpoq_lab.token_file import SIDES, ScoredRow
from dpoq_lab.views.curves import pair_curves
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.pair_pictures import along, plane
from dpoq_lab.views.summary_view import (
    not_scored_line,
    numbers_table,
    summary_line,
    summary_tables,
    truncated_line,
)
from dpoq_lab.views.theme import STYLE
from dpoq_lab.views.token_view import heat_map, legend, signed
from dpoq_lab.views.verdict import headline, verdict

PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
    '{style}</head><body class="dpoq dpoq-page"><main>{body}</main></body></html>\n'
)
Shown = tuple[int, ScoredRow]  # a pair's number and the pair


def report(summary: dict, shown: Sequence[Shown], diagnosis: Diagnosis, log: Log | None = None) -> str:
    """The page of a summary, of the pairs to show, and of a run's log where there is one."""
    figures = [plane(summary, log), along(summary["along"]), *run_curves(log)]
    pictures = "".join(figure.html() for figure in figures)
    tables = "".join(table.html() for table in (numbers_table(summary), *summary_tables(summary)))
    lines = [summary_line(summary), truncated_line(summary), not_scored_line(summary["not_scored"])]
    numbers = "<h2>Numbers</h2>" + "".join(f"<p>{escape(line)}</p>" for line in lines if line) + tables
    body = verdict(diagnosis) + pictures + _pairs(summary, shown) + numbers
    return PAGE.format(style=STYLE, title=escape(f"{headline(diagnosis)}: dpoq-lab"), body=body)


def curves_page(diagnosis: Diagnosis, log: Log) -> str:
    """The page of a run of which only the log is there."""
    body = verdict(diagnosis) + "".join(figure.html() for figure in run_curves(log))
    return PAGE.format(style=STYLE, title="dpoq-lab diagnose", body=body)


def run_curves(log: Log | None) -> list[Figure]:
    """The logged rewards by step."""
    if log is None or len(log.records) < 2:
        return []
    steps = [int(record.get("step", k)) for k, record in enumerate(log.records)]
    return [pair_curves("logged reward", log.column("chosen"), log.column("rejected"), steps)]


_FIND = (
    "for (const p of document.querySelectorAll('.dpoq-pair'))"
    " p.hidden = !p.textContent.toLowerCase().includes(this.value.toLowerCase())"
)
_SORT = (
    "const box = document.getElementById('pairs'), by = this.value, key = p => +p.dataset[by];"
    " [...box.children].sort((a, b) => key(a) - key(b)).forEach(p => box.append(p))"
)


def _pairs(summary: dict, shown: Sequence[Shown]) -> str:
    """The strips, with a field to search and a choice of the order."""
    beta = summary["beta"]
    limit = colour_limit([scores for _, row in shown for scores in row.sides], beta)
    strips = "".join(_pair_section(number, row, beta, limit) for number, row in shown)
    choices = (
        ("number", "order of the file"),
        ("margin", "smallest margin first"),
        ("wrong", "most wrong first"),
    )
    options = "".join(f'<option value="{value}">{text}</option>' for value, text in choices)
    find, sort = (escape(code, quote=True) for code in (_FIND, _SORT))
    controls = (
        f'<div class="dpoq-controls"><label>Find <input type="search" oninput="{find}"></label> '
        f'<label>Order <select onchange="{sort}">{options}</select></label></div>'
    )
    of = f"{len(shown)} of {summary['pair_accuracy']['pairs']} pairs: the first, and those it gets most wrong"
    return f'<h2>{of}</h2>{controls}{legend(limit)}<div id="pairs">{strips}</div>'


def _pair_section(number: int, row: ScoredRow, beta: float, limit: float) -> str:
    sums = [sum(s.rewards(beta)) for s in row.sides]
    margin = sums[0] - sums[1]
    tokens = sum(s.response.n_actions for s in row.sides)
    maps = "".join(
        heat_map(
            s.response.tokens,
            s.rewards(beta),
            limit,
            f"{role}: sum of r_hat {total:+.2f}",
            flaw_mask(s.response),
            s.response.actions,
        )
        for role, s, total in zip(SIDES, row.sides, sums, strict=True)
    )
    wrong = margin / max(tokens, 1)  # a token, so that long replies are not wrong by their length
    return (
        f'<section class="dpoq-pair" data-number="{number}" data-margin="{margin:.6f}" '
        f'data-wrong="{wrong:.8f}">'
        f"<h3>Pair {number}: margin {signed(margin)}</h3>"
        f'<div class="dpoq-prompt">{escape(row.prompt)}</div>{maps}</section>'
    )


def colour_limit(scores: list[TokenScores], beta: float) -> float:
    """A symmetric limit that 98% of the token rewards keep within; one scale for a whole view."""
    sizes = sorted(abs(r) for score in scores for r in score.rewards(beta))
    return max(sizes[int(0.98 * (len(sizes) - 1))], 1e-3) if sizes else 1.0

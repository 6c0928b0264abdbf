"""The page of `inspect` and `diagnose`: a verdict in words, the pictures that carry it, then the pairs.

It is one file that asks for nothing. Model text is data: `token_view` and `escape` are its only ways in.
"""

from collections.abc import Callable, Sequence
from html import escape

from dpoq_lab.encoding import flaw_mask
from dpoq_lab.preferences import SIDES
from dpoq_lab.rewards import TokenScores
from dpoq_lab.runs.diagnosis import Diagnosis
from dpoq_lab.runs.logs import Log
from dpoq_lab.runs.token_file import ScoredRow
from dpoq_lab.views.curves import pair_curves
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.pair_pictures import along, plane
from dpoq_lab.views.summary_view import (
    SMALLEST,
    not_scored_line,
    numbers_table,
    summary_line,
    summary_tables,
    truncated_line,
)
from dpoq_lab.views.theme import STYLE
from dpoq_lab.views.token_view import exact, heat_map, legend
from dpoq_lab.views.verdict import headline, verdict

PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
    '{style}</head><body class="dpoq dpoq-page"><main>{body}</main></body></html>\n'
)
NARROW = 380  # pixels: a figure on a phone
APART = ("policy and reference do not begin alike", "dropout in training")  # log and scores then differ
Shown = tuple[int, ScoredRow]  # a pair's number and the pair


def report(summary: dict, shown: Sequence[Shown], diagnosis: Diagnosis, log: Log | None = None) -> str:
    """The page of a summary, of the pairs to show, and of a run's log where there is one."""
    apart = any(found.cause in APART for found in diagnosis.findings)
    pictures = _pictures(lambda width: run_curves(log, width), 760)
    if apart and log:
        pictures = _apart_line(summary) + pictures
    pictures += _pictures(lambda width: [plane(summary, None if apart else log, width)], 620)
    pictures += _pictures(lambda width: [along(summary, width)], 760)
    tables = "".join(table.html() for table in (numbers_table(summary), *summary_tables(summary)))
    lines = [truncated_line(summary), not_scored_line(summary["not_scored"])]
    numbers = (
        '<h2 id="numbers">Numbers</h2>' + "".join(f"<p>{escape(line)}</p>" for line in lines if line) + tables
    )
    about = _about(summary_line(summary), log)
    body = verdict(diagnosis) + about + pictures + _pairs(summary, shown) + numbers
    return PAGE.format(style=STYLE, title=escape(f"{headline(diagnosis)}: dpoq-lab"), body=body)


def curves_page(diagnosis: Diagnosis, log: Log) -> str:
    """The page of a run of which only the log is there."""
    body = verdict(diagnosis) + _about("", log) + _pictures(lambda width: run_curves(log, width), 760)
    return PAGE.format(style=STYLE, title="dpoq-lab diagnose", body=body)


def _about(scored: str, log: Log | None) -> str:
    """What the page is about: the run, and what was scored."""
    line = "; ".join(filter(None, [f"run {log.source}" if log else "", scored]))
    return f'<p class="dpoq-about">{escape(line[:1].upper() + line[1:])}</p>'


def _apart_line(summary: dict) -> str:
    """That the run's log and what is scored here have no reference in common."""
    return (
        "<p>But for the logged curves, all below is scored against the reference named here "
        f"({escape(summary['reference'])}) without dropout, and not as the trainer scored it.</p>"
    )


def _pictures(make: Callable[[float], list[Figure]], width: float) -> str:
    """Figures of a width, each with one for a phone."""
    both = zip(make(width), make(NARROW), strict=True)
    return "".join(figure.html(narrow.svg()) for figure, narrow in both)


def run_curves(log: Log | None, width: float = 760) -> list[Figure]:
    """The logged rewards by step."""
    if log is None or len(log.records) < 2:
        return []
    steps = [int(record.get("step", k)) for k, record in enumerate(log.records)]
    return [pair_curves("logged reward", log.column("chosen"), log.column("rejected"), steps, width=width)]


_FIND = (
    "const plain = text => text.replace(/\u2212/g, '-').replace(/\\s+/g, ' ').trim().toLowerCase();"
    " const asked = plain(this.value), pairs = [...document.querySelectorAll('.dpoq-pair')];"
    " const told = (p, part) => p.querySelector(part).textContent + ' ';"
    " const said = p => told(p, 'h3') + told(p, '.dpoq-prompt') + p.dataset.text;"
    " for (const p of pairs) p.hidden = !plain(said(p)).includes(asked);"
    " const found = pairs.filter(p => !p.hidden).length;"
    " document.getElementById('found').textContent ="
    " !asked ? '' : found ? found + ' of ' + pairs.length : 'none found'"
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
        ("margin", SMALLEST),
        ("wrong", "most wrong a token first"),
    )
    options = "".join(f'<option value="{value}">{text}</option>' for value, text in choices)
    find, sort = (escape(code, quote=True) for code in (_FIND, _SORT))
    controls = (
        f'<div class="dpoq-controls"><label>Find <input type="search" oninput="{find}"></label> '
        '<output id="found" aria-live="polite"></output> '
        f'<label>Order <select onchange="{sort}">{options}</select></label> '
        '<a href="#numbers">to the numbers</a></div>'
    )
    total = summary["pair_accuracy"]["pairs"]
    some = f"{len(shown)} of {total} pairs: the first, and those of the smallest summed margin"
    of = some if len(shown) < total else f"All {total} pairs" if total > 1 else "The pair"
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
            f"{role}: sum of r_hat {exact(total)}",
            flaw_mask(s.response),
            s.response.actions,
        )
        for role, s, total in zip(SIDES, row.sides, sums, strict=True)
    )
    said = " | ".join(s.response.text for s in row.sides)  # as the strips, of single tokens, do not say it
    wrong = margin / max(tokens, 1)  # a token, so that long replies are not wrong by their length
    return (
        f'<section class="dpoq-pair" data-number="{number}" data-margin="{margin:.6f}" '
        f'data-wrong="{wrong:.8f}" data-text="{escape(said, quote=True)}">'
        f"<h3>Pair {number}: margin {exact(margin)}</h3>"
        f'<div class="dpoq-prompt">{escape(row.prompt)}</div>{maps}</section>'
    )


def colour_limit(scores: list[TokenScores], beta: float) -> float:
    """A symmetric limit that 98% of the token rewards keep within; one scale for a whole view."""
    sizes = sorted(abs(r) for score in scores for r in score.rewards(beta))
    return max(sizes[int(0.98 * (len(sizes) - 1))], 1e-3) if sizes else 1.0

"""What `inspect` shows: a self-contained page of scored pairs, and the credit table as text."""

from html import escape

from dpoq_lab.credit import TRUTHS, credit_rows
from dpoq_lab.encoding import EncodedPair, flaw_mask
from dpoq_lab.rewards import ScoredPair, TokenScores
from dpoq_lab.views.tables import Table
from dpoq_lab.views.theme import STYLE
from dpoq_lab.views.token_view import heat_map, legend, who_said_what

SHOWN_PAIRS = 50
PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1"><title>dpoq-lab report</title>'
    '{style}</head><body class="dpoq dpoq-page"><main>{body}</main></body></html>\n'
)


def report(scored: list[ScoredPair], pairs: list[EncodedPair], beta: float, summary: dict) -> str:
    """One self-contained page: the summary, then the token strips of the first pairs."""
    limit = colour_limit([scores for pair in scored for scores in pair], beta)
    shown = "".join(
        _pair_section(number, pair, scores, beta, limit)
        for number, (pair, scores) in enumerate(zip(pairs[:SHOWN_PAIRS], scored[:SHOWN_PAIRS], strict=True))
    )
    first = min(len(scored), SHOWN_PAIRS)
    tables = _summary_table(summary).html() + f"<p>{escape(not_scored_line(summary['not_scored']))}</p>"
    tables += (
        "<h2>Credit assignment</h2>" + credit_table(summary["credit"]).html() + _truths(summary["credit"])
    )
    title = f"<h1>Token rewards of {len(scored)} pairs</h1>"
    body = f"{title}{tables}<h2>The first {first} pairs</h2>{legend(limit)}{shown}"
    return PAGE.format(style=STYLE, body=body)


def not_scored_line(not_scored: dict) -> str:
    """Which tokens TRL scores and this report does not; empty where there are none."""
    parts = []
    if n := not_scored["observations"]:
        parts.append(f"{n} tokens that others or the chat template wrote (grey)")
    parts += [
        f"{tail!r} after the end of {n} of {not_scored['responses']} responses"
        for tail, n in not_scored["tails"].items()
    ]
    return f"Not scored: {'; '.join(parts)}. TRL scores it all; so does --whole-yield." if parts else ""


def colour_limit(scores: list[TokenScores], beta: float) -> float:
    """A symmetric limit that 98% of the token rewards keep within; one scale for a whole view."""
    sizes = sorted(abs(r) for score in scores for r in score.rewards(beta))
    return max(sizes[int(0.98 * (len(sizes) - 1))], 1e-3) if sizes else 1.0


def _pair_section(number: int, pair: EncodedPair, scores: ScoredPair, beta: float, limit: float) -> str:
    text = who_said_what(pair.pair.prompt)
    maps = "".join(
        heat_map(
            s.response.tokens,
            s.rewards(beta),
            limit,
            f"{role}: sum of r_hat {sum(s.rewards(beta)):+.2f}",
            flaw_mask(s.response),
            s.response.actions,
        )
        for role, s in zip(("chosen", "rejected"), scores, strict=True)
    )
    return f'<h3>Pair {number}</h3><div style="white-space:pre-wrap">{escape(text)}</div>{maps}'


def _summary_table(summary: dict) -> Table:
    rows = [("measure", "value")]
    for key, value in summary.items():
        if key in ("credit", "provenance", "not_scored"):
            continue
        if isinstance(value, dict) and "accuracy" in value:
            low, high = value["interval_95"]
            value = f"{value['accuracy']:.3f} (95% interval {low:.3f} to {high:.3f}, {value['pairs']} pairs)"
        elif isinstance(value, float):
            value = f"{value:.4f}"
        rows.append((key.replace("_", " "), str(value)))
    return Table(rows)


def credit_table(credit: dict) -> Table:
    """Each truth and detector with AUROC and precision at 1, the two with their 95% intervals."""
    return Table([("truth", "detector", "AUROC (95%)", "precision at 1 (95%)"), *credit_rows(credit)], left=2)


def _truths(credit: dict) -> str:
    """What each truth is, as a line of HTML."""
    told = "; ".join(f"<b>{name}</b>: {TRUTHS[name]}" for name in TRUTHS if name in credit)
    return f"<p>{told}</p>"

"""What `inspect` shows: a self-contained page of scored pairs, and the credit table as text."""

from html import escape

from dpoq_lab.credit import TRUTHS, credit_rows
from dpoq_lab.encoding import EncodedPair, flaw_mask
from dpoq_lab.rewards import ScoredPair, TokenScores
from dpoq_lab.views.tables import text_table
from dpoq_lab.views.token_view import heat_map, legend, who_said_what

SHOWN_PAIRS = 50
PAGE_STYLE = """<style>
body{font-family:system-ui,sans-serif;max-width:70em;margin:1em auto;padding:0 1em;background:#fff;color:#111}
table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ccc}
</style>"""


def report(scored: list[ScoredPair], pairs: list[EncodedPair], beta: float, summary: dict) -> str:
    """One self-contained page: the summary, then the heat maps of the first pairs."""
    limit = colour_limit([scores for pair in scored for scores in pair], beta)
    shown = "".join(
        _pair_section(number, pair, scores, beta, limit)
        for number, (pair, scores) in enumerate(zip(pairs[:SHOWN_PAIRS], scored[:SHOWN_PAIRS], strict=True))
    )
    first = min(len(scored), SHOWN_PAIRS)
    tables = _summary_table(summary) + f"<p>{escape(not_scored_line(summary['not_scored']))}</p>"
    tables += _credit_table(summary["credit"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>dpoq-lab report</title>'
        f"{PAGE_STYLE}</head><body><h1>Token rewards of {len(scored)} pairs</h1>{tables}"
        f"<h2>The first {first} pairs</h2>{legend(limit)}{shown}</body></html>\n"
    )


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
            f"{role}: summed reward {sum(s.rewards(beta)):+.2f}",
            flaw_mask(s.response),
            s.response.actions,
        )
        for role, s in zip(("chosen", "rejected"), scores, strict=True)
    )
    return f'<h3>Pair {number}</h3><div style="white-space:pre-wrap">{escape(text)}</div>{maps}'


def _summary_table(summary: dict) -> str:
    rows = []
    for key, value in summary.items():
        if key in ("credit", "provenance", "not_scored"):
            continue
        if isinstance(value, dict) and "accuracy" in value:
            low, high = value["interval_95"]
            value = f"{value['accuracy']:.3f} (95% interval {low:.3f} to {high:.3f}, {value['pairs']} pairs)"
        elif isinstance(value, float):
            value = f"{value:.4f}"
        rows.append(f"<tr><th>{escape(key)}</th><td>{escape(str(value))}</td></tr>")
    return f"<table>{''.join(rows)}</table>"


def _credit_table(credit: dict) -> str:
    rows = "".join(
        f"<tr><td>{TRUTHS[truth]}</td><td>{name}</td><td>{auroc}</td><td>{p_at_1}</td></tr>"
        for truth, name, auroc, p_at_1 in credit_rows(credit)
    )
    head = "<tr><th>truth</th><th>detector</th><th>AUROC</th><th>precision at 1</th></tr>"
    return f"<h2>Credit assignment</h2><table>{head}{rows}</table>"


def credit_lines(credit: dict) -> str:
    """`credit_rows` as aligned text."""
    head = ("truth", "detector", "AUROC (95%)", "precision at 1 (95%)")
    return text_table([head, *credit_rows(credit)], left=2)

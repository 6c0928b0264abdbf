"""What `inspect` shows: its summary as sentences and tables, and a self-contained page of scored pairs."""

from html import escape

from dpoq_lab.credit import TRUTHS, credit_rows
from dpoq_lab.encoding import flaw_mask
from dpoq_lab.rewards import TokenScores
from dpoq_lab.summary import PARTS
from dpoq_lab.token_file import SIDES, ScoredRow
from dpoq_lab.views.tables import Table
from dpoq_lab.views.theme import STYLE
from dpoq_lab.views.token_view import heat_map, legend, signed, visible

SHOWN_PAIRS = 50
PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1"><title>dpoq-lab report</title>'
    '{style}</head><body class="dpoq dpoq-page"><main>{body}</main></body></html>\n'
)


def report(first: list[ScoredRow], beta: float, summary: dict) -> str:
    """One self-contained page: the summary, then the token strips of the first pairs."""
    limit = colour_limit([scores for row in first for scores in row.sides], beta)
    said = "".join(f"<p>{escape(line)}</p>" for line in sentences(summary))
    tables = "".join(table.html() for table in summary_tables(summary))
    shown = "".join(_pair_section(number, row, beta, limit) for number, row in enumerate(first))
    title = f"<h1>Token rewards of {summary['pair_accuracy']['pairs']} pairs</h1>"
    body = f"{title}{said}{tables}{_truths(summary['credit'])}<h2>The first {len(first)} pairs</h2>"
    return PAGE.format(style=STYLE, body=f"{body}{legend(limit)}{shown}")


def sentences(summary: dict) -> list[str]:
    """What the numbers say, a line each."""
    found, falls = summary["pair_accuracy"], summary["falls"]
    low, high = found["interval_95"]
    means = [
        f"{side} {summary[f'{key}_mean']:+.3f}"
        for side, key in (
            ("chosen", "chosen_reward_sum"),
            ("rejected", "rejected_reward_sum"),
            ("margin", "margin"),
        )
    ]
    return [
        f"policy {summary['policy']}, reference {summary['reference']}, pairs {summary['source']}, "
        f"beta {summary['beta']:g}",
        f"pair accuracy {found['accuracy']:.3f} ({low:.3f} to {high:.3f}, {found['pairs']} pairs)",
        f"summed reward: {', '.join(means)}",
        "less likely than under the reference: "
        + ", ".join(f"{side} in {found['share']:.0%} of pairs" for side, found in falls.items()),
        *(f"{summary[name]:.4f} nats: {assumes}" for name, assumes in summary["kl_assumes"].items()),
        *filter(None, [truncated_line(summary), not_scored_line(summary["not_scored"])]),
    ]


def summary_tables(summary: dict, most: int | None = None) -> list[Table]:
    """Where the rewards lie, the steepest tokens, the worst pairs, credit; of lists the first `most` rows."""
    return [
        parts_table(summary["reward_parts"]),
        steepest_table(summary["steepest_tokens"][:most]),
        worst_table(summary["worst_pairs"][:most]),
        credit_table(summary["credit"]),
    ]


def parts_table(parts: list[dict]) -> Table:
    """Mean summed reward by the part of the reply in which it lies, and by length."""
    rows = [
        (row["actions"], row["side"], str(row["replies"]), *(signed(row[part]) for part in PARTS))
        for row in parts
    ]
    caption = "Mean summed reward, by where in the reply (end: EOS and the template's)"
    return Table([("actions", "side", "replies", *PARTS), *rows], left=2, caption=caption)


def steepest_table(steepest: list[dict]) -> Table:
    """The tokens of the largest |log pi/pi_ref|, and where their probability came from or went."""
    rows = [
        (
            str(row["pair"]),
            row["role"],
            f"{row['at']}: {visible(row['token'])}",
            signed(row["log_ratio"]),
            _moved(row["gained"]),
            _moved(row["lost"]),
        )
        for row in steepest
    ]
    head = ("pair", "side", "token", "log pi/pi_ref", "gained most there", "lost most there")
    return Table([head, *rows], left=3, caption="The steepest tokens, one a reply (pi_ref, pi)")


def _moved(moved: list) -> str:
    return ", ".join(f"{visible(token)} {pi_ref:.2g} \u2192 {pi:.2g}" for token, pi_ref, pi in moved)


def worst_table(worst: list[dict]) -> Table:
    """The pairs of the smallest margin."""
    rows = [(str(row["pair"]), row["where"], signed(row["margin"])) for row in worst]
    return Table(
        [("pair", "place", "margin"), *rows], left=2, caption="The pairs that the policy gets most wrong"
    )


def truncated_line(summary: dict) -> str:
    """How many replies were cut off; empty where none was."""
    cut = summary["truncated"]
    return f"{cut} pairs have a reply that was cut off: its sum lacks the end" if cut else ""


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


def _pair_section(number: int, row: ScoredRow, beta: float, limit: float) -> str:
    maps = "".join(
        heat_map(
            s.response.tokens,
            s.rewards(beta),
            limit,
            f"{role}: sum of r_hat {sum(s.rewards(beta)):+.2f}",
            flaw_mask(s.response),
            s.response.actions,
        )
        for role, s in zip(SIDES, row.sides, strict=True)
    )
    return f'<h3>Pair {number}</h3><div style="white-space:pre-wrap">{escape(row.prompt)}</div>{maps}'


def credit_table(credit: dict) -> Table:
    """Each truth and detector with AUROC and precision at 1, the two with their 95% intervals."""
    head = ("truth", "detector", "AUROC (95%)", "precision at 1 (95%)")
    return Table(
        [head, *credit_rows(credit)], left=2, caption=f"Credit assignment over {credit['pairs']} pairs"
    )


def _truths(credit: dict) -> str:
    """What each truth is, as a line of HTML."""
    told = "; ".join(f"<b>{name}</b>: {TRUTHS[name]}" for name in TRUTHS if name in credit)
    return f"<p>{told}</p>"

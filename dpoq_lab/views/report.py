"""The page of `inspect` and `diagnose`: a verdict in words, the pictures that carry it, then the pairs.

It is one file that asks for nothing. Model text is data: `token_view` and `escape` are its only ways in.
"""

from collections.abc import Sequence
from html import escape

import numpy as np

from dpoq_lab.credit import TRUTHS, credit_rows
from dpoq_lab.diagnosis import Diagnosis, Finding
from dpoq_lab.encoding import flaw_mask
from dpoq_lab.rewards import TokenScores
from dpoq_lab.run_logs import Log
from dpoq_lab.summary import PARTS
from dpoq_lab.token_file import SIDES, ScoredRow
from dpoq_lab.views.charts import LESS, MORE, Look, Series, axis, chart
from dpoq_lab.views.curves import pair_curves
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.tables import Table
from dpoq_lab.views.theme import STYLE
from dpoq_lab.views.token_view import heat_map, legend, signed, visible

PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
    '{style}</head><body class="dpoq dpoq-page"><main>{body}</main></body></html>\n'
)
HEADLINES = {
    "expected": "Expected, not broken",
    "data fault": "A fault of the data",
    "scoring mismatch": "Two scorings that do not match",
    "too much pressure": "Too much pressure",
}
MEAN, OWN, RUN = Look("ink", symbol="star"), Look("ink", symbol="cross"), Look("ink")

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


def headline(diagnosis: Diagnosis) -> str:
    """The verdict in a line: its kind and the cause, which for a run without a fault are one."""
    if diagnosis.verdict == "can't tell":
        return "Cannot tell"
    kind, cause = diagnosis.findings[0].kind, diagnosis.verdict.removeprefix("expected: ")
    return f"{HEADLINES[kind]}: {cause}" if kind in HEADLINES and kind != cause else cause.capitalize()


def verdict(diagnosis: Diagnosis) -> str:
    """What is at work, in words, as HTML: the first finding, the others, and what is not known."""
    first, *others = diagnosis.findings or [None]
    if first is None:
        head = "<h1>Cannot tell</h1><p>No test spoke: neither for a known fault nor for a healthy run.</p>"
    else:
        head = f"<h1>{escape(headline(diagnosis))}</h1>{_finding(first)}"
    more = "".join(
        f"<p><b>Also: {escape(f.cause)}.</b> {_sentence(f.because)} {escape(f.fix)}</p>" for f in others
    )
    if diagnosis.missing:
        items = "".join(f"<li>{escape(line)}</li>" for line in diagnosis.missing)
        summary = f"<summary>Not tested: {len(diagnosis.missing)} causes</summary>"
        more += f"<details>{summary}<ul>{items}</ul></details>"
    return f'<section class="dpoq-verdicts">{head}{more}</section>'


def _sentence(text: str) -> str:
    return escape(f"{text[:1].upper()}{text[1:]}.")


def _finding(found: Finding) -> str:
    return (
        f"<p><b>{found.sure.capitalize()}.</b> {_sentence(found.because)}</p>"
        f"<p><b>What to do.</b> {escape(found.fix)} Lesson {escape(found.lesson)} shows why.</p>"
    )


def verdict_lines(diagnosis: Diagnosis) -> list[str]:
    """The same for a terminal."""
    if not diagnosis.findings:
        lines = ["can't tell: no test spoke, neither for a known fault nor for a healthy run"]
    else:
        words = ["verdict" if f.cause == diagnosis.verdict else "also" for f in diagnosis.findings]
        lines = [
            f"{word}: {f.cause} ({f.sure}): {f.because}\n  {f.fix} (lesson {f.lesson})"
            for word, f in zip(words, diagnosis.findings, strict=True)
        ]
    return [*lines, *(f"not tested: {line}" for line in diagnosis.missing)]


def plane(summary: dict, log: Log | None = None) -> Figure:
    """A dot a pair: how far each reply's log pi moved; a cross where the reference's own text went."""
    facts, dots = summary["facts"], summary["plane"]
    right, wrong = ([d for d in dots if (d[0] > d[1]) == good] for good in (True, False))
    series = [
        Series(name, [x for x, _ in some], [None] * len(some), look, "dots", seeds=[[y] for _, y in some])
        for name, some, look in (("ranked right", right, MORE), ("wrong", wrong, LESS))
    ]
    ends = [facts[side] / facts[f"{side}_tokens"] for side in SIDES]
    fell = [-facts[f"{side}_kl"] / facts[f"{side}_tokens"] for side in SIDES]
    series += [
        Series("mean", ends[:1], ends[1:], MEAN, "dots"),
        Series("text of pi_ref", fell[:1], fell[1:], OWN, "dots"),
    ]
    run = []
    if log is not None and (beta := facts["beta"]):
        groups = np.array_split([[r[side] for side in SIDES] for r in log.records], min(len(log.records), 12))
        lengths = [facts[f"{side}_tokens"] for side in SIDES]
        run = [np.mean(group, axis=0) / beta / lengths for group in (groups[0][:1], *groups)]
        series.append(Series("the run", [x for x, _ in run], [y for _, y in run], RUN))
    xs, ys = zip(*dots, ends, fell, *run, strict=True)
    reading = (
        f"Chosen moved by {signed(ends[0])} and rejected by {signed(ends[1])} nats a token; text such as the "
        f"reference writes by {signed(fell[0])} and {signed(fell[1])} at the same places (the cross)."
    )
    return chart(
        series,
        axis("change of log pi(chosen), nats a token", xs, include=[0.0]),
        axis("change of log pi(rejected)", ys, include=[0.0]),
        "The plane of the change of log pi of chosen and rejected replies, a dot a pair",
        reading,
        width=620,
        height=400,
    )


def along(means: dict[str, list[float]]) -> Figure:
    """Mean reward of the tokens at each place of the replies."""
    series = [
        Series(side, range(1, len(means[side]) + 1), means[side], look)
        for side, look in zip(SIDES, (MORE, LESS), strict=True)
    ]
    values = [value for side in SIDES for value in means[side]]
    steepest = min(values, default=0.0)
    side = next((side for side in SIDES if steepest in means[side]), SIDES[0])
    place = means[side].index(steepest) + 1 if steepest in means[side] else 1
    return chart(
        series,
        axis("token of the reply", [1, max(map(len, means.values()))]),
        axis("mean r_hat", values, include=[0.0]),
        "The mean reward at each token of chosen and rejected replies, as far as a tenth of them reach",
        f"The lowest mean reward is {signed(steepest)} nats, at token {place} of the {side} replies.",
        height=300,
    )


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


def sentences(summary: dict) -> list[str]:
    """What the numbers say, a line each, for a terminal."""
    found, falls = summary["pair_accuracy"], summary["falls"]
    keys = {
        "chosen": "chosen_reward_sum_mean",
        "rejected": "rejected_reward_sum_mean",
        "margin": "margin_mean",
    }
    means = ", ".join(f"{side} {summary[key]:+.3f}" for side, key in keys.items())
    less = ", ".join(f"{side} in {share['share']:.0%} of pairs" for side, share in falls.items())
    return [
        f"pair accuracy {_accuracy(found)}",
        f"summed reward: {means}",
        f"less likely than under the reference: {less}",
        *(f"{summary[name]:.4f} nats: {assumes}" for name, assumes in summary["kl_assumes"].items()),
        *filter(None, [truncated_line(summary), not_scored_line(summary["not_scored"])]),
    ]


def summary_line(summary: dict) -> str:
    """What was scored."""
    models = f"policy {summary['policy']}, reference {summary['reference']}"
    return f"{models}, pairs {summary['source']}, beta {summary['beta']:g}"


def _accuracy(found: dict) -> str:
    low, high = found["interval_95"]
    return f"{found['accuracy']:.3f} ({low:.3f} to {high:.3f}, {found['pairs']} pairs)"


def numbers_table(summary: dict) -> Table:
    """The numbers of all pairs, each with its meaning."""
    facts, falls = summary["facts"], summary["falls"]
    rows = [
        ("pairs ranked right", _accuracy(summary["pair_accuracy"])),
        ("ranked right by likelihood alone", _accuracy(summary["pair_accuracy_by_likelihood"])),
        ("reward of chosen", signed(summary["chosen_reward_sum_mean"])),
        ("reward of rejected", signed(summary["rejected_reward_sum_mean"])),
        ("margin", signed(summary["margin_mean"])),
        *((f"{side} less likely", f"{falls[side]['share']:.0%}") for side in falls),
        ("KL(pi_ref || pi) a token", f"{summary['kl_ref_pi_token_mean']:.4f}"),
        ("KL(pi || pi_ref) a token", f"{summary['kl_pi_ref_token_mean']:.4f}"),
        ("k", f"{facts['k']:.2f}" if "k" in facts else "none"),
        ("reference prefers chosen", f"{facts['reference_prefers_chosen']:.0%}"),
        ("replies differ in", f"{facts['changed']:.0%} of tokens"),
    ]
    return Table([("number", "value"), *rows], meanings=MEANINGS | _kl_meanings(summary))


def _kl_meanings(summary: dict) -> dict[str, str]:
    names = {
        "kl_ref_pi_token_mean": "KL(pi_ref || pi) a token",
        "kl_pi_ref_token_mean": "KL(pi || pi_ref) a token",
    }
    return {names[key]: f"In nats. {text}." for key, text in summary["kl_assumes"].items()}


MEANINGS = {
    "pairs ranked right": "How often the chosen reply has the larger summed reward, with the 95% interval.",
    "ranked right by likelihood alone": "The same by log pi of the policy, without the reference.",
    "reward of chosen": "beta log pi/pi_ref, summed over a chosen reply, averaged over pairs, in nats.",
    "reward of rejected": "The same of the rejected replies.",
    "margin": "Reward of chosen less reward of rejected.",
    "chosen less likely": "How often the policy finds the chosen reply less likely than the reference does.",
    "rejected less likely": "The same for the rejected reply.",
    "both less likely": "The share of pairs of which both replies fell.",
    "k": "The fall of the chosen replies as a share of the KL at their own tokens. Near 1: they fell as the "
    "reference's own text must.",
    "reference prefers chosen": "How often the chosen reply is the likelier a token under the reference.",
    "replies differ in": "The mean share of tokens that the two replies of a pair do not have in common.",
    "shared start": "The reward of tokens before the first at which the two replies differ.",
    "changed": "The reward of tokens that the other reply of the pair does not have.",
    "shared later": "The reward of later tokens that both replies have.",
    "end": "The reward of EOS and of what the template writes at the end of a turn.",
    "log pi/pi_ref": "In nats: 0.69 is twice as likely, -0.69 half as likely as under the reference.",
    "AUROC (95%)": "The chance that a bad token is more suspicious than a good one; 0.5 is a guess.",
    "precision at 1 (95%)": "How often the most suspicious token of a reply is a bad one.",
    "-r": "The detector is the negative reward.",
}


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
    head = ("actions", "side", "replies", *PARTS)
    return Table([head, *rows], left=2, caption=caption, meanings=MEANINGS)


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
    return Table(
        [head, *rows], left=3, caption="The steepest tokens, one a reply (pi_ref, pi)", meanings=MEANINGS
    )


def _moved(moved: list) -> str:
    return ", ".join(f"{visible(token)} ({pi_ref:.2g} \u2192 {pi:.2g})" for token, pi_ref, pi in moved[:2])


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


def credit_table(credit: dict) -> Table:
    """Each truth and detector with AUROC and precision at 1, the two with their 95% intervals."""
    head, caption = ("truth", "detector", "AUROC (95%)", "precision at 1 (95%)"), "Credit assignment over "
    rows = [head, *credit_rows(credit)]
    return Table(rows, left=2, caption=f"{caption}{credit['pairs']} pairs", meanings=MEANINGS | TRUTHS)

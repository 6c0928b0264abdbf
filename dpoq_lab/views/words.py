"""Conversations drawn word by word with what each was paid, and how often a policy does one thing."""

from collections.abc import Mapping, Sequence

from dpoq_lab.views.charts import LETTER, bar, exact_ticks, label, line
from dpoq_lab.views.token_view import colour_share, signed

Word = tuple[str, float | None]  # a word and its r_hat; None: an observation, not scored
SEEN = "not scored"
LEFT, WIDE, ROW, CELL, HIGH, LIMIT = 184, 420, 34, 96, 46, 2.0  # pixels; LIMIT in nats


def share_bars(
    rates: Mapping[str, float],
    notes: Mapping[str, str],
    written: float,
    y: float,
    exact: Sequence[float] = (),
    left: float = LEFT,
) -> str:
    """A bar a policy for how often it does something, with a note; a line at the reference's `written`, and
    on every bar the ticks of one or two `exact` shares. Names end where the bars begin, at `left`."""
    parts = []
    for k, (name, rate) in enumerate(rates.items()):
        top = y + k * ROW
        parts.append(label(left - 10, top + 17, name, "end", "word"))
        parts.append(bar(left, top + 3, WIDE * rate, 18, "ink" if name == "optimum" else "more"))
        ticks, said = [left + WIDE * share for share in exact], f"{rate:.2f}{notes.get(name, '')}"
        parts.append(exact_ticks(ticks, top + 12))
        at = left + WIDE * max(rate, written) + 10
        for tick in sorted(ticks):  # one that would stand in the text
            at = max(at, tick + 10) if tick < at + LETTER * len(said) + 4 else at
        parts.append(label(at, top + 17, said))
    bottom, x = y + len(rates) * ROW, left + WIDE * written
    parts.append(line(x, y - 4, x, bottom, "dpoq-zero"))
    parts.append(label(x, bottom + 13, f"pi_ref {written:.2f}", "middle", "small quiet"))
    return "".join(parts)


def word_row(
    name: str, parts: Sequence[Sequence[Word]], y: float, notes: Mapping[str, str] | None = None
) -> str:
    """A row of words with their r_hat: runs of words with a gap between them, the first under `name`; an
    observation has a note of its own, or says that it is not scored."""
    drawn, x = [label(LEFT - 10, y + 28, name, "end", "word")], float(LEFT)
    for run in parts:
        for word, r_hat in run:
            drawn.append(_cell(word, r_hat, (notes or {}).get(word, SEEN), x, y))
            x += CELL + 4
        x += 20
    return "".join(drawn)


def _cell(word: str, r_hat: float | None, note: str, x: float, y: float) -> str:
    """A word in a box: blue or orange by its r_hat, or grey and dotted with its note."""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{CELL}" height="{HIGH}"'
    if r_hat is None:
        box = f'<rect class="grey" fill="none" stroke-dasharray="2 3" {place}/>'
        return box + label(x + CELL / 2, y + 20, word, "middle") + _under(note, x, y, "quiet")
    colour, share = "less" if r_hat < 0 else "more", abs(colour_share(r_hat, LIMIT))
    box = f'<rect class="fill {colour}" fill-opacity="{0.45 * share:.2f}" {place}/>'
    return box + label(x + CELL / 2, y + 20, word, "middle", "word") + _under(signed(r_hat), x, y, "")


def _under(text: str, x: float, y: float, kind: str) -> str:
    return label(x + CELL / 2, y + 38, text, "middle", f"small {kind}")

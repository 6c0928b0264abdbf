"""Tokens and their numbers as escaped, self-contained HTML.

Model text is data: it is escaped here and nowhere else is HTML made of it. The scale is centred on
0 with fixed limits, blue above and orange below; the number stands under each token with its sign,
so colour is never the only carrier.
"""

from dataclasses import dataclass
from html import escape
from pathlib import Path

from dpoq_lab.views.theme import box

_LINES = Path(__file__).with_name("strip.js").read_text(encoding="utf-8").splitlines()
_ACT = escape("\n".join(line for line in _LINES if not line.startswith("//")), quote=True)
_LARGER = escape(  # and what was pressed stays where it was, whatever scrolls
    "const y = this.getBoundingClientRect().top; document.body.classList.toggle('dpoq-large');"
    " for (let e = this.parentElement; e; e = e.parentElement)"
    " e.scrollTop += this.getBoundingClientRect().top - y",
    quote=True,
)


@dataclass(frozen=True)
class Cell:
    """How one token is shown: visible text, its number, how far its colour goes, -1 (orange) to 1 (blue), and
    whether it is a marked flaw; `seen` if it was not an action."""

    text: str
    value: str
    share: float
    flaw: bool = False
    seen: bool = False

    @property
    def name(self) -> str:
        """What a screen reader says."""
        kind = ", read, not the policy's own" if self.seen else ", a marked flaw" if self.flaw else ""
        return f"{self.text} {self.value}{kind}".strip()


def cells(
    tokens: list[str],
    values: list[float],
    limit: float,
    flaws: list[bool] | None = None,
    actions: list[bool] | None = None,
) -> list[Cell]:
    """One cell a token; `values` beyond +-`limit` take the end colours. limit > 0.

    What is not an action was another's or the template's: grey, without a number.
    """
    flaws, actions = flaws or [False] * len(tokens), actions or [True] * len(tokens)
    return [
        Cell(visible(token), signed(value), colour_share(value, limit), flaw)
        if action
        else Cell(visible(token), "", 0.0, seen=True)
        for token, value, flaw, action in zip(tokens, values, flaws, actions, strict=True)
    ]


def heat_map(
    tokens: list[str],
    values: list[float],
    limit: float,
    caption: str = "",
    flaws: list[bool] | None = None,
    actions: list[bool] | None = None,
) -> str:
    """One response as a strip of coloured tokens with their numbers; a wavy underline marks a known flaw.

    What the policy did not choose is grey, in a dotted frame, and has no number.
    """
    title = f'<div class="dpoq-caption">{escape(caption)}</div>' if caption else ""
    name = f"{caption}: {len(tokens)} tokens, sum {signed(sum(values))}"
    return box(title + strip(cells(tokens, values, limit, flaws, actions), name))


def strip(shown: list[Cell], name: str, selected: int = -1) -> str:
    """The tokens as a list to walk through, by click, Tab and arrow keys; it needs the theme's style."""
    tokens = "".join(_token(cell, i == selected, i == max(selected, 0)) for i, cell in enumerate(shown))
    return (
        f'<div class="dpoq-strip" role="listbox" aria-label="{escape(name, quote=True)}" '
        f'aria-orientation="horizontal" data-lm-suppress-shortcuts="true" '
        f'onclick="{_ACT}" onkeydown="this.onclick(event)">{tokens}</div>'
    )


def _token(cell: Cell, selected: bool, reached: bool) -> str:
    kind = "seen" if cell.seen else "more" if cell.share > 0 else "less"
    return (
        f'<span class="dpoq-token {kind}{" flaw" if cell.flaw else ""}" role="option" '
        f'aria-selected="{str(selected).lower()}" aria-label="{escape(cell.name, quote=True)}" '
        f'tabindex="{0 if reached else -1}" style="--share:{abs(cell.share):.0%}">'
        f'<span class="t">{escape(cell.text)}</span><span class="v">{cell.value}</span></span>'
    )


R_HAT = "r_hat = beta log pi/pi_ref, nats"


def legend(limit: float, quantity: str = R_HAT) -> str:
    """The colour scale, and the switch to the size for presenting: once, before the strips."""
    low, high = signed(-limit), signed(limit)
    switch = f'<button type="button" class="dpoq-size" onclick="{_LARGER}">larger, smaller</button>'
    return box(f'{low} <span class="dpoq-scale"></span> {high} &nbsp; {escape(quantity)}{switch}')


def visible(token: str) -> str:
    """A token's text with its white space shown: space as a middle dot, newline as a bent arrow."""
    marks = {" ": "\u00b7", "\n": "\u21b5", "\t": "\u21e5", "\r": "\u240d", "\u00a0": "\u237d"}
    shown = "".join(marks.get(c, c if c.isprintable() else f"\\x{ord(c):02x}") for c in token)
    return shown or "\u2205"


def signed(value: float) -> str:
    """A number with two decimals and always a sign; zero is +0.00."""
    rounded = round(value, 2)
    sign = "\u2212" if rounded < 0 else "+"
    return f"{sign}{abs(rounded):.2f}"


def exact(value: float) -> str:
    """`signed`, with two digits of what would round to zero: a margin of -0.002 is not +0.00."""
    if value == 0 or not abs(value) < 0.005:
        return signed(value)
    return ("\u2212" if value < 0 else "+") + f"{abs(value):.2g}"


def colour_share(value: float, limit: float) -> float:
    """Where a value's colour lies: -1 up to -limit, 0 at 0, 1 from limit on. ValueError: limit <= 0."""
    if not limit > 0:
        raise ValueError(f"the limit of a colour scale must be above 0, not {limit}")
    return max(-1.0, min(value / limit, 1.0)) if value == value else 0.0

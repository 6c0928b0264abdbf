"""Tokens and their numbers as escaped, self-contained HTML.

Model text is data: it is escaped here and nowhere else is HTML made of it. The scale is centred on
0 with fixed limits, blue above and orange below; the number stands under each token with its sign,
so colour is never the only carrier.
"""

from dataclasses import dataclass
from html import escape

from dpoq_lab.preferences import Message

BLUE, ORANGE, WHITE = (67, 147, 195), (224, 130, 20), (255, 255, 255)  # dark text is legible on all
GREY = "rgb(225,225,225)"
STYLE = """<style>
.dpoq-map{background:#fff;color:#111;font-family:system-ui,sans-serif;line-height:1.2;padding:.3em 0}
.dpoq-map .caption{margin:.2em 0;font-weight:600}
.dpoq-token{display:inline-block;vertical-align:top;text-align:center;margin:1px;padding:2px 3px;
border-radius:3px;max-width:100%}
.dpoq-token .t{display:block;font-family:ui-monospace,monospace;white-space:pre-wrap;
overflow-wrap:anywhere;min-height:1.2em;padding-bottom:.2em}
.dpoq-token .v{display:block;font-size:.72em}
.dpoq-token.flaw .t{text-decoration:underline wavy}
.dpoq-token.seen{outline:1px dotted #555}
.dpoq-scale{display:inline-block;width:14em;height:.8em;vertical-align:middle;
background:linear-gradient(to right,rgb(224,130,20),#fff,rgb(67,147,195))}
</style>"""


@dataclass(frozen=True)
class Cell:
    """How one token is shown: visible text, number, background, flaw mark; `seen` if it was not an action."""

    text: str
    value: str
    background: str
    flaw: bool = False
    seen: bool = False


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
        Cell(visible(token), signed(value), background(value, limit), flaw)
        if action
        else Cell(visible(token), "", GREY, seen=True)
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
    """One response as coloured tokens with their numbers; a wavy underline marks a known flaw.

    What the policy did not choose is grey, in a dotted frame, and has no number.
    """
    spans = "".join(_span(cell) for cell in cells(tokens, values, limit, flaws, actions))
    title = f'<div class="caption">{escape(caption)}</div>' if caption else ""
    label = escape(f"{caption}: {len(tokens)} tokens, sum {signed(sum(values))}", quote=True)
    return f'<div class="dpoq-map" role="group" aria-label="{label}">{title}{spans}</div>'


def legend(limit: float, quantity: str = "r = beta log pi/pi_ref, nats") -> str:
    """The colour scale with its limits, and the style of every map on its page: show it once before them."""
    low, high = signed(-limit), signed(limit)
    bar = '<span class="dpoq-scale"></span>'
    return f'{STYLE}<div class="dpoq-map">{low} {bar} {high} &nbsp; {escape(quantity)}</div>'


def _span(cell: Cell) -> str:
    kind = " flaw" if cell.flaw else " seen" if cell.seen else ""
    title = {" flaw": "a marked flaw", " seen": "not the policy's own"}.get(kind)
    hint = f' title="{title}"' if title else ""
    return (
        f'<span class="dpoq-token{kind}"{hint} style="background:{cell.background}">'
        f'<span class="t">{escape(cell.text)}</span><span class="v">{cell.value}</span></span>'
    )


def visible(token: str) -> str:
    """A token's text with its white space shown: space as a middle dot, newline as a bent arrow."""
    marks = {" ": "\u00b7", "\n": "\u21b5", "\t": "\u21e5", "\r": "\u240d", "\u00a0": "\u237d"}
    shown = "".join(marks.get(c, c if c.isprintable() else f"\\x{ord(c):02x}") for c in token)
    return shown or "\u2205"


def signed(value: float) -> str:
    """A number with two decimals and always a sign; zero is +0.00."""
    rounded = round(value, 2) + 0.0
    sign = "\u2212" if rounded < 0 else "+"
    return f"{sign}{abs(rounded):.2f}"


def background(value: float, limit: float) -> str:
    """White at 0, blue at +limit, orange at -limit, clipped; as a CSS colour."""
    end = BLUE if value >= 0 else ORANGE
    share = _share(value, limit)
    mixed = (round(w + share * (e - w)) for w, e in zip(WHITE, end, strict=True))
    return "rgb({},{},{})".format(*mixed)


def _share(value: float, limit: float) -> float:
    if not limit > 0:
        raise ValueError(f"the limit of a colour scale must be above 0, not {limit}")
    return min(abs(value) / limit, 1.0) if value == value else 0.0


def who_said_what(messages: str | list[Message]) -> str:
    """Text as it is; of messages a line each: who, the words, and the calls of tools."""
    if isinstance(messages, str):
        return messages
    return "\n".join(" ".join(map(str, _parts(message))) for message in messages)


def _parts(message: Message) -> list:
    calls = [call.get("function", call) for call in message.get("tool_calls") or ()]
    return [f"{message['role']}:", *filter(None, [message["content"]]), *calls]

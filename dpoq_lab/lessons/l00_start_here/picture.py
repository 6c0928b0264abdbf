"""Lesson 00's picture: a pair that the model ranks right, then one that it ranks wrong, word by word."""

from collections.abc import Sequence

from dpoq_lab.lessons.opening import course_records, stored_run
from dpoq_lab.views.charts import LETTER, label
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import colour_share, signed, visible

RIGHT, WRONG = 103, 93  # pairs of the stored run
WIDTH, HIGH, GAP = 980, 46, 4  # pixels
ALT = (
    "A question and its two replies; under each token its r_hat, blue above 0, orange below, flaws underlined"
)


def frames() -> list[Figure]:
    """The pair that is ranked right, then the one that is ranked wrong."""
    return [
        pair_figure(
            RIGHT,
            "Ranked right: the rude end is where the words turn orange, and the sums differ by more than 1.",
        ),
        pair_figure(WRONG, "Ranked wrong: one word is false, and DPO did not learn to mind it."),
    ]


def pair_figure(pair: int, what: str) -> Figure:
    """The prompt, the chosen and the rejected reply of a stored pair; the reading is `what` and the sums."""
    records, summary = stored_run("smollm2-courtesy")
    replies = records[2 * pair : 2 * pair + 2]
    prompt = course_records("held_out")[pair]["instruction"]
    body, top, sums = [label(4, 18, f"Asked: {prompt}", "start", "word")], 50.0, []
    for reply in replies:
        sums.append(sum(reply["reward"]))
        body.append(label(4, top, f"{reply['role']}: sum of r_hat {signed(sums[-1])}"))
        flaws = reply.get("flaws") or [False] * len(reply["tokens"])
        drawn, top = _tokens(reply["tokens"], reply["reward"], flaws, top + 10, 2.5 * summary["beta"])
        body += [drawn]
        top += 34
    reading = f"{what} Chosen {signed(sums[0])}, rejected {signed(sums[1])}."
    return Figure("".join(body), WIDTH, top - 20, ALT, reading, {"prompt": prompt, "sums": sums})


def _tokens(
    tokens: Sequence[str], rewards: Sequence[float], flaws: Sequence[bool], top: float, limit: float
) -> tuple[str, float]:
    """Boxes with a token and its number, in as many rows as they need, and where the last row ends."""
    parts, x = [], 4.0
    for token, reward, flaw in zip(tokens, rewards, flaws, strict=True):
        text = visible(token)
        width = 12 + LETTER * 1.12 * max(len(text), 5)
        if x + width > WIDTH:
            x, top = 4.0, top + HIGH + GAP
        parts.append(_token(x, top, width, text, reward, flaw, limit))
        x += width + GAP
    return "".join(parts), top + HIGH


def _token(x: float, y: float, width: float, text: str, reward: float, flaw: bool, limit: float) -> str:
    share = colour_share(reward, limit)
    fill = f"fill:var(--dpoq-{'more' if share > 0 else 'less'}-fill);fill-opacity:{abs(share):.2f}"
    box = f'<rect class="dpoq-bar" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{HIGH}" rx="4" '
    wave = f'<path class="dpoq-line ink" d="{_wave(x + 6, y + 24, width - 12)}"/>' if flaw else ""
    middle = x + width / 2
    word = label(middle, y + 18, text, "middle", "word")
    return f'{box}style="{fill}"/>{word}{wave}{label(middle, y + 39, signed(reward), "middle")}'


def _wave(x: float, y: float, width: float) -> str:
    """A wavy line: path data."""
    turns = max(int(width / 8), 1)
    return f"M{x:.1f} {y:.1f}" + f"q{width / turns / 2:.2f} -4 {width / turns:.2f} 0" * turns

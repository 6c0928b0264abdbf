"""Lesson 05's picture: one held-out order note, written again while DPO trains, and the mean of a hundred."""

import math

from dpoq_lab.lessons.study import stored_record
from dpoq_lab.order_notes.language import order_of
from dpoq_lab.views.charts import INK, MORE, Axis, Series, chart, label
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed

WIDTH, ACROSS, CELL, LINE = 1010, 9, 111, 50  # pixels but for ACROSS, the words in a line
TOP = 62
ALT = (
    "A note, word by word: right facts in a blue frame with a tick, wrong ones in an orange dashed frame "
    "with a cross, probability and r_hat under each word; below, by step, its true score and the mean of all"
)


def frames() -> list[Figure]:
    """The note by SFT, and after more and more steps of DPO, from the stored record."""
    record = stored_record("order-notes-writing", "writing")
    return [note_figure(record, k) for k in range(len(record["note"]))]


def note_figure(record: dict, k: int) -> Figure:
    """The k-th writing of the note of a record of `dpoq-lab study writing`; `data` has it."""
    note, scores, n = record["note"][k], record["scores"][0][k], record["prompts"]
    lines = -(-len(record["note"][0]["r_hat"]) // ACROSS)
    below = TOP + lines * LINE
    facts = " \u00b7 ".join(f"{fact} {value}" for fact, value in order_of(record["prompt"]).items())
    when = f"DPO, step {note['step']}" if note["step"] else "SFT, before DPO"
    curve = score_chart(record, k)
    body = [
        label(4, 16, f"The order: {facts}", "start", "quiet"),
        label(4, 44, f"{when}: true score {note['R']} of 6", "start", "word"),
        label(WIDTH - 4, 44, "under a word: its probability, and r\u0302 in nats", "end", "quiet"),
        *(word_cell(note, i) for i in range(len(note["r_hat"]))),
        f'<g transform="translate(0,{below})">{curve.body}</g>',
    ]
    wrong = [word for word, r in zip(note["words"], note["r"], strict=True) if r < 0]
    named = f"wrong: {', '.join(wrong)}" if wrong else "nothing is wrong"
    against = f"{scores['better']} are better than SFT's, {scores['worse']} worse"
    reading = f"{when}: {named}. Of {n} notes {against}; their mean true score is {scores['mean']:.2f}."
    return Figure("".join(body), WIDTH, below + curve.height, ALT, reading, {"note": note, **curve.data})


def word_cell(note: dict, i: int) -> str:
    """The i-th token: its word, marked where it states a fact or is rude, its probability and its r_hat."""
    words = [*note["words"], "\u27e8EOS\u27e9"]
    r = [*note["r"], 0][i]
    x, y = 4 + i % ACROSS * CELL, TOP + i // ACROSS * LINE
    middle = x + CELL / 2
    numbers = f"{math.exp(note['logp'][i]):.2f} \u00b7 {signed(note['r_hat'][i])}"
    number = label(middle, y + 40, numbers, "middle", "small")
    if r == 0:
        return label(middle, y + 20, words[i], "middle", "quiet") + number
    kind, mark, dash = ("more", "\u2713", "") if r > 0 else ("less", "\u2717", ' stroke-dasharray="6 3"')
    place = f'x="{x + 3}" y="{y}" width="{CELL - 8}" height="45" rx="5"'
    frame = f'<rect class="{kind}" {place} fill="none" stroke-width="2.5"{dash}/>'
    return frame + label(middle, y + 20, f"{mark} {words[i]}", "middle", f"word fill {kind}") + number


def score_chart(record: dict, k: int) -> Figure:
    """The true score of this note and the mean of all of them, up to its k-th writing."""
    notes, scores = record["note"], record["scores"]
    steps = [note["step"] for note in notes]
    mean = Series(
        f"mean of {record['prompts']}",
        steps[: k + 1],
        [row["mean"] for row in scores[0][: k + 1]],
        MORE,
        "both",
    )
    this = Series("this note", steps[: k + 1], [note["R"] for note in notes[: k + 1]], INK, "both")
    return chart(
        [mean, this],
        Axis("optimiser step of DPO", -2, steps[-1] + 2),
        Axis("true score", -0.4, 6.4),
        ALT,
        "The true scores.",
        WIDTH,
        172,
    )

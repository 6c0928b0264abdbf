"""Lesson 14's explorer: a run without a label, its plane, curves and facts; the answer after a guess."""

from collections.abc import Mapping
from dataclasses import replace
from html import escape

import ipywidgets as widgets

from dpoq_lab.lessons.l14_your_own_model.four_runs import ANSWERS
from dpoq_lab.lessons.l14_your_own_model.stored import StoredRun
from dpoq_lab.preferences import SIDES
from dpoq_lab.runs.diagnosis import diagnose
from dpoq_lab.runs.facts import Facts
from dpoq_lab.views.controls import WIDE_CHOICE, LiveFigure, Styled, on_change, row
from dpoq_lab.views.curves import pair_curves
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.pair_pictures import plane
from dpoq_lab.views.report import colour_limit
from dpoq_lab.views.tables import Table
from dpoq_lab.views.theme import box
from dpoq_lab.views.token_view import heat_map, legend, signed

NOT_YET = "not yet"
FINE = "healthy, or a fall to be expected"
GUESSES = (
    NOT_YET,
    FINE,
    "policy and reference do not begin alike",
    "too much pressure",
    "labels against the reference",
    "labels without signal",
    "dropout in training",
)
VIEWS = ("plane", "curves")
SHOWN = {  # a fact of a run as people read it
    "loss_start": "loss at step 0 (ln 2 is 0.693)",
    "chosen_start": "step 0: log-ratio of chosen, nats a reply",
    "rejected_start": "step 0: log-ratio of rejected",
    "chosen_end": "end: log-ratio of chosen",
    "rejected_end": "end: log-ratio of rejected",
    "accuracy_end": "end: pairs ranked right",
    "loss_end": "end: loss",
    "chosen": "48 pairs scored: log-ratio of chosen",
    "chosen_kl": "48 pairs scored: summed KL(pi_ref || pi) on chosen",
    "k": "k",
    "reference_prefers_chosen": "reference prefers chosen, token for token, in",
    "chosen_logged": "log pi_ref of chosen, as logged",
    "chosen_rescored": "log pi_ref of chosen, scored again",
}
SIGNED = (
    *("chosen_start", "rejected_start", "chosen_end", "rejected_end", "chosen", "k"),
    *("chosen_logged", "chosen_rescored"),
)


class RunExplorer(Styled):
    """Choose a run and what is drawn of it, read its facts and pairs, then guess: that opens the answer.

    `picture` is the plane or the curves, `opened` holds the letters whose answer was shown.
    """

    def __init__(self, runs: Mapping[str, StoredRun]) -> None:
        self._runs, self._guesses = runs, dict.fromkeys(runs, NOT_YET)
        self.run = widgets.Dropdown(options=list(runs), description="run")
        self.view = widgets.Dropdown(options=VIEWS, description="show")
        wide = {"layout": {"width": "24em", "max_width": "98%"}, "style": {"description_width": "initial"}}
        self.guess = widgets.Dropdown(options=GUESSES, description="your guess", **wide)
        numbers = range(len(next(iter(runs.values())).rows))
        self.pair = widgets.Dropdown(options=numbers, description="pair", layout=WIDE_CHOICE)
        self.picture, self.facts, self.replies = LiveFigure(), widgets.HTML(), widgets.HTML()
        on_change([self.run], self._turn)
        on_change([self.view, self.guess, self.pair], self._render)
        controls = row(self.run, self.view, self.guess)
        super().__init__([controls, self.picture, self.facts, self.pair, self.replies])
        self._render()

    @property
    def opened(self) -> list[str]:
        """The letters for which a guess was made."""
        return [letter for letter, guess in self._guesses.items() if guess != NOT_YET]

    def _turn(self) -> None:
        """Another run, with the guess that it had."""
        guess = self._guesses[self.run.value]
        if guess == self.guess.value:
            self._render()
        else:
            self.guess.value = guess

    def _render(self) -> None:
        run = self._runs[self.run.value]
        self._guesses[run.letter] = self.guess.value
        figure = plane(run.summary, run.log) if self.view.value == "plane" else _curves(run)
        if self.guess.value != NOT_YET:
            figure = replace(figure, reading=f"{answer(run)} {figure.reading}")
        self.picture.draw(figure)
        self.facts.value = facts_table(run.facts).html()
        self.replies.value = _pair(run, self.pair.value)


def _pair(run: StoredRun, number: int) -> str:
    """The prompt of a pair and the strips of both replies, on a scale of the run's own, as HTML."""
    row, beta = run.rows[number], run.beta
    limit = colour_limit([scores for some in run.rows for scores in some.sides], beta)
    strips = "".join(
        heat_map(
            s.response.tokens, s.rewards(beta), limit, f"{side}: sum of r_hat {signed(sum(s.rewards(beta)))}"
        )
        for side, s in zip(SIDES, row.sides, strict=True)
    )
    return legend(limit) + box(f'<div class="dpoq-prompt">{escape(row.prompt)}</div>') + strips


def _curves(run: StoredRun) -> Figure:
    changes = {side: [value / run.beta for value in run.log.column(side)] for side in SIDES}
    steps = [int(record["step"]) - 1 for record in run.log.records]
    return pair_curves("log-ratio, nats a reply", changes["chosen"], changes["rejected"], steps)


def facts_table(facts: Facts) -> Table:
    """The facts of a run that tell causes apart."""
    rows = [
        (told, signed(facts[name]) if name in SIGNED else f"{facts[name]:.3f}")
        for name, told in SHOWN.items()
        if name in facts
    ]
    return Table([("fact", "value"), *rows])


def answer(run: StoredRun) -> str:
    """What was planted in a run, and what the diagnosis says of it."""
    return (
        f"Planted in {run.letter}: {ANSWERS[run.letter].about}. The diagnosis: {diagnose(run.facts).verdict}."
    )


def needs_no_mending(explorer: RunExplorer) -> str | None:
    """The run in which nothing was planted; None until its answer was opened."""
    fine = next(letter for letter in ANSWERS if ANSWERS[letter].fine)
    return f"run {fine}" if fine in explorer.opened and explorer.run.value == fine else None

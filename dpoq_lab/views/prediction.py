"""A prediction: the student commits to an answer, and the explorer shows how it fared."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets

from dpoq_lab.views.controls import Styled
from dpoq_lab.views.theme import box


class Prediction(Styled):
    """A `question` with `options`, one of which is to be chosen before the explorer is touched.

    `judge_by` gives `verdict`, a line, to an explorer. The first outcome that it shows after a choice settles
    the matter: then the choice is closed.
    """

    def __init__(self, question: str, options: Sequence[str]) -> None:
        look = {"style": {"button_width": "auto"}, "layout": {"width": "auto"}}
        self.choice = widgets.ToggleButtons(options=list(options), value=None, **look)
        self.verdict = widgets.HTML()
        self._outcome: Callable[[], str | None] = lambda: None
        self.choice.observe(lambda _: self._look(), "value")
        asked = widgets.HTML(box(f"<strong>Predict first.</strong> {escape(question)}", "dpoq-question"))
        super().__init__([asked, self.choice])
        self._look()

    def judge_by(self, explorer: Any, outcome: Callable[[Any], str | None]) -> None:
        """Put the verdict above the explorer's picture, and look again whenever `explorer.picture` changes.

        `outcome(explorer)` is the option that turned out right, None until the explorer shows it.
        """
        self._outcome = lambda: outcome(explorer)
        at = explorer.children.index(explorer.picture)
        explorer.children = (*explorer.children[:at], self.verdict, *explorer.children[at:])
        explorer.picture.observe(lambda _: self._look(), "value")

    def _look(self) -> None:
        if not self.choice.disabled:
            self.verdict.value = box(escape(self._line(self.choice.value, self._outcome())), "dpoq-verdict")

    def _line(self, chosen: str | None, outcome: str | None) -> str:
        """How the prediction fares; a choice that meets an outcome is closed."""
        if chosen is None:
            return "You have not predicted yet."
        if outcome is None:
            return f"You predicted: {chosen}. Now try it."
        self.choice.disabled = True
        return f"You predicted: {chosen}. " + (
            "You were right." if chosen == outcome else f"It is: {outcome}."
        )

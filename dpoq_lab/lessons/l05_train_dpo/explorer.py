"""Lesson 05's explorer: what DPO's loss does to one pair."""

import numpy as np

from dpoq_lab.lessons.l05_train_dpo.figures import PUSH, dpo_loss_figure
from dpoq_lab.views.controls import LiveFigure, Styled, on_change, row, slider

ASKED = 0.5, 10.0  # the beta and the d that the lesson asks for


class LossExplorer(Styled):
    """-log sigma(beta d) and how hard it pushes, for the log-ratio difference d of one pair.

    `opening` is the push by d, nats, at the beta that it opens with.
    """

    def __init__(self, beta: float = 0.1) -> None:
        self.beta = slider("beta", beta, 0.02, 1.0, 0.02)
        self.difference = slider("d (nats)", 0.0, -20.0, 20.0, 0.5)
        self.picture = LiveFigure()
        on_change((self.beta, self.difference), self._render)
        super().__init__([row(self.beta, self.difference), self.picture])
        self._render()
        self.opening = self.pushes()

    def pushes(self) -> dict[float, float]:
        """The push that is drawn, by d."""
        drawn = self.picture.data[PUSH]
        return {round(d, 1): push for d, push in zip(drawn.x, drawn.y, strict=True)}

    def _render(self) -> None:
        self.picture.draw(dpo_loss_figure(self.beta.value, self.difference.value))


def push_changed(explorer: LossExplorer) -> str | None:
    """What a larger beta, 0.5, does to the push at d = +10; None until the explorer stands there."""
    if not np.allclose((explorer.beta.value, explorer.difference.value), ASKED):
        return None
    ratio = explorer.pushes()[ASKED[1]] / explorer.opening[ASKED[1]]
    if ratio < 1:
        return "smaller"
    return "larger, but less than five times" if ratio < 4.75 else "five times as large or more"

"""Lesson 05's explorer: what DPO's loss does to one pair."""

from dpoq_lab.lessons.l05_train_dpo.figures import dpo_loss_figure
from dpoq_lab.views.controls import LiveFigure, Styled, on_change, row, slider


class LossExplorer(Styled):
    """-log sigma(beta d) and how hard it pushes, for the log-ratio difference d of one pair."""

    def __init__(self) -> None:
        self.beta = slider("beta", 0.1, 0.02, 1.0, 0.02)
        self.difference = slider("d (nats)", 0.0, -20.0, 20.0, 0.5)
        self.picture = LiveFigure()
        on_change((self.beta, self.difference), self._render)
        super().__init__([row(self.beta, self.difference), self.picture])
        self._render()

    def _render(self) -> None:
        self.picture.draw(dpo_loss_figure(self.beta.value, self.difference.value))

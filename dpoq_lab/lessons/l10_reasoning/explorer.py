"""Lesson 10's explorer: break steps, mend steps, and watch the outlook and the blame move."""

import ipywidgets as widgets

from dpoq_lab.lessons.l10_reasoning.picture import chain_figure
from dpoq_lab.lessons.l10_reasoning.theory import STEPS, credit, share_found
from dpoq_lab.views.controls import LiveFigure, Styled, on_change, row, slider


class ChainExplorer(Styled):
    """A chain of three steps: which are wrong, how often pi_ref slips, and how often it mends."""

    def __init__(self) -> None:
        self.steps = [
            widgets.ToggleButton(value=True, description=f"step {k + 1}: wrong", layout={"width": "9em"})
            for k in range(STEPS)
        ]
        self.repair = slider("repair", 0.02, 0.01, 0.6, 0.01)
        self.slip = slider("slip", 0.1, 0.01, 0.6, 0.01)
        self.picture = LiveFigure()
        on_change([*self.steps, self.repair, self.slip], self._render)
        super().__init__([row(*self.steps), row(self.repair, self.slip), self.picture])
        self._render()

    def _render(self) -> None:
        for k, step in enumerate(self.steps):
            step.description = f"step {k + 1}: {'wrong' if step.value else 'right'}"
        steps = tuple(int(step.value) for step in self.steps)
        self.picture.draw(chain_figure(self.repair.value, steps, self.slip.value))


def share_at_much_repair(explorer: ChainExplorer) -> str | None:
    """How often the breaking step is blamed most once repair is 0.30 or more at slip 0.10; None before."""
    if explorer.repair.value < 0.295 or explorer.slip.value != 0.1:
        return None
    share = share_found(*credit(explorer.repair.value, explorer.slip.value))
    return "nearly always" if share > 0.9 else "in most of them" if share > 0.5 else "in less than half"

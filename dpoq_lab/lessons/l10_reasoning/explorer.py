"""Lesson 10's explorers: break steps, mend steps, and watch the outlook and the blame move."""

from collections.abc import Sequence

import ipywidgets as widgets
import numpy as np
from transformers import PreTrainedModel

from dpoq_lab.lessons.l10_reasoning.figures import outlook_figure
from dpoq_lab.lessons.l10_reasoning.picture import chain_figure
from dpoq_lab.lessons.l10_reasoning.recipe import BETA, PAY
from dpoq_lab.lessons.l10_reasoning.study import blamed, by_step
from dpoq_lab.lessons.l10_reasoning.theory import STEPS, credit, share_found
from dpoq_lab.lessons.l10_reasoning.walk import RING, Walk, is_right, outlook, wrong_steps
from dpoq_lab.views.controls import WIDE_CHOICE, LiveFigure, Styled, on_change, row, slider, stands_at


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


def share_at_half_repair(explorer: ChainExplorer) -> str | None:
    """What the share of breaking steps that are blamed does from repair 0.11 to 0.50 or more at slip 0.10."""
    if explorer.repair.value < 0.495 or not stands_at(explorer.slip, 0.1):
        return None
    before, now = (share_found(*credit(repair)) for repair in (0.11, explorer.repair.value))
    if abs(now - before) < 0.05:
        return "stays near 0.34"
    return "rises again" if now > before else "falls further"


class WalkExplorer(Styled):
    """A walk whose places you state, scored by a trained policy: exact A* above its r_hat, step by step.

    `policies` has the base under "base"; a place is right, one too far, or off by five.
    """

    def __init__(self, policies: dict[str, PreTrainedModel], walks: Sequence[Walk]) -> None:
        self._policies, self._walks = policies, walks
        prompts = [(walk.prompt, i) for i, walk in enumerate(walks)]
        self.walk = widgets.Dropdown(options=prompts, description="walk", layout=WIDE_CHOICE)
        names = [name for name in policies if name != "base"]
        self.policy = widgets.Dropdown(options=names, description="policy")
        offs = [("right", 0), ("one too far", 1), ("five off", 5)]
        self.steps = [
            widgets.Dropdown(options=offs, description=f"step {k + 1}", layout={"width": "16em"})
            for k in range(len(walks[0].moves))
        ]
        self.picture = LiveFigure()
        self.steps[1].value = 1
        on_change([self.walk, self.policy, *self.steps], self._render)
        super().__init__([row(self.walk, self.policy), row(*self.steps), self.picture])
        self._render()

    def _render(self) -> None:
        walk = self._walks[self.walk.value]
        places = walked(walk, [step.value for step in self.steps])
        reply = in_words(walk, places)
        blame = blamed(self._policies[self.policy.value], self._policies["base"], [(walk, reply)])["-r_hat"]
        self.r_hat = -by_step(blame)[0]
        line = outlook(walk, places, PAY, BETA)
        self.A = np.diff(line)
        ends = "right" if is_right(walk, reply) else "wrong"
        reading = f"{reply}: the answer is {ends}. Exact A* blames {_most(self.A)}, "
        reading += f"{self.policy.value} {_most(self.r_hat)}."
        rows = {"A*": self.A, "r_hat": self.r_hat}
        wrong = wrong_steps(walk, places)
        alt = "A staircase: the outlook before each step of a walk; below it A* and r_hat of each step"
        self.picture.draw(outlook_figure(walk.moves, wrong, line, rows, (-0.3, 3.3), alt, reading))


def _most(credit: np.ndarray) -> str:
    """Which step is blamed most, in words; a credit above 0 is no blame."""
    return f"step {credit.argmin() + 1} most" if credit.min() < 0 else "no step"


def walked(walk: Walk, off: Sequence[int]) -> list[int]:
    """The places of a reply whose steps go `off` too far."""
    at, places = walk.start, []
    for move, slip in zip(walk.moves, off, strict=True):
        at = (at + int(move) + slip) % RING
        places.append(at)
    return places


def in_words(walk: Walk, places: Sequence[int]) -> str:
    """A reply that states these places."""
    steps = [f"then {move} {place} ," for move, place in zip(walk.moves, places, strict=True)]
    return f"{' '.join(steps)} answer {places[-1]}"


def second_of_two(explorer: WalkExplorer) -> str | None:
    """DPO's r_hat of the later of two steps that are one too far, against the earlier one's; else None."""
    wrong = [k for k, step in enumerate(explorer.steps) if step.value]
    if [explorer.steps[k].value for k in wrong] != [1, 1] or explorer.policy.value != "DPO":
        return None
    first, second = explorer.r_hat[wrong]
    if second > first / 2:
        return "less than half as much"
    return "about as much" if second > 2 * first else "more than twice as much"

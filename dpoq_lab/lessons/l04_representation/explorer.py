"""Lesson 04's explorer: rewards that are one to DPO, and pairs that leave tokens open."""

import ipywidgets as widgets
import numpy as np

from dpoq_lab.lessons.l04_representation.data import removals
from dpoq_lab.lessons.l04_representation.figures import credit_labels
from dpoq_lab.theory.example_trees import TOKENS, polite_tree
from dpoq_lab.theory.population_dpo import all_pairs, undetermined
from dpoq_lab.theory.soft_bellman import implicit_reward, preference, shape, solve
from dpoq_lab.theory.token_mdp import Levels, flat, largest, reply_names, terminal_only, trajectory_sums
from dpoq_lab.views.controls import LiveFigure, Styled, on_change, row, slider
from dpoq_lab.views.trees import tree_figure

ALT = (
    "The tree of replies with r and A* on each token, V* in each state and R at each end: blue and solid "
    "where A* is above 0, orange and dashed below 0, grey, dotted, with a question mark where left open"
)


class RepresentationExplorer(Styled):
    """The readable tree with r and A* = beta log pi*/pi_ref on each token.

    `late` moves reward along the path to the end, `phi` is the potential of the state after 'no', `end`
    that of the terminal states, the last choice that of the end of `reply` alone; `data` removes pairs and
    marks the tokens left open. `labels` is what stands on the tree, `changed` how many tokens have another
    A* than with all controls at 0, to 0.005.
    """

    def __init__(self, reply: str = f"no thanks {TOKENS[2]}") -> None:
        self._mdp, self._r = polite_tree()
        self._reply = reply_names(self._mdp, TOKENS).index(reply)
        self._pairs = removals(self._mdp, all_pairs(trajectory_sums(self._r)))
        self._open = {name: undetermined(self._mdp, pairs) for name, pairs in self._pairs.items()}
        self._A = implicit_reward(self._mdp, solve(self._mdp, self._r).pi)
        self.late = slider("reward to the end", 0.0, 0.0, 1.0, 0.05)
        self.phi = slider("Phi after 'no'", 0.0, -2.0, 2.0, 0.1)
        self.end = widgets.ToggleButtons(
            options=["0", "2 at every end", f"2 at '{reply}'"],
            description="Phi(end)",
            style={"button_width": "auto"},
        )
        self.data = widgets.Dropdown(
            options=list(self._pairs), description="data", layout=widgets.Layout(width="32em")
        )
        self.picture = LiveFigure()
        on_change((self.late, self.phi, self.end, self.data), self._render)
        top = [row(self.late, self.phi), self.end, self.data]
        super().__init__([*top, self.picture])
        self._render()

    def reward(self) -> Levels:
        """The reward that the controls describe, levels (n_t, n_actions)."""
        mdp, late = self._mdp, self.late.value
        moved = [(1 - late) * x + late * y for x, y in zip(self._r, terminal_only(mdp, self._r), strict=True)]
        phi = [np.zeros(len(level)) for level in mdp.pi_ref]
        phi[1][1] = self.phi.value
        one = np.arange(mdp.n_trajectories) == self._reply
        return shape(mdp, moved, phi, [0.0, 2.0, 2.0 * one][self.end.index])

    def _render(self) -> None:
        mdp, r = self._mdp, self.reward()
        solution, left_open = solve(mdp, r), self._open[self.data.value]
        A = implicit_reward(mdp, solution.pi)
        self.labels = credit_labels(mdp, TOKENS, r, solution, left_open)
        R, R_new = trajectory_sums(self._r), trajectory_sums(r)
        moved = [largest(r, self._r), largest(A, self._A)]
        self.changed = int((abs(flat(A) - flat(self._A)) > 0.005).sum())
        flipped = abs(preference(R_new[:, None], R_new) - preference(R[:, None], R)).max()
        count = int(np.concatenate(left_open).sum())
        reading = (
            f"Largest change: reward of a token {moved[0]:.2f}, A* of a token {moved[1]:.2f} ({self.changed} "
            f"tokens), probability of a preference {flipped:.2f}. Tokens left open by the pairs: {count} of "
            f"{mdp.n_states * mdp.n_actions}."
        )
        self.picture.draw(tree_figure(mdp, self.labels, ALT, reading))


def credits_changed(explorer: RepresentationExplorer) -> str | None:
    """How many tokens have another credit while one reply's end alone has a Phi; None while none has."""
    return str(explorer.changed) if explorer.end.index == 2 else None

"""Lesson 01's explorer: pay another reward on one edge, and the optimum moves."""

from collections.abc import Sequence
from dataclasses import replace

import ipywidgets as widgets
import numpy as np

from dpoq_lab.lessons.l01_token_mdp.figures import optimum_labels
from dpoq_lab.theory.soft_bellman import solve, trajectory_probs
from dpoq_lab.theory.token_mdp import (
    Levels,
    TokenMDP,
    flat,
    levels,
    next_values,
    reply_names,
    state_names,
)
from dpoq_lab.views.controls import LiveFigure, Styled, on_change, row, slider, stands_at
from dpoq_lab.views.tables import terms_table
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.trees import tree_figure

ALT = "The tree of replies with r, pi_ref and pi* on each token, V* in each state, R and p at each end"


class RewardExplorer(Styled):
    """Q*, V* and pi* of a tree while `beta` and the `reward` of one `edge` move.

    `r` and `solution` are what the widgets made; `picture` shows them and says the result in a line, `terms`
    eq. (7) at the state of the edge.
    """

    def __init__(self, mdp: TokenMDP, words: Sequence[str], r: Levels) -> None:
        self._mdp, self._words, self.r = mdp, words, r
        self._states, self._replies = state_names(mdp, words), reply_names(mdp, words)
        names = [f"{state} \u2192 {word}" for state in self._states for word in words]
        edges = [(name, e) for e, name in enumerate(names)]
        self.edge = widgets.Dropdown(options=edges, value=0, description="edge")
        self.reward = slider("r of the edge", 0.0, -4.0, 4.0, 0.1)
        self.beta = slider("beta", mdp.beta, 0.1, 4.0, 0.1)
        self.picture, self.terms = LiveFigure(), widgets.HTML()
        self.reward.value = self._paid()
        on_change([self.edge], self._choose)
        on_change([self.reward], self._pay)
        on_change([self.beta], self._render)
        controls = row(self.edge, self.reward, self.beta)
        super().__init__([controls, self.picture, self.terms])
        self._render()

    def _paid(self) -> float:
        return float(flat(self.r)[self.edge.value])

    def _choose(self) -> None:
        self.reward.value = self._paid()
        self._render()

    def _pay(self) -> None:
        if self.reward.value != self._paid():
            paid = flat(self.r)
            paid[self.edge.value] = self.reward.value
            self.r = levels(self._mdp, paid)
            self._render()

    def _render(self) -> None:
        mdp, edge = replace(self._mdp, beta=self.beta.value), self.edge.value
        self.solution = solve(mdp, self.r)
        first = edge - edge % mdp.n_actions
        here = slice(first, first + mdp.n_actions)
        Q, pi = flat(self.solution.Q), flat(self.solution.pi)
        columns = {
            "r": flat(self.r)[here],
            "beta log pi_ref": mdp.beta * np.log(flat(mdp.pi_ref)[here]),
            "V*(s')": flat(next_values(mdp, self.solution.V))[here],
            "Q*": Q[here],
            "Q* - V*": Q[here] - flat(self.solution.V)[edge // mdp.n_actions],
        }
        state = self._states[edge // mdp.n_actions]
        self.terms.value = terms_table(f"Equation (7) at the state: {state}", self._words, columns, pi[here])
        labels = optimum_labels(mdp, self._words, self.r, self.solution, edge)
        self.picture.draw(tree_figure(mdp, labels, ALT, self._reading(mdp, Q[edge], pi[edge])))

    def _reading(self, mdp: TokenMDP, Q: float, pi: float) -> str:
        p = trajectory_probs(self.solution.pi)
        return (
            f"beta {mdp.beta:.1f}, r {signed(self._paid())} on {self.edge.label}: "
            f"Q* {signed(Q)}, pi* {pi:.2f} (pi_ref {flat(mdp.pi_ref)[self.edge.value]:.2f}), "
            f"V*(s_0) {signed(self.solution.V[0][0])}; "
            f"likeliest reply: {self._replies[p.argmax()]}, p {p.max():.2f}."
        )


def first_word(explorer: RewardExplorer) -> str | None:
    """What pi*(not|s_0) did when 'safe' after 'not' pays -1 or less at beta 1; None while it does not."""
    if flat(explorer.r)[4] > -1 + 1e-6 or not stands_at(explorer.beta, 1.0):
        return None
    said = explorer.solution.pi[0][0, 0].round(2)
    if said >= 0.86:
        return "stays 0.86" if said == 0.86 else "rises above 0.86"
    return "falls, but stays above 0.5" if said > 0.5 else "falls below 0.5"

"""Lesson 02's explorer: move the Q of one state, and see for which reward they are optimal."""

from collections.abc import Sequence
from dataclasses import replace

import ipywidgets as widgets
import numpy as np

from dpoq_lab.lessons.l02_from_r_to_q.figures import implied_labels
from dpoq_lab.theory.soft_bellman import reward_from_q, solve
from dpoq_lab.theory.token_mdp import (
    Levels,
    TokenMDP,
    flat,
    levels,
    next_values,
    state_names,
    trajectory_sums,
)
from dpoq_lab.views.controls import LiveFigure, Styled, on_change, row, slider
from dpoq_lab.views.tables import terms_table
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.trees import tree_figure

ALT = "The tree of replies with Q, pi and the reward that they imply on each token, V in each state"


class LogitExplorer(Styled):
    """The reward for which given Q are optimal, while those of one state move.

    `state`, `logits` (a slider a token), `shift` and `beta` are the widgets, `Q`, `r` and `solution` what
    they made, `opening` (E,) the Q before any move; `terms` shows r = Q - beta log pi_ref - V(s') at the
    state and on the edge into it.
    """

    def __init__(self, mdp: TokenMDP, words: Sequence[str], Q: Levels) -> None:
        self._mdp, self._words, self.opening = mdp, words, flat(Q)
        self._logits, self._shifts = flat(Q), np.zeros(mdp.n_states)  # (E,), (S,)
        self._states = state_names(mdp, words)
        names = [(name, s) for s, name in enumerate(self._states)]
        self.state = widgets.Dropdown(options=names, value=1, description="state")
        self.logits = [slider(f"Q of {word}", 0.0, -6.0, 6.0, 0.1) for word in words]
        self.shift = slider("add to all Q", 0.0, -3.0, 3.0, 0.1)
        self.beta = slider("beta", mdp.beta, 0.1, 4.0, 0.1)
        self.picture, self.terms = LiveFigure(), widgets.HTML()
        self._loading = False
        on_change([self.state], self._load)
        on_change([*self.logits, self.shift], self._move)
        on_change([self.beta], self._render)
        rows = [row(self.state, self.shift, self.beta), row(*self.logits)]
        super().__init__([*rows, self.picture, self.terms])
        self._load()

    def _load(self) -> None:
        self._loading = True
        for logit, value in zip(self.logits, self._logits[self._here()], strict=True):
            logit.value = value
        self.shift.value = self._shifts[self.state.value]
        self._loading = False
        self._render()

    def _move(self) -> None:
        if not self._loading:
            self._logits[self._here()] = [logit.value for logit in self.logits]
            self._shifts[self.state.value] = self.shift.value
            self._render()

    @property
    def mdp(self) -> TokenMDP:
        """The tree, with the beta of the slider."""
        return replace(self._mdp, beta=self.beta.value)

    def logits_raised(self) -> np.ndarray:
        """How far single Q stand above the opening, (E,), without what was added to all."""
        return self._logits - self.opening

    def _here(self) -> slice:
        first = self.state.value * self._mdp.n_actions
        return slice(first, first + self._mdp.n_actions)

    def _solved(self, mdp: TokenMDP, shifts: np.ndarray) -> tuple[Levels, Levels]:
        Q = levels(mdp, self._logits + np.repeat(shifts, mdp.n_actions))
        return Q, reward_from_q(mdp, Q)

    def _render(self) -> None:
        mdp, state = self.mdp, self.state.value
        self.Q, self.r = self._solved(mdp, self._shifts)
        self.solution = solve(mdp, self.r)
        before = reward_from_q(mdp, levels(mdp, self.opening))
        labels = implied_labels(mdp, self._words, self.r, before, self.solution, state)
        self.picture.draw(tree_figure(mdp, labels, ALT, self._reading(mdp)))
        self._show_terms(mdp)

    def _show_terms(self, mdp: TokenMDP) -> None:
        state, edges = self.state.value, list(range(mdp.n_states * mdp.n_actions)[self._here()])
        names = list(self._words)
        if state:
            edges.append(edge_into(mdp, state))
            names.append(f"(into this state: {self._words[edges[-1] % mdp.n_actions]})")
        columns = {
            "Q": flat(self.Q)[edges],
            "beta log pi_ref": mdp.beta * np.log(flat(mdp.pi_ref)[edges]),
            "V(s')": flat(next_values(mdp, self.solution.V))[edges],
            "r": flat(self.r)[edges],
        }
        title = f"The reward implied at the state: {self._states[state]}"
        self.terms.value = terms_table(title, names, columns, flat(self.solution.pi)[edges])

    def _reading(self, mdp: TokenMDP) -> str:
        state, shifts = self.state.value, self._shifts.copy()
        shifts[state] = 0.0
        _, r = self._solved(mdp, shifts)
        moved = flat(self.r) - flat(r)
        pi_moved = abs(flat(self.solution.pi) - flat(solve(mdp, r).pi)).max()
        returns = trajectory_sums(self.r) - trajectory_sums(r)
        into = (
            f"the edge into it by {signed(moved[edge_into(mdp, state)])}" if state else "no edge leads to it"
        )
        return (
            f"{signed(self.shift.value)} added to every Q at \u201c{self._states[state]}\u201d "
            f"moves pi by {pi_moved:.2f}, r of the edges out of it by {signed(moved[self._here()][0])}, "
            f"{into}, and R of a reply by at most {abs(returns).max():.2f}."
        )


def reward_into(explorer: LogitExplorer) -> str | None:
    """What r of the edge into 'not' did as Q of 'safe' after 'not' rose, by 1 or more; None until then.

    All else is as it stands: the reward is compared with that of the same Q before the rise.
    """
    edge = explorer.mdp.n_actions + 1
    Q = flat(explorer.Q)
    rise = explorer.logits_raised()[edge]
    if rise < 1 - 1e-9:
        return None
    Q[edge] -= rise
    before = reward_from_q(explorer.mdp, levels(explorer.mdp, Q))
    moved = float((explorer.r[0][0, 0] - before[0][0, 0]).round(2))
    if moved >= 0:
        return "stays" if moved == 0 else "rises as well"
    return "falls by as much" if -moved >= round(rise, 2) else "falls, by less than that"


def edge_into(mdp: TokenMDP, state: int) -> int:
    """The edge, 0..E-1, that leads to state 1..S-1."""
    parent, token = divmod(state - 1, mdp.n_actions - 1)
    return parent * mdp.n_actions + token

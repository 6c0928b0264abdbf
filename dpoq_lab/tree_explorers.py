"""The tree of lessons 01 and 02, and ipywidgets shells over its figure: state -> render, nothing else.

RewardExplorer: pay another reward on one edge, and the optimum moves. LogitExplorer: move the logits of
one state, and see which reward they are the optimal Q-function of.
"""

from collections.abc import Sequence
from dataclasses import replace
from html import escape

import ipywidgets as widgets
import numpy as np
import plotly.graph_objects as go

from dpoq_lab.figures import CONFIG
from dpoq_lab.soft_bellman import reward_from_q, solve, trajectory_probs
from dpoq_lab.token_mdp import Levels, TokenMDP, next_values, trajectory_sums
from dpoq_lab.token_view import signed
from dpoq_lab.tree_figures import (
    draw_tree,
    flat,
    implied_labels,
    levels,
    optimum_labels,
    reply_names,
    state_names,
    tree_figure,
)

PROMPT = "Is this mushroom safe?"
WORDS = ("not", "safe", "EOS")


def mushroom_tree(beta: float) -> tuple[TokenMDP, Levels]:
    """Replies to PROMPT of at most 3 tokens, the mushroom being poisonous: the tree and its reward.

    pi_ref likes to say "safe"; r pays 2 for "safe" after "not" and takes 1 for "safe" at the start, for
    every repetition and for every reply that says nothing or is cut off.
    """
    pi_ref = [
        [[0.3, 0.6, 0.1]],
        [[0.1, 0.7, 0.2], [0.1, 0.1, 0.8]],
        [[0.1, 0.6, 0.3], [0.1, 0.1, 0.8], [0.1, 0.3, 0.6], [0.1, 0.1, 0.8]],
    ]
    r = [
        [[0.0, -1.0, -1.0]],
        [[-1.0, 2.0, -1.0], [-1.0, -1.0, 0.0]],
        [[-1.0, -1.0, -1.0], [-1.0, -1.0, 0.0], [-1.0, -1.0, -1.0], [-1.0, -1.0, 0.0]],
    ]
    return TokenMDP([np.array(level) for level in pi_ref], beta), [np.array(level) for level in r]


class RewardExplorer(widgets.VBox):
    """Q*, V* and pi* of a tree while `beta` and the `reward` of one `edge` move.

    `r` and `solution` are what the widgets made; `terms` shows eq. (7) at the state of the edge, and
    `reading` says the result in a line.
    """

    def __init__(self, mdp: TokenMDP, words: Sequence[str], r: Levels) -> None:
        self._mdp, self._words, self.r = mdp, words, r
        self._states, self._replies = state_names(mdp, words), reply_names(mdp, words)
        names = [f"{state} \u2192 {word}" for state in self._states for word in words]
        edges = [(name, e) for e, name in enumerate(names)]
        self.edge = widgets.Dropdown(options=edges, value=0, description="edge")
        self.reward = _slider("r of the edge", 0.0, -4.0, 4.0, 0.1)
        self.beta = _slider("beta", mdp.beta, 0.1, 4.0, 0.1)
        self.figure, self.terms, self.reading = _figure(mdp), widgets.HTML(), widgets.HTML()
        self.reward.value = self._paid()
        self.edge.observe(lambda _: self._choose(), "value")
        self.reward.observe(lambda change: self._pay(change["new"]), "value")
        self.beta.observe(lambda _: self._render(), "value")
        controls = widgets.HBox([self.edge, self.reward, self.beta])
        super().__init__([controls, self.reading, _scrolled(self.figure), self.terms])
        self._render()

    def _paid(self) -> float:
        return float(flat(self.r)[self.edge.value])

    def _choose(self) -> None:
        self.reward.value = self._paid()
        self._render()

    def _pay(self, reward: float) -> None:
        if reward != self._paid():
            paid = flat(self.r)
            paid[self.edge.value] = reward
            self.r = levels(self._mdp, paid)
            self._render()

    def _render(self) -> None:
        mdp, edge = replace(self._mdp, beta=self.beta.value), self.edge.value
        self.solution = solve(mdp, self.r)
        draw_tree(self.figure, optimum_labels(mdp, self._words, self.r, self.solution, edge))
        first = edge - edge % mdp.vocabulary
        here = slice(first, first + mdp.vocabulary)
        Q, pi = flat(self.solution.Q), flat(self.solution.pi)
        columns = {
            "r": flat(self.r)[here],
            "beta log pi_ref": mdp.beta * np.log(flat(mdp.pi_ref)[here]),
            "V*(s')": flat(next_values(mdp, self.solution.V))[here],
            "Q*": Q[here],
            "Q* - V*": Q[here] - flat(self.solution.V)[edge // mdp.vocabulary],
        }
        state = self._states[edge // mdp.vocabulary]
        self.terms.value = _table(f"Equation (7) at the state: {state}", self._words, columns, pi[here])
        p = trajectory_probs(self.solution.pi)
        self.reading.value = escape(
            f"beta {mdp.beta:.1f}, r {signed(self._paid())} on {self.edge.label}: "
            f"Q* {signed(Q[edge])}, pi* {pi[edge]:.2f} (pi_ref {flat(mdp.pi_ref)[edge]:.2f}), "
            f"V*(s_0) {signed(self.solution.V[0][0])}; "
            f"likeliest reply: {self._replies[p.argmax()]}, p {p.max():.2f}."
        )


class LogitExplorer(widgets.VBox):
    """The reward of which given logits are the optimal Q-function, while the logits of one state move.

    `state`, `logits` (a slider a token), `shift` and `beta` are the widgets, `Q`, `r` and `solution` what
    they made; `terms` shows r = Q - beta log pi_ref - V(s') at the state and on the edge into it.
    """

    def __init__(self, mdp: TokenMDP, words: Sequence[str], Q: Levels) -> None:
        self._mdp, self._words, self._opening = mdp, words, flat(Q)
        self._logits, self._shifts = flat(Q), np.zeros(mdp.n_states)  # (E,), (S,)
        self._states = state_names(mdp, words)
        names = [(name, s) for s, name in enumerate(self._states)]
        self.state = widgets.Dropdown(options=names, value=1, description="state")
        self.logits = [_slider(f"Q of {word}", 0.0, -6.0, 6.0, 0.1) for word in words]
        self.shift = _slider("add to all", 0.0, -3.0, 3.0, 0.1)
        self.beta = _slider("beta", mdp.beta, 0.1, 4.0, 0.1)
        self.figure, self.terms, self.reading = _figure(mdp), widgets.HTML(), widgets.HTML()
        self._loading = False
        self.state.observe(lambda _: self._load(), "value")
        for slider in (*self.logits, self.shift):
            slider.observe(lambda _: self._move(), "value")
        self.beta.observe(lambda _: self._render(), "value")
        rows = [widgets.HBox([self.state, self.shift, self.beta]), widgets.HBox(self.logits)]
        super().__init__([*rows, self.reading, _scrolled(self.figure), self.terms])
        self._load()

    def _load(self) -> None:
        self._loading = True
        for slider, value in zip(self.logits, self._logits[self._here()], strict=True):
            slider.value = value
        self.shift.value = self._shifts[self.state.value]
        self._loading = False
        self._render()

    def _move(self) -> None:
        if not self._loading:
            self._logits[self._here()] = [slider.value for slider in self.logits]
            self._shifts[self.state.value] = self.shift.value
            self._render()

    def _here(self) -> slice:
        first = self.state.value * self._mdp.vocabulary
        return slice(first, first + self._mdp.vocabulary)

    def _solved(self, mdp: TokenMDP, shifts: np.ndarray) -> tuple[Levels, Levels]:
        Q = levels(mdp, self._logits + np.repeat(shifts, mdp.vocabulary))
        return Q, reward_from_q(mdp, Q)

    def _render(self) -> None:
        mdp, state = replace(self._mdp, beta=self.beta.value), self.state.value
        self.Q, self.r = self._solved(mdp, self._shifts)
        self.solution = solve(mdp, self.r)
        before = reward_from_q(mdp, levels(mdp, self._opening))
        draw_tree(self.figure, implied_labels(mdp, self._words, self.r, before, self.solution, state))
        self._show_terms(mdp)
        self._read_shift(mdp)

    def _show_terms(self, mdp: TokenMDP) -> None:
        state, edges = self.state.value, list(range(mdp.n_states * mdp.vocabulary)[self._here()])
        names = list(self._words)
        if state:
            edges.append(edge_into(mdp, state))
            names.append(f"(into this state: {self._words[edges[-1] % mdp.vocabulary]})")
        columns = {
            "Q": flat(self.Q)[edges],
            "beta log pi_ref": mdp.beta * np.log(flat(mdp.pi_ref)[edges]),
            "V(s')": flat(next_values(mdp, self.solution.V))[edges],
            "r": flat(self.r)[edges],
        }
        title = f"The reward implied at the state: {self._states[state]}"
        self.terms.value = _table(title, names, columns, flat(self.solution.pi)[edges])

    def _read_shift(self, mdp: TokenMDP) -> None:
        state, shifts = self.state.value, self._shifts.copy()
        shifts[state] = 0.0
        _, r = self._solved(mdp, shifts)
        moved = flat(self.r) - flat(r)
        pi_moved = abs(flat(self.solution.pi) - flat(solve(mdp, r).pi)).max()
        returns = trajectory_sums(self.r) - trajectory_sums(r)
        into = (
            f"the edge into it by {signed(moved[edge_into(mdp, state)])}" if state else "no edge leads to it"
        )
        self.reading.value = escape(
            f"{signed(self.shift.value)} added to every Q at \u201c{self._states[state]}\u201d "
            f"moves pi by {pi_moved:.2f}, r of the edges out of it by {signed(moved[self._here()][0])}, "
            f"{into}, and R of a reply by at most {abs(returns).max():.2f}."
        )


def edge_into(mdp: TokenMDP, state: int) -> int:
    """The edge, 0..E-1, that leads to state 1..S-1."""
    parent, token = divmod(state - 1, mdp.vocabulary - 1)
    return parent * mdp.vocabulary + token


def _slider(name: str, value: float, low: float, high: float, step: float) -> widgets.FloatSlider:
    return widgets.FloatSlider(value, min=low, max=high, step=step, description=name)


def _scrolled(figure: go.FigureWidget) -> widgets.Box:
    """The figure in a box that scrolls where a page is narrower than the tree."""
    return widgets.Box([figure], layout=widgets.Layout(overflow="auto"))


def _figure(mdp: TokenMDP) -> go.FigureWidget:
    figure = go.FigureWidget(tree_figure(mdp))
    figure._config = CONFIG
    return figure


def _table(title: str, names: Sequence[str], columns: dict[str, np.ndarray], pi: np.ndarray) -> str:
    """Named rows with their numbers and pi, as escaped HTML."""
    head = "".join(f"<th>{escape(name)}</th>" for name in ("token", *columns, "pi"))
    rows = "".join(
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{signed(x)}</td>' for x in row)}<td>{p:.2f}</td></tr>"
        for name, row, p in zip(names, zip(*columns.values(), strict=True), pi, strict=True)
    )
    return f"{_TABLE}<b>{escape(title)}</b><table class='dpoq-terms'><tr>{head}</tr>{rows}</table>"


_TABLE = """<style>
.dpoq-terms{border-collapse:collapse;font-size:1.1em}
.dpoq-terms td,.dpoq-terms th{padding:.1em .8em;text-align:right}
.dpoq-terms td:first-child,.dpoq-terms th:first-child{text-align:left}
</style>"""

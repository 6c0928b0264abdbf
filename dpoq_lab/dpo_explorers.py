"""The explorers of lessons 03 and 04: ipywidgets shells, state -> render, nothing else.

ReductionExplorer: DPO fitted live on the readable tree, against the exact solution.
RepresentationExplorer: rewards that are one to DPO, and pairs that leave tokens open.
"""

from html import escape

import ipywidgets as widgets
import numpy as np
import plotly.graph_objects as go

from dpoq_lab.dpo_figures import draw_reduction, draw_tree, reduction_figure, tree_figure
from dpoq_lab.dpo_trees import TOKENS, optimal_kl, polite_tree, replies
from dpoq_lab.figures import CONFIG
from dpoq_lab.population_dpo import Pairs, all_pairs, fit_dpo, undetermined
from dpoq_lab.soft_bellman import implicit_reward, preference, reverse_kl, shape, solve
from dpoq_lab.token_mdp import (
    Levels,
    TokenMDP,
    prefix,
    terminal_only,
    trajectories,
    trajectory_sums,
)

LOG_BETAS = np.linspace(-1, 0.5, 16)
STEPS = 50  # enough for the sum and the mean; without EOS there is no end


def _slider(value: float, low: float, high: float, step: float, description: str) -> widgets.FloatSlider:
    style, layout = {"description_width": "initial"}, widgets.Layout(width="27em")
    return widgets.FloatSlider(
        value, min=low, max=high, step=step, description=description, style=style, layout=layout
    )


class ReductionExplorer(widgets.VBox):
    """Population DPO on the readable tree: `beta`, the `reward` of 'thanks' after 'no', the `reduction`."""

    def __init__(self) -> None:
        self.beta = _slider(1.0, 0.1, 3.0, 0.1, "beta")
        self.reward = _slider(2.0, -2.0, 4.0, 0.25, "r('thanks' after 'no')")
        self.reduction = widgets.ToggleButtons(
            options=["sum", "mean", "sum without EOS"], description="score"
        )
        self.figure = go.FigureWidget(reduction_figure(LOG_BETAS))
        self.figure._config = CONFIG
        self.reading = widgets.HTML()
        for control in (self.beta, self.reward, self.reduction):
            control.observe(lambda _: self._render(), "value")
        super().__init__([widgets.HBox([self.beta, self.reward]), self.reduction, self.figure, self.reading])
        self._render()

    def _render(self) -> None:
        mdp, r = polite_tree(self.beta.value)
        r[1][1, 0] = self.reward.value
        pi = solve(mdp, r).pi
        pairs = all_pairs(trajectory_sums(r))
        fit = fit_dpo(mdp, pairs, self.reduction.value, max_iterations=STEPS)
        kl = optimal_kl(mdp, trajectory_sums(r), 10**LOG_BETAS)
        reading = draw_reduction(
            self.figure,
            implicit_reward(mdp, pi),
            implicit_reward(mdp, fit.pi),
            token_names(mdp),
            kl,
            [mdp.beta, reverse_kl(mdp, pi)],
        )
        self.reading.value = escape(f"{self.reduction.value}: loss {fit.loss:.4f}. {reading}")


def token_names(mdp: TokenMDP) -> list[str]:
    """'token' or 'token after prefix' for each token of the readable tree, by level, state, token."""
    return [
        f"{token} after '{' '.join(TOKENS[a] for a in prefix(mdp, t, i))}'" if t else token
        for t, level in enumerate(mdp.pi_ref)
        for i in range(len(level))
        for token in TOKENS
    ]


def removals(mdp: TokenMDP, pairs: Pairs) -> dict[str, Pairs]:
    """The data sets of the selector: all pairs, and three with pairs removed."""
    texts, tokens = replies(mdp), trajectories(mdp).tokens
    gone = texts.index(f"no thanks {TOKENS[2]}")
    same_start = tokens[pairs.first, 0] == tokens[pairs.second, 0]
    long = trajectories(mdp).lengths == mdp.horizon
    return {
        "all pairs": pairs,
        f"no pair holds '{texts[gone]}'": pairs.keep((pairs.first != gone) & (pairs.second != gone)),
        "only pairs with the same first token": pairs.keep(same_start),
        "only pairs of replies of three tokens": pairs.keep(long[pairs.first] & long[pairs.second]),
    }


class RepresentationExplorer(widgets.VBox):
    """The readable tree with r and A* = beta log pi*/pi_ref on each token.

    `late` moves reward along the path to the end, `phi` is the potential of the state after 'no', `end`
    that of the terminal states, `data` removes pairs and marks the tokens left open.
    """

    def __init__(self) -> None:
        self._mdp, self._r = polite_tree()
        self._pairs = removals(self._mdp, all_pairs(trajectory_sums(self._r)))
        self._open = {name: undetermined(self._mdp, pairs) for name, pairs in self._pairs.items()}
        self._A = implicit_reward(self._mdp, solve(self._mdp, self._r).pi)
        self.late = _slider(0.0, 0.0, 1.0, 0.05, "reward to the end")
        self.phi = _slider(0.0, -2.0, 2.0, 0.1, "Phi after 'no'")
        self.end = widgets.ToggleButtons(
            options=["0", "2 at every end", f"2 at 'no thanks {TOKENS[2]}'"], description="Phi(end)"
        )
        self.data = widgets.Dropdown(
            options=list(self._pairs), description="data", layout=widgets.Layout(width="32em")
        )
        self.figure = go.FigureWidget(tree_figure(self._mdp))
        self.figure._config = CONFIG
        self.reading = widgets.HTML()
        for control in (self.late, self.phi, self.end, self.data):
            control.observe(lambda _: self._render(), "value")
        sliders = widgets.HBox([self.late, self.phi])
        super().__init__([sliders, self.end, self.data, self.figure, self.reading])
        self._render()

    def reward(self) -> Levels:
        """The reward that the controls describe, levels (n_t, V)."""
        mdp, late = self._mdp, self.late.value
        moved = [(1 - late) * x + late * y for x, y in zip(self._r, terminal_only(mdp, self._r), strict=True)]
        phi = [np.zeros(len(level)) for level in mdp.pi_ref]
        phi[1][1] = self.phi.value
        one = np.array([text == f"no thanks {TOKENS[2]}" for text in replies(mdp)])
        return shape(mdp, moved, phi, [0.0, 2.0, 2.0 * one][self.end.index])

    def _render(self) -> None:
        mdp, r = self._mdp, self.reward()
        A = implicit_reward(mdp, solve(mdp, r).pi)
        left_open = self._open[self.data.value]
        draw_tree(self.figure, mdp, TOKENS, r, A, left_open)
        R, R_new = trajectory_sums(self._r), trajectory_sums(r)
        moved = [largest(r, self._r), largest(A, self._A)]
        flipped = abs(preference(R_new[:, None], R_new) - preference(R[:, None], R)).max()
        count = int(np.concatenate(left_open).sum())
        self.reading.value = escape(
            f"Largest change: reward of a token {moved[0]:.2f}, A* of a token {moved[1]:.2f}, "
            f"probability of a preference {flipped:.2f}. Tokens left open by the pairs: {count} of "
            f"{mdp.n_states * mdp.vocabulary}."
        )


def largest(x: Levels, y: Levels) -> float:
    """The largest absolute difference of two quantities given by levels."""
    return max(float(abs(a - b).max()) for a, b in zip(x, y, strict=True))

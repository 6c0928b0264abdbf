"""Lesson 03's explorer: DPO fitted live on the readable tree, against the exact solution."""

import ipywidgets as widgets
import numpy as np

from dpoq_lab.lessons.l03_inverse_q.figures import optimal_kl, reduction_figure
from dpoq_lab.theory.example_trees import TOKENS, polite_tree
from dpoq_lab.theory.population_dpo import all_pairs, fit_dpo
from dpoq_lab.theory.soft_bellman import implicit_reward, reverse_kl, solve
from dpoq_lab.theory.token_mdp import TokenMDP, state_names, trajectory_sums
from dpoq_lab.views.controls import LiveFigure, Styled, on_change, row, slider

LOG_BETAS = np.linspace(-1, 0.5, 16)
STEPS = 50  # enough for the sum and the mean; without EOS there is no end


def token_names(mdp: TokenMDP) -> list[str]:
    """'token' or 'token after prefix' for each token of the readable tree, by level, state, token."""
    after = ["", *(f" after '{state}'" for state in state_names(mdp, TOKENS)[1:])]
    return [token + where for where in after for token in TOKENS]


class ReductionExplorer(Styled):
    """Population DPO on the readable tree: `beta`, the `reward` of 'thanks' after 'no', the `reduction`.

    `losses` has the least loss of each reduction that was seen at this beta and reward, by its name.
    """

    def __init__(self) -> None:
        self.beta = slider("beta", 1.0, 0.1, 3.0, 0.1)
        self.reward = slider("r('thanks' after 'no')", 2.0, -2.0, 4.0, 0.25)
        self.reduction = widgets.ToggleButtons(
            options=["sum", "mean", "sum without EOS"], description="fit by"
        )
        self.losses: dict[str, float] = {}
        self._at = (0.0, 0.0)
        self.picture = LiveFigure()
        on_change((self.beta, self.reward, self.reduction), self._render)
        super().__init__([row(self.beta, self.reward), self.reduction, self.picture])
        self._render()

    def _render(self) -> None:
        mdp, r = polite_tree(self.beta.value)
        r[1][1, 0] = self.reward.value
        pi = solve(mdp, r).pi
        pairs = all_pairs(trajectory_sums(r))
        fit = fit_dpo(mdp, pairs, self.reduction.value, max_iterations=STEPS)
        here = (self.beta.value, self.reward.value)
        self.losses = {**(self.losses if here == self._at else {}), self.reduction.value: fit.loss}
        self._at, betas = here, 10**LOG_BETAS
        figure = reduction_figure(
            implicit_reward(mdp, pi),
            implicit_reward(mdp, fit.pi),
            token_names(mdp),
            betas,
            optimal_kl(mdp, trajectory_sums(r), betas),
            (mdp.beta, reverse_kl(mdp, pi)),
            f"{self.reduction.value}: loss {fit.loss:.4f}.",
        )
        self.picture.draw(figure)


VISIBLE = 0.01  # nats a pair: what is told from another loss
NEITHER, MEAN, BOTH = "neither of them", "the mean's alone", "both"
NO_EOS = "that of the sum without EOS alone"


def told_by_the_loss(explorer: ReductionExplorer) -> str | None:
    """Whose least loss is VISIBLE above the sum's, at one beta and reward; None until all three were seen."""
    losses = explorer.losses
    if len(losses) < 3:
        return None
    mean, no_eos = (losses[name] > losses["sum"] + VISIBLE for name in ("mean", "sum without EOS"))
    if mean:
        return BOTH if no_eos else MEAN
    return NO_EOS if no_eos else NEITHER

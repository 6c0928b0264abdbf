"""Lesson 01's picture: backward induction rolls over the tree from the leaves to the root."""

import numpy as np

from dpoq_lab.lessons.l01_token_mdp.figures import optimum_labels
from dpoq_lab.theory.example_trees import PROMPT, WORDS, mushroom_tree
from dpoq_lab.theory.soft_bellman import solve
from dpoq_lab.theory.token_mdp import TokenMDP
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.trees import TreeLabels, tree_figure

ALT = f"The tree of replies to: {PROMPT} r and pi_ref on each token; V* in each state that is solved so far"
LINES = (
    "Nothing is solved: only r and pi_ref are known, and that every ended reply has V* = 0.",
    "The last states first: every token ends the reply there, so r and pi_ref are all that V* needs.",
    "One level up: a token is now worth what it pays and the V* of the state that it leads to.",
)


def frames() -> list[Figure]:
    """The tree with nothing solved, then one more level at a time, the root last."""
    mdp, r = mushroom_tree(1.0)
    solution = solve(mdp, r)
    labels = optimum_labels(mdp, WORDS, r, solution)
    said, worth = solution.pi[0][0, 0], signed(solution.V[1][0])
    root = f"The root: 'not' pays 0 and is said with probability {said:.2f}, for V* {worth} lies behind it."
    lines = (*LINES, root)
    return [tree_figure(mdp, solved(mdp, labels, mdp.horizon - n), ALT, line) for n, line in enumerate(lines)]


def solved(mdp: TokenMDP, labels: TreeLabels, first: int) -> TreeLabels:
    """`labels` with the states and tokens of the levels before `first` left open."""
    counts = [len(level) for level in mdp.pi_ref]
    state_open = np.repeat(np.arange(mdp.horizon) < first, counts)
    edge_open = np.repeat(state_open, mdp.n_actions)
    return TreeLabels(
        words=labels.words,
        above=labels.above,
        below=[_start(t, " \u2192 ") if o else t for t, o in zip(labels.below, edge_open, strict=True)],
        value=labels.value,
        states=["?" if o else t for t, o in zip(labels.states, state_open, strict=True)],
        endings=labels.endings if first == 0 else [_start(t, ",") for t in labels.endings],
        width=np.where(edge_open, 0.0, labels.width),
        change=labels.change,
        open=edge_open,
    )


def _start(text: str, end: str) -> str:
    """The text up to `end`, as long as before, so that no frame is drawn wider than another."""
    return text.split(end)[0].ljust(len(text), "\u00a0")

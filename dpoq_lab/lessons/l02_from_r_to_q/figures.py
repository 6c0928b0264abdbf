"""What lesson 02 writes on its tree."""

from collections.abc import Sequence

from dpoq_lab.theory.soft_bellman import Solution
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, flat
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.trees import TreeLabels, edge_words, ending_labels


def implied_labels(
    mdp: TokenMDP, words: Sequence[str], r: Levels, r_before: Levels, solution: Solution, state: int
) -> TreeLabels:
    """Q, the reward `r` that it implies and pi on the edges, V in the states, R and pi(y) at the endings.

    An edge rises where r > `r_before`. `state`, 0..S-1, is marked.
    """
    pi, paid = flat(solution.pi), flat(r)
    return TreeLabels(
        words=edge_words(mdp, words),
        above=[f"Q {signed(q)}, \u03c0 {p:.2f}" for q, p in zip(flat(solution.Q), pi, strict=True)],
        below=[f"r {signed(x)}" for x in paid],
        value="V",
        states=[signed(v) for v in flat(solution.V)],
        endings=ending_labels(r, solution),
        width=pi,
        change=paid - flat(r_before),
        marked=state,
    )

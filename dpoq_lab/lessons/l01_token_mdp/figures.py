"""What lesson 01 writes on its tree, and the cost of solving trees by their size."""

from collections.abc import Sequence

from dpoq_lab.theory.soft_bellman import Solution
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, flat
from dpoq_lab.views.charts import LESS, MORE, Series, axis, chart
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.trees import TreeLabels, edge_words, ending_labels


def optimum_labels(
    mdp: TokenMDP, words: Sequence[str], r: Levels, solution: Solution, chosen: int = -1
) -> TreeLabels:
    """r, pi_ref and pi* on the edges, V* in the states, R and pi*(y) at the endings.

    An edge rises where pi* > pi_ref. The edge `chosen`, 0..E-1, carries a pointer, -1 none.
    """
    pi_ref, pi = flat(mdp.pi_ref), flat(solution.pi)
    return TreeLabels(
        words=edge_words(mdp, words),
        above=[f"r {signed(x)}" for x in flat(r)],
        below=[f"\u03c0_ref {p:.2f} \u2192 \u03c0* {q:.2f}" for p, q in zip(pi_ref, pi, strict=True)],
        value="V*",
        states=[signed(v) for v in flat(solution.V)],
        endings=ending_labels(r, solution),
        width=pi,
        change=pi - pi_ref,
        chosen=chosen,
        marked=chosen // mdp.n_actions if chosen >= 0 else -1,
    )


def scaling_figure(rows: list[tuple[int, float, float]]) -> Figure:
    """Seconds and peak MiB of `bench_token_mdp.measure` against nodes, both axes logarithmic."""
    nodes, seconds, mib = zip(*rows, strict=True)
    return chart(
        [Series("seconds", nodes, seconds, MORE, "both"), Series("peak MiB", nodes, mib, LESS, "both")],
        axis("nodes of the tree", nodes, log=True),
        axis("seconds, MiB", [*seconds, *mib], log=True),
        "Seconds and peak memory of solving a tree, by its number of nodes, on logarithmic axes",
        f"From {nodes[0]:,} to {nodes[-1]:,} nodes: {seconds[0]:.2g} to {seconds[-1]:.2g} s.",
    )

"""What lesson 04 draws: credit on the readable tree, and the error of the learned advantage."""

from collections.abc import Sequence

import numpy as np

from dpoq_lab.theory.soft_bellman import Solution, implicit_reward
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, flat, trajectory_sums
from dpoq_lab.views.charts import GREY, LOOKS, Series, axis, chart
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.trees import TreeLabels, edge_words


def credit_labels(
    mdp: TokenMDP, words: Sequence[str], r: Levels, solution: Solution, left_open: Levels
) -> TreeLabels:
    """r and A* = beta log pi*/pi_ref on the edges, V* in the states, R at the endings.

    An edge rises where A* > 0. Tokens of `left_open`, bool levels (n_t, n_actions), carry a question mark.
    """
    A, is_open = flat(implicit_reward(mdp, solution.pi)), flat(left_open)
    return TreeLabels(
        words=edge_words(mdp, words),
        above=[f"r {signed(x)}" for x in flat(r)],
        below=[f"A* {signed(a)}{'?' if o else ''}" for a, o in zip(A, is_open, strict=True)],
        value="V*",
        states=[signed(v) for v in flat(solution.V)],
        endings=[f"R {signed(R)}" for R in trajectory_sums(r)],
        width=flat(solution.pi),
        change=A,
        open=is_open,
    )


def error_figure(n: np.ndarray, errors: dict[str, np.ndarray]) -> Figure:
    """Error of the learned advantage against the number of pairs, on logarithmic axes.

    `errors` maps names to (seeds, len(n)); drawn are medians with a dot a seed, and the slope n^-1/2 through
    the first curve's last point.
    """
    medians = {name: np.median(by_seed, axis=0) for name, by_seed in errors.items()}
    series = [
        Series(name, n, medians[name], look, "both", seeds=by_seed.T)
        for (name, by_seed), look in zip(errors.items(), LOOKS, strict=False)
    ]
    first = next(iter(medians.values()))
    slope = first[-1] * (n / n[-1]) ** -0.5
    series.append(Series("slope n^-1/2", n, slope, GREY))
    said = "; ".join(f"{name} {m[0]:.2f} to {m[-1]:.3f}" for name, m in medians.items())
    return chart(
        series,
        axis("number of pairs n", n, log=True),
        axis(
            "median |fitted - A*|, settled", [*np.concatenate([*errors.values()]).ravel(), *slope], log=True
        ),
        "Error of the learned advantage by the number of pairs, a dot a seed, on logarithmic axes",
        f"From {n[0]:,} to {n[-1]:,} pairs the median error falls: {said}.",
        height=380,
    )

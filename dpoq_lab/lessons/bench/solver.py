"""The exact solver against itself on a smaller tree, by the node."""

from collections.abc import Iterator

from dpoq_lab.lessons.bench.race import Cost, cost, record
from dpoq_lab.theory.soft_bellman import solve
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, random_reward, random_tree


def solver(horizons: tuple[int, ...], nature: float, rounds: int) -> Iterator[dict]:
    """Seconds of solving a million nodes of each larger tree against those of the smallest one."""
    smallest, *larger = (random_tree(3, horizon, 0.5, seed=0, nature=nature) for horizon in horizons)
    small = smallest, random_reward(smallest, seed=1)
    for mdp in larger:
        large, ours, theirs = (mdp, random_reward(mdp, seed=1)), [], []
        for _ in range(rounds):
            ours.append(_a_million(*large))
            theirs.append(_a_million(*small))
        kind = ", a third of them chance" if nature else ""
        work = f"solve a million nodes, tree of {mdp.n_states:,}{kind}"
        yield record(work, f"tree of {smallest.n_states:,}", ours, theirs, {"apart": 0.0, "close": 0.0})


def _a_million(mdp: TokenMDP, r: Levels) -> Cost:
    """What solving the tree costs, times a million over its nodes."""
    spent, scale = cost(lambda: solve(mdp, r))[0], 1e6 / mdp.n_states
    return Cost(spent.cpu * scale, spent.wall * scale, spent.peak)

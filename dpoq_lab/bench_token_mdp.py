"""`python -m dpoq_lab.bench_token_mdp`: seconds and memory of solving trees of up to a million states."""

import time
import tracemalloc
from collections.abc import Sequence
from statistics import median

from dpoq_lab.soft_bellman import solve
from dpoq_lab.token_mdp import Levels, TokenMDP, random_reward, random_tree

HORIZONS = (10, 12, 14, 16, 18, 20)


def main(horizons: Sequence[int] = HORIZONS, repeats: int = 3) -> None:
    """Print a row for each tree, then how seconds a node grow from the middle to the last."""
    rows = measure(horizons, repeats)
    print(f"{'nodes':>9}{'seconds':>11}{'peak MiB':>10}")
    for nodes, seconds, mib in rows:
        print(f"{nodes:9d}{seconds:11.5f}{mib:10.2f}")
    (middle, fast, _), (largest, slow, _) = rows[len(rows) // 2], rows[-1]
    print(f"seconds a node, {largest} against {middle} nodes: {slow / largest / (fast / middle):.2f}")


def measure(horizons: Sequence[int] = HORIZONS, repeats: int = 3) -> list[tuple[int, float, float]]:
    """(nodes, median seconds, peak MiB) of solving random trees with V = 3, one a horizon."""
    rows = []
    for horizon in horizons:
        mdp = random_tree(3, horizon, beta=0.5, seed=0)
        r = random_reward(mdp, seed=1)
        seconds = median(_seconds(mdp, r) for _ in range(repeats))
        rows.append((mdp.n_states, seconds, _peak_mib(mdp, r)))
    return rows


def _seconds(mdp: TokenMDP, r: Levels) -> float:
    start = time.perf_counter()
    solve(mdp, r)
    return time.perf_counter() - start


def _peak_mib(mdp: TokenMDP, r: Levels) -> float:
    """The most memory that `solve` held at once beyond the tree and the reward, its result included."""
    tracemalloc.start()
    solve(mdp, r)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 2**20


if __name__ == "__main__":
    main()

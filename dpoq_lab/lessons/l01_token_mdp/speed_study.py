"""How seconds and memory of solving a tree grow, up to a million states."""

import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from dpoq_lab.lessons.study import Study
from dpoq_lab.theory.soft_bellman import solve
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, random_reward, random_tree
from dpoq_lab.views.tables import text_table

HORIZONS = (10, 12, 14, 16, 18, 20)


def timings(
    horizons: Sequence[int] = HORIZONS, repeats: int = 3, nature: float = 0.0
) -> list[tuple[int, float, float]]:
    """(nodes, median seconds, peak MiB) of solving random trees of 3 tokens, one a horizon.

    In each state nature moves with probability `nature`.
    """
    rows = []
    for horizon in horizons:
        mdp = random_tree(3, horizon, beta=0.5, seed=0, nature=nature)
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


def growth(rows: list[tuple[int, float, float]]) -> float:
    """Seconds a node of the largest tree over those of the middle one."""
    (middle, fast, _), (largest, slow, _) = rows[len(rows) // 2], rows[-1]
    return slow / largest / (fast / middle)


def measure(horizons: tuple[int, ...], seeds: int, out: Path) -> tuple[dict, str]:
    """A row for each tree, timed `seeds` times, with nature in no state and in a third of them."""
    rows, chance = timings(horizons, seeds), timings(horizons, seeds, nature=1 / 3)
    shown = [
        (f"{n:,}", f"{s:.5f}", f"{mib:.2f}", f"{with_chance[1]:.5f}", f"{with_chance[2]:.2f}")
        for (n, s, mib), with_chance in zip(rows, chance, strict=True)
    ]
    table = text_table([("nodes", "seconds", "peak MiB", "with nature", "MiB"), *shown])
    names = ("nodes", "seconds", "peak_mib")
    record = {
        name: [dict(zip(names, row, strict=True)) for row in found]
        for name, found in (("rows", rows), ("with_nature", chance))
    }
    record["growth"] = growth(rows)
    return record, f"{table}\nseconds a node, largest against middle tree: {growth(rows):.2f}"


STUDY = Study("seconds and memory of the exact solver", measure, {"ci": (4, 6, 8), "laptop": HORIZONS})

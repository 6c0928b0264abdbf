"""The solver by the node."""

import pytest

from dpoq_lab.lessons.bench import solver
from dpoq_lab.lessons.bench.race import Cost


def test_trees_are_compared_by_the_node(monkeypatch):
    """15 and 255 nodes of 3 tokens in 0.3 and 2.55 seconds: 20,000 and 10,000 a million, half as much."""
    seconds = {15: 0.3, 255: 2.55}
    seen = []

    def cost(work):
        seen.append(work())
        return Cost(seconds[len(seen) % 2 and 255 or 15], 1.0, 1.0), None

    monkeypatch.setattr(solver, "cost", cost)
    [row] = solver.solver((4, 8), 0.0, rounds=1)
    assert row["work"] == "solve a million nodes, tree of 255"
    assert row["peer"] == "tree of 15"
    assert row["ours_cpu"] == pytest.approx(10_000)
    assert row["ratio_cpu"] == pytest.approx(2.0)
    [row] = solver.solver((4, 8), 1 / 3, rounds=1)
    assert row["work"].endswith("a third of them chance")

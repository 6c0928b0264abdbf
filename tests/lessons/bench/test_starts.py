"""Starts in processes of their own, and the solver by the node."""

import pytest

from dpoq_lab.lessons.bench import starts
from dpoq_lab.lessons.bench.race import Cost


def test_a_process_is_timed_with_what_it_holds():
    spent = starts._process(["-c", "x = bytearray(300 * 2**20); sum(range(3_000_000))"])
    assert spent.peak > 300
    assert 0.02 < spent.cpu < 20


def test_a_process_that_fails_is_no_start():
    with pytest.raises(RuntimeError, match="ended with 3"):
        starts._process(["-c", "raise SystemExit(3)"])


def test_the_bare_interpreter_is_taken_off(monkeypatch):
    """2 - 1 against 6 - 1 seconds of the processor, 5 - 2 against 5 - 2 of the clock."""
    costs = {"": Cost(1.0, 2.0, 9.0), "ours": Cost(2.0, 5.0, 10.0), "peer": Cost(6.0, 5.0, 30.0)}
    monkeypatch.setattr(starts, "STARTS", {"work": ["-c", "ours"]})
    monkeypatch.setattr(starts, "_process", lambda arguments: costs[arguments[1]])
    [row] = starts.starts(["-c", "peer"], "them", rounds=2)
    assert (row["work"], row["peer"], row["rounds"]) == ("work", "them", 2)
    assert (row["ratio_cpu"], row["ratio_wall"]) == (5.0, 1.0)
    assert (row["ours_peak"], row["theirs_peak"]) == (10.0, 30.0)


def test_trees_are_compared_by_the_node(monkeypatch):
    """15 and 255 nodes of 3 tokens in 0.3 and 2.55 seconds: 20,000 and 10,000 a million, half as much."""
    seconds = {15: 0.3, 255: 2.55}
    seen = []

    def cost(work):
        seen.append(work())
        return Cost(seconds[len(seen) % 2 and 255 or 15], 1.0, 1.0), None

    monkeypatch.setattr(starts, "cost", cost)
    [row] = starts.solver((4, 8), 0.0, rounds=1)
    assert row["work"] == "solve a million nodes, tree of 255"
    assert row["peer"] == "tree of 15"
    assert row["ours_cpu"] == pytest.approx(10_000)
    assert row["ratio_cpu"] == pytest.approx(2.0)
    [row] = starts.solver((4, 8), 1 / 3, rounds=1)
    assert row["work"].endswith("a third of them chance")

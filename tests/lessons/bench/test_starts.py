"""Starts in processes of their own."""

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

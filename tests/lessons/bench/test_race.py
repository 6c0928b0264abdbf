"""Two ways in turns: who is timed when, and what the record says of it."""

from dpoq_lab.lessons.bench import race
from dpoq_lab.lessons.bench.race import Cost, Race, record, run


def test_a_record_by_hand():
    """Ratios turn by turn, theirs over ours: 2, 3, 1/2 of the processor; the median is of ratios."""
    ours = [Cost(1.0, 2.0, 100.0), Cost(2.0, 2.0, 130.0), Cost(4.0, 2.0, None)]
    theirs = [Cost(2.0, 1.0, 90.0), Cost(6.0, 4.0, 80.0), Cost(2.0, 6.0, 70.0)]
    assert record("w", "p", ours, theirs, {"apart": 0.5}) == {
        **{"work": "w", "peer": "p", "apart": 0.5, "rounds": 3},
        **{"ours_cpu": 2.0, "theirs_cpu": 2.0, "ratio_cpu": 2.0, "ratio_cpu_spread": [0.5, 3.0]},
        **{"ours_wall": 2.0, "theirs_wall": 4.0, "ratio_wall": 2.0, "ratio_wall_spread": [0.5, 3.0]},
        **{"ours_peak": 130.0, "theirs_peak": 90.0},
    }


def test_turns_alternate_after_a_first_that_warms_up_and_is_compared():
    turns = []
    found = run(
        Race(
            "w", "p", lambda: turns.append("o") or 5, lambda: turns.append("t") or 7, lambda a, b: b - a, 1.0
        ),
        rounds=3,
    )
    assert "".join(turns) == "ot" + "to" + "ot" + "to"
    assert (found["apart"], found["close"], found["rounds"]) == (2, 1.0, 3)


def test_a_cost_is_of_the_work_alone():
    spent, result = race.cost(lambda: sum(range(2_000_000)))
    assert result == 1_999_999_000_000
    assert 0 < spent.cpu < 5
    assert spent.peak is None or spent.peak > 10
    before = race.cost(lambda: bytearray(200 * 2**20))[0].peak
    after = race.cost(lambda: None)[0].peak
    assert before is None or before > after + 150  # the peak of one turn is no peak of the next


def test_without_what_linux_tells_there_is_no_peak(monkeypatch, tmp_path):
    monkeypatch.setattr(race, "STATUS", tmp_path / "none")
    monkeypatch.setattr(race, "CLEAR", tmp_path / "none" / "neither")
    assert race.cost(lambda: 1)[0].peak is None

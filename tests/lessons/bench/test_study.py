"""The races at their smallest: each way does the same work."""

import json

import pytest

from dpoq_lab.commands.cli import main
from dpoq_lab.lessons.bench.study import SIZES, beams, exact, random_pairs, scoring, table


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("races", [beams, scoring, exact])
def test_both_ways_agree(races):
    for row in races(SIZES["ci"], 1):
        assert row["apart"] <= row["close"]
        assert row["ratio_cpu"] > 0


def test_random_pairs_have_one_prompt_and_two_replies():
    first, second = random_pairs(2, 7, 3, 50)
    assert first.chosen.prompt_ids == first.rejected.prompt_ids != second.chosen.prompt_ids
    assert {len(first.chosen.prompt_ids), len(first.chosen.ids), len(second.rejected.ids)} == {7, 3}
    assert first.chosen.ids != first.rejected.ids


def test_a_row_that_does_not_agree_says_so():
    row = {
        **{"work": "w", "peer": "p", "ratio_cpu": 1.25, "ratio_cpu_spread": [1.0, 1.5], "ratio_wall": 2.0},
        **{"ours_cpu": 0.125, "theirs_cpu": 3.25},
        **{"ours_peak": 12.0, "theirs_peak": None, "close": 1e-5},
    }
    good, bad = table([row | {"apart": 1e-6}, row | {"apart": 0.1}]).splitlines()[1:]
    assert good.split() == [
        "w",
        "p",
        "0.125",
        "3.25",
        "1.25",
        "1.00",
        "to",
        "1.50",
        "2.00",
        "12",
        "0",
        "1.0e-06",
    ]
    assert bad.endswith("1.0e-01 (not equal)")


@pytest.mark.trl
@pytest.mark.filterwarnings("ignore")
def test_a_step_is_trls_and_the_record_is_kept(tmp_path, capsys):
    pytest.importorskip("trl", reason="TRL is not installed; it comes with the extra `bench`")
    assert main(["study", "bench", "--preset", "ci", "--seeds", "1", "--out", str(tmp_path)]) == 0
    rows = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert len(rows) == 13
    for row in rows:
        assert row["apart"] <= row["close"]
        assert row.get("gradient_apart", 0.0) < (0.05 if row["peer"] == "TRL as it comes" else 1e-4)
    by_work = {row["work"]: row for row in rows}
    assert by_work["import dpoq_lab"]["ours_cpu"] < 0.05
    assert by_work["dpoq-lab --help"]["ours_cpu"] < by_work["dpoq-lab --help"]["theirs_cpu"] / 10
    assert "not equal" not in capsys.readouterr().out

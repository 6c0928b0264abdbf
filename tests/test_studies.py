"""Statistics over seeds by hand, and the record that a study leaves."""

import json
import math
import time

import pytest

from dpoq_lab.studies import across, across_tables, over_seeds, plus_minus, study_options, write_record


def test_an_interval_over_five_seeds_uses_students_t():
    """Values 1 to 5: sd sqrt(2.5), and t = 2.776 at four degrees of freedom."""
    found = over_seeds([1, 2, 3, 4, 5])
    assert (found["mean"], found["sd"]) == (3, pytest.approx(math.sqrt(2.5)))
    assert found["half_95"] == pytest.approx(2.7764 * math.sqrt(2.5) / math.sqrt(5), rel=1e-4)


def test_one_seed_has_no_interval():
    found = over_seeds([2.0])
    assert found["mean"] == 2.0
    assert math.isnan(found["half_95"])


def test_tables_of_seeds_keep_names_and_measures():
    rows = [{"a": 1.0, "b": 5.0}, {"a": 3.0, "b": 5.0}]
    assert across(rows) == {"a": over_seeds([1.0, 3.0]), "b": over_seeds([5.0, 5.0])}
    assert across_tables([{"row": row} for row in rows]) == {"row": across(rows)}


def test_a_row_as_text():
    assert plus_minus({"mean": 0.1234, "half_95": 0.056}) == "0.12 ± 0.06"
    assert plus_minus({"mean": 0.1234, "half_95": 0.056}, "+") == "+0.12 ± 0.06"


def test_a_record_says_how_long_it_took_and_where_it_comes_from(tmp_path):
    write_record(tmp_path / "new" / "found.json", {"table": 1}, time.perf_counter() - 2)
    record = json.loads((tmp_path / "new" / "found.json").read_text())
    assert record["table"] == 1
    assert record["seconds"] >= 2
    assert "commit" in record["provenance"]


def test_a_study_refuses_a_preset_that_it_lacks(tmp_path, capsys):
    assert study_options("x", ["--out", str(tmp_path)], ("ci", "laptop")).seeds == 5
    with pytest.raises(SystemExit):
        study_options("x", ["--out", str(tmp_path), "--preset", "gpu"], ("ci", "laptop"))
    assert "gpu" in capsys.readouterr().err

"""A study is run at a preset, over seeds, and leaves a record that says where it comes from."""

import json

import pytest

from dpoq_lab.commands.cli import main
from dpoq_lab.commands.study import STUDIES, find_study
from dpoq_lab.lessons.study import Study, run_study


def test_a_record_holds_what_was_measured_how_long_it_took_and_where_it_comes_from(tmp_path):
    def measure(size, seeds, out):
        assert out.is_dir()
        return {"table": size * seeds}, "a table"

    study = Study("a test", measure, {"ci": 10, "laptop": 100})
    assert run_study(study, "found", tmp_path / "new", seeds=3, preset="ci") == "a table"
    record = json.loads((tmp_path / "new" / "found.json").read_text())
    assert (record["seeds"], record["table"]) == (3, 30)
    assert record["seconds"] >= 0
    assert "commit" in record["provenance"]


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_a_size_for_a_laptop_and_says_what_it_is_about(name):
    study = find_study(name)
    assert "laptop" in study.sizes
    assert study.about


def test_a_study_refuses_a_preset_that_it_lacks(tmp_path, capsys):
    assert main(["study", "sweep", "--out", str(tmp_path / "no"), "--preset", "gpu"]) == 2
    assert capsys.readouterr().err == "dpoq-lab: error: study sweep has no preset 'gpu', only laptop\n"
    assert not (tmp_path / "no").exists()


def test_an_unknown_study_is_misuse(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["study", "nothing", "--out", str(tmp_path)])
    assert stopped.value.code == 2
    assert "solver-speed" in capsys.readouterr().err

"""The study of the solver's speed."""

import json

import pytest

from dpoq_lab.commands.cli import main
from dpoq_lab.lessons.l01_token_mdp.speed_study import growth


def test_growth_is_seconds_a_node_of_the_largest_over_the_middle_tree():
    assert growth([(1, 9.0, 0), (10, 1.0, 0), (40, 8.0, 0)]) == pytest.approx(2.0)


def test_the_command_prints_a_row_for_each_tree_and_the_ratio(tmp_path, capsys):
    assert main(["study", "solver-speed", "--out", str(tmp_path), "--seeds", "1", "--preset", "ci"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["15", "63", "255"]
    assert "seconds a node" in lines[-1]
    assert [row["nodes"] for row in json.loads((tmp_path / "solver-speed.json").read_text())["rows"]] == [
        15,
        63,
        255,
    ]

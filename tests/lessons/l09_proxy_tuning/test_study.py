"""The proxy study: its command, and what lesson 09 says of the stored table."""

import json

import pytest

from dpoq_lab.commands.cli import main
from dpoq_lab.lessons.l09_proxy_tuning import study as proxy_study
from dpoq_lab.lessons.l09_proxy_tuning.figures import lambda_figure
from dpoq_lab.lessons.l09_proxy_tuning.study import LAMBDAS, PROXIES
from dpoq_lab.lessons.study import stored_record


def test_the_command_writes_table_and_base(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(proxy_study, "N", 2)
    main(["study", "proxy", "--out", str(tmp_path), "--seeds", "2", "--preset", "ci"])
    assert set(json.loads((tmp_path / "proxy.json").read_text())["table"]) == {"64 x 2", "96 x 3"}
    assert (tmp_path / "base-96x3" / "model.safetensors").is_file()
    assert "lambda 0.5" in capsys.readouterr().out


def test_what_the_lesson_says_of_the_table():
    row = stored_record("order-notes-proxy", "proxy")["table"]["96 x 3"]
    steered = {lam: row[f"DPO from SFT, lambda {lam:g}"]["mean"] for lam in LAMBDAS}
    own = row["SFT and DPO of the base itself"]
    assert steered[1.0] - steered[0.0] > 3
    assert abs(steered[1.5] - own["mean"]) < own["half_95"]
    assert steered[1.0] > row["best of 16 by DPO from SFT"]["mean"]
    assert max(steered, key=steered.get) == 1.5
    assert steered[3.0] < steered[1.5] - 1
    delta_alone = row["DPO from base, lambda 1"]["mean"]
    assert steered[0.0] < delta_alone < steered[1.0]


def test_the_figure_has_a_line_a_proxy_and_the_tuned_level():
    row = stored_record("order-notes-proxy", "proxy")["table"]["96 x 3"]
    figure = lambda_figure(row, LAMBDAS, PROXIES)
    assert list(figure.data) == [*PROXIES, "tuned itself"]
    assert figure.data[PROXIES[0]].x == LAMBDAS
    assert figure.data[PROXIES[0]].y[0] == pytest.approx(
        figure.data[PROXIES[1]].y[0]
    )  # lambda 0 is the base in both

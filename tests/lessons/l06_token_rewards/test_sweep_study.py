"""The sweep: its figures are those of its runs, and the explorer shows the run that is chosen."""

import json

import pytest
from hand_made import texts

from dpoq_lab.commands.cli import main
from dpoq_lab.lessons.l06_token_rewards import sweep_study
from dpoq_lab.lessons.l06_token_rewards.sweep_explorer import CreditExplorer, pairs_needed
from dpoq_lab.lessons.l06_token_rewards.sweep_study import AXES, POINTS, Point
from dpoq_lab.lessons.study import stored_record
from dpoq_lab.order_notes.recipe import stored_policies


@pytest.fixture(scope="module")
def sft():
    return stored_policies().models["SFT"]


@pytest.fixture
def explorer(sft):
    return CreditExplorer(sft, live_steps=2, held_out=6)


def test_every_axis_passes_through_the_default_point():
    assert all(Point() in points for points in AXES.values())
    assert len(POINTS) == sum(map(len, AXES.values())) - 2


def test_the_command_writes_every_point(tmp_path, monkeypatch, capsys):
    few = [Point(pairs=40, steps=2), Point(beta=1.0, pairs=40, steps=2)]
    monkeypatch.setitem(sweep_study.STUDY.sizes, "laptop", few)
    monkeypatch.setattr(sweep_study, "HELD_OUT", 8)
    main(["study", "sweep", "--out", str(tmp_path), "--seeds", "2"])
    record = json.loads((tmp_path / "sweep.json").read_text())
    assert [row["point"]["beta"] for row in record["points"]] == [0.5, 1.0]
    assert len(record["points"][0]["table"]["auroc"]["values"]) == 2
    assert [len(row) for row in record["points"][0]["rewards"]] == [
        len(tokens) for tokens in record["tokens"]
    ]
    assert "beta=1.0" in capsys.readouterr().out


def test_what_the_lesson_says_of_the_sweep():
    record = stored_record("order-notes-sweep", "sweep")
    found = {Point(**row["point"]): row["table"] for row in record["points"]}
    surprisal = record["surprisal"]["precision_at_1"]

    def at(measure, **changed):
        row = found[Point(**changed)][measure]
        return row["mean"], row["half_95"]

    few, half = at("precision_at_1", pairs=20)
    assert few + half < surprisal
    assert at("precision_at_1", pairs=500)[0] == pytest.approx(at("precision_at_1")[0], abs=0.02)
    one, half = at("precision_at_1", steps=1)
    assert one - half > surprisal
    assert all(at("precision_at_1", beta=beta)[0] > 0.98 for beta in (0.1, 0.25, 0.5, 1.0, 3.0))
    assert at("kl_ref_pi_sum", beta=0.1)[0] > 5 * at("kl_ref_pi_sum", beta=3.0)[0]


def test_a_late_move_beyond_the_fewer_values_of_another_axis_goes_to_the_last_of_them(explorer):
    explorer.axis.value = "pairs"
    explorer.step.set_state({"index": len(AXES["beta"]) - 1})  # as a page that has not heard of it does
    assert explorer.step.value == AXES["pairs"][-1]
    assert explorer.picture.data["chosen"].x == [len(AXES["pairs"]) - 1]


def test_moving_the_sliders_moves_the_marker_the_reading_and_the_tokens(explorer):
    assert {"0.1", "0.25", "0.5", "1.0", "3.0"} <= set(texts(explorer.picture.figure))
    before = explorer.view.value
    explorer.axis.value = "pairs"
    assert {"20", "100", "500", "2000"} <= set(texts(explorer.picture.figure))
    assert "20 pairs" in explorer.picture.reading
    explorer.step.index = 2
    assert explorer.picture.data["chosen"].x == [2]
    assert explorer.picture.data["chosen"].y == [explorer.picture.data["stored runs"].y[2]]
    assert explorer.view.value != before
    explorer.measure.value = "kl_ref_pi_sum"
    assert "KL(pi_ref||pi) a reply, nats" in texts(explorer.picture.figure)
    assert explorer.picture.data["reference's surprisal"].y == [None] * 4  # surprisal has no KL
    explorer.reply.value = 1
    assert explorer._record["tokens"][1][3] in explorer.view.value


def test_a_run_is_trained_live_and_shown_beside_the_stored_one(explorer):
    explorer.axis.value = "pairs"
    explorer.train.click()
    assert "Live: beta 0.5, 20 pairs, 2 steps" in explorer.picture.reading
    assert "live run" in explorer.view.value
    assert 0 <= explorer.picture.data["live"].y[0] <= 1


def test_how_many_pairs_it_takes_depends_on_the_measure_and_is_said_at_the_fewest(explorer):
    assert pairs_needed(explorer) is None
    explorer.axis.value = "pairs"
    explorer.step.index = 2
    assert pairs_needed(explorer) is None
    explorer.step.index = 0
    assert pairs_needed(explorer) == "20 pairs"
    explorer.measure.value = "auroc"
    assert pairs_needed(explorer) == "100 pairs"
    explorer.measure.value = "accuracy"
    assert pairs_needed(explorer) is None  # surprisal ranks no pairs
    explorer.measure.value = "precision_at_1"
    explorer._record["surprisal"]["precision_at_1"] = 0.5
    assert pairs_needed(explorer) == "never: 20 pairs are better"

"""The comparison with A*: a policy that is pi* scores 1, and the stored models give the stored figures."""

import json

import numpy as np
import pytest

from dpoq_lab.commands.cli import main
from dpoq_lab.lessons.l06_token_rewards import advantage_study, telegrams
from dpoq_lab.lessons.l06_token_rewards.advantage_study import (
    Credit,
    compare,
    correlation,
    credit_of,
    held_out,
    stored_telegrams,
    within,
)
from dpoq_lab.paths import data_folder
from dpoq_lab.theory.soft_bellman import implicit_reward, solve


def test_the_optimum_itself_is_at_distance_zero_and_correlates_with_pay_alone_less_than_with_A():
    log_pi = np.log(np.random.default_rng(0).uniform(0.2, 0.5, (16, 5)))
    log_pi[:, 0] = np.repeat(log_pi[[0, 8], 0], 8)  # replies that share a state share its probabilities
    mdp, _ = telegrams.tree(log_pi, 0.5)
    r = telegrams.reward()
    A = implicit_reward(mdp, solve(mdp, r).pi)
    found = compare([Credit(A, A, r, 0.0)])
    assert found["rms_distance_to_A"] == 0
    assert found["correlation_with_A"] == found["correlation_with_A_within_pay"] == pytest.approx(1)
    assert found["correlation_with_pay"] < 1


def test_within_takes_away_what_the_group_explains():
    x, group = np.array([1.0, 3.0, 10.0, 20.0]), np.array([0, 0, 1, 1])
    assert within(x, group).tolist() == [-1, 1, -5, 5]
    assert correlation(x, -x) == pytest.approx(-1)


def test_the_command_writes_table_and_models(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(advantage_study.STUDY.sizes, "ci", (1, 1))
    monkeypatch.setattr(advantage_study, "NOTES", 64)
    monkeypatch.setattr(advantage_study, "PAIRS", 64)
    monkeypatch.setattr(advantage_study, "PROMPTS", 2)
    main(["study", "advantage", "--out", str(tmp_path), "--seeds", "2", "--preset", "ci"])
    assert "correlation with A" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "advantage.json").read_text())["table"]["r_of_hastily"]["values"]) == 2
    stored_telegrams(tmp_path)


def test_the_stored_models_give_the_stored_figures_of_their_seed():
    record = json.loads((data_folder() / "runs" / "telegrams" / "advantage.json").read_text())
    models = stored_telegrams()
    found = compare([credit_of(of, *models) for of in held_out(100, 0)])
    for name, value in found.items():
        assert value == pytest.approx(record["table"][name]["values"][0], abs=1e-3)


def test_what_the_lesson_says_of_the_stored_record():
    table = json.loads((data_folder() / "runs" / "telegrams" / "advantage.json").read_text())["table"]

    def interval(name):
        return table[name]["mean"] - table[name]["half_95"], table[name]["mean"] + table[name]["half_95"]

    assert interval("correlation_with_A")[0] > 0.9
    assert interval("correlation_with_A_within_pay")[0] > 0.3
    assert interval("rms_distance_to_A")[1] < interval("rms_distance_to_pay")[0]
    assert interval("r_of_hastily")[1] < -0.3

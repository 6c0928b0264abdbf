"""The control task is solved exactly, its labels follow regret, and the start decides where rewards go."""

import json
import math

import pytest
import torch

from dpoq_lab.commands.cli import main
from dpoq_lab.lessons.l08_reference_policy.cpl import (
    ALPHA,
    COST_A,
    COST_S,
    GAMMA,
    LENGTH,
    GaussianPolicy,
    clone,
    cpl_table,
    discounted,
    gaussian_log_prob,
    measure_seed,
    optimal_advantage,
    regret_pairs,
    riccati,
    task_return,
)
from dpoq_lab.lessons.study import stored_record


def test_the_optimum_solves_its_equation():
    """V = -P|s|^2 + c, and a = -K s is the least of COST_A a^2 + (COST_S + gamma P)(s + a)^2."""
    P, M, K = riccati()
    assert pytest.approx(COST_A * K**2 + (COST_S + GAMMA * P) * (1 - K) ** 2) == P
    assert pytest.approx(COST_A + COST_S + GAMMA * P) == M


def test_the_advantage_is_q_less_v_on_a_grid():
    """One dimension: Q = r + gamma V(s') up to gamma c, V = alpha log of the integral of e^{Q/alpha}."""
    P, M, K = riccati()
    s, a = 1.3, torch.linspace(-8, 8, 20001, dtype=torch.float64)
    Q = -(COST_S * (s + a) ** 2 + COST_A * a**2) - GAMMA * P * (s + a) ** 2
    V = ALPHA * torch.logsumexp(Q / ALPHA + math.log(a[1] - a[0]), dim=0)
    expected = ALPHA * gaussian_log_prob(a[:, None], torch.tensor([-K * s]), ALPHA / (2 * M))
    assert torch.allclose(Q - V, expected, atol=1e-6)


def test_the_advantage_of_the_plane_is_that_of_two_lines():
    _, M, K = riccati()
    a = torch.tensor([0.4, -0.1])
    lines = [ALPHA * gaussian_log_prob(x[None], torch.tensor([-K * 1.3]), ALPHA / (2 * M)) for x in a]
    both = optimal_advantage(torch.tensor([1.3, 1.3]), a)
    assert both.item() == pytest.approx(sum(lines).item(), rel=1e-5)


def test_labels_are_drawn_by_regret():
    data = regret_pairs(2000, 0)
    assert data.s.shape == data.a.shape == (2, 2000, LENGTH, 2)
    chosen, rejected = discounted(optimal_advantage(data.s, data.a))
    gap = chosen - rejected
    assert (gap > 0)[gap.abs() > 3].float().mean() > 0.95
    close = gap.abs() < 0.5
    expected = torch.sigmoid(gap[close].abs()).mean().item()  # draws, not verdicts
    assert (gap > 0)[close].float().mean().item() == pytest.approx(expected, abs=0.1)


def test_states_follow_actions_and_a_segment_stays_whole():
    data = regret_pairs(10, 0)
    assert torch.allclose(data.s[:, :, 1:], data.s[:, :, :-1] + data.a[:, :, :-1], atol=1e-6)


def test_no_other_gain_has_a_larger_return():
    K = riccati()[2]
    best = task_return(lambda s: -K * s)
    assert best > max(task_return(lambda s, k=k: -k * s) for k in (0.5 * K, 0.9 * K, 1.1 * K, 1.0))


def test_cloning_raises_the_likelihood_of_what_it_copies():
    data, policy = regret_pairs(200, 0), GaussianPolicy(0)
    before = policy.log_prob(data.s, data.a).mean().item()
    clone(policy, data.s, data.a, 100)
    assert policy.log_prob(data.s, data.a).mean().item() > before + 1


def test_the_start_decides_where_rewards_go():
    rows = measure_seed(7, pairs=200, cloning_steps=200, cpl_steps=150)
    changes = {name: row["chosen_change"] for name, row in rows.items()}
    assert changes["no cloning"] > changes["cloned all"] > 0 > changes["cloned chosen"]
    assert all(row["chosen_change"] > row["rejected_change"] for row in rows.values())
    assert rows["no cloning"]["return_after"] > rows["no cloning"]["return_before"]


def test_the_command_writes_every_start(tmp_path, capsys):
    main(["study", "cpl", "--out", str(tmp_path), "--seeds", "2", "--preset", "ci"])
    record = json.loads((tmp_path / "cpl.json").read_text())
    assert len(record["starts"]["cloned all"]["mean_curves"]["chosen"]) == 10
    assert str(cpl_table(record)) in capsys.readouterr().out


def test_what_the_lesson_says_of_the_stored_record():
    rows = stored_record("cpl", "cpl")["starts"]
    change = {name: row["chosen_change"] for name, row in rows.items()}
    assert change["cloned chosen"]["mean"] + change["cloned chosen"]["half_95"] < 0
    assert change["cloned all"]["mean"] - change["cloned all"]["half_95"] > 0
    assert change["no cloning"]["mean"] - change["no cloning"]["half_95"] > 0
    assert all(row["rejected_change"]["mean"] < 0.01 for row in rows.values())

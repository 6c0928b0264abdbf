"""Figures: what is drawn is what was measured."""

import numpy as np
import pytest

from dpoq_lab.figures import (
    against_advantage,
    dpo_loss_figure,
    draw_dpo_loss,
    reading_of_curves,
    training_curves,
)

LOG = [
    {
        "step": step,
        "chosen_reward_sum": 0.1 * step,
        "rejected_reward_sum": -0.2 * step,
        "margin_sum": 0.3 * step,
    }
    for step in range(3)
]


def test_training_curves_hold_the_metrics():
    chosen, rejected, margin = training_curves(LOG).data
    assert list(chosen.y) == [0.0, 0.1, 0.2]
    assert list(rejected.y) == [0.0, -0.2, -0.4]
    assert list(margin.x) == [0, 1, 2]
    assert len({trace.line.dash for trace in (chosen, rejected, margin)}) == 3  # told apart without colour


def test_training_curves_can_start_empty():
    assert all(len(trace.x) == 0 for trace in training_curves([]).data)


def test_the_reading_says_the_last_numbers():
    assert reading_of_curves(LOG) == "Step 2: chosen reward +0.20, rejected -0.40, margin +0.60 nats."


def test_dpo_loss_is_ln_2_at_0_for_every_beta():
    figure = dpo_loss_figure()
    for beta in (0.1, 1.0):
        draw_dpo_loss(figure, beta, 0.0)
        assert figure.data[2].y[0] == pytest.approx(0.6931472)
        assert figure.data[1].y[100] == pytest.approx(beta / 2)


@pytest.mark.parametrize(("beta", "difference"), [(0.1, 0.0), (0.6, -12.5), (1.0, -20.0)])
def test_the_pair_is_in_view_however_wrongly_it_is_ranked(beta, difference):
    figure = dpo_loss_figure()
    draw_dpo_loss(figure, beta, difference)
    low, high = figure.layout.yaxis.range
    assert low <= figure.data[2].y[0] < high


def test_no_figure_is_lower_than_its_margins():
    for figure in (training_curves(LOG), dpo_loss_figure()):
        margin = figure.layout.margin
        assert figure.layout.height > margin.t + margin.b + 100


def test_learned_rewards_are_drawn_against_advantages_by_what_was_paid():
    A, r = np.array([-1.9, 0.3, -0.5]), np.array([-1.0, 1.0, 0.0])
    figure = against_advantage(A + 0.1, A, r)
    assert figure.data[0].x == (-1.9, 0.3)
    assert {trace.name: tuple(trace.x) for trace in figure.data[1:]} == {
        "paid -1": (-1.9,),
        "paid +0": (-0.5,),
        "paid +1": (0.3,),
    }

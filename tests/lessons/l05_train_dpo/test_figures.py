"""Lesson 05's figures: what is drawn is what was measured."""

import pytest

from dpoq_lab.lessons.l05_train_dpo.figures import (
    dpo_loss_figure,
    draw_dpo_loss,
    draw_rewards,
    reading_of_curves,
)
from dpoq_lab.views.figures import pair_curves

LOG = [
    {
        "step": step,
        "chosen_reward_sum": 0.1 * step,
        "rejected_reward_sum": -0.2 * step,
        "margin_sum": 0.3 * step,
    }
    for step in range(3)
]


def test_the_curves_hold_the_metrics_and_grow_from_nothing():
    figure = pair_curves("nats")
    assert all(len(trace.x) == 0 for trace in figure.data)
    draw_rewards(figure, LOG)
    chosen, rejected, margin = figure.data
    assert list(chosen.y) == [0.0, 0.1, 0.2]
    assert list(rejected.y) == [0.0, -0.2, -0.4]
    assert list(margin.y) == pytest.approx([0.0, 0.3, 0.6])
    assert list(margin.x) == [0, 1, 2]


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


def test_the_figure_is_higher_than_its_margins():
    layout = dpo_loss_figure().layout
    assert layout.height > layout.margin.t + layout.margin.b + 100

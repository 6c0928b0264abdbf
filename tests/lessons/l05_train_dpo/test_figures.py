"""Lesson 05's figures: what is drawn is what was measured."""

import pytest
from hand_made import elements, texts

from dpoq_lab.lessons.l05_train_dpo.figures import curves_of, dpo_loss_figure, reward_curves, runs_figure

LOG = [{"chosen_reward_sum": 0.1 * step, "rejected_reward_sum": -0.2 * step} for step in range(3)]


def test_the_curves_hold_the_metrics_and_say_their_ends():
    figure = reward_curves(LOG)
    chosen, rejected, margin = figure.data.values()
    assert list(chosen.y) == [0.0, 0.1, 0.2]
    assert list(rejected.y) == [0.0, -0.2, -0.4]
    assert list(margin.y) == pytest.approx([0.0, 0.3, 0.6])
    assert list(margin.x) == [0, 1, 2]
    assert "chosen +0.00 to +0.20, rejected +0.00 to \u22120.40, margin +0.00 to +0.60" in figure.reading


def test_a_run_without_a_step_says_so():
    assert "no step yet" in reward_curves([]).reading


def test_the_curves_of_metrics_are_loss_chosen_and_rejected():
    rows = [{"loss_mean": 0.5 + k, "chosen_reward_sum": k, "rejected_reward_sum": -k} for k in range(2)]
    assert curves_of(rows) == ([0.5, 1.5], [0, 1], [0, -1])
    figure = runs_figure({"a run": curves_of(rows), "another": ([0.7, 0.6], [0, 0.1], [0, 0.3])})
    assert figure.reading == "Loss at step 0 and at the last: a run 0.500 to 1.500; another 0.700 to 0.600."
    assert list(figure.data["a run"]["chosen"].y) == [0, 1]
    assert list(figure.data["another"]["rejected"].y) == [0, 0.3]
    assert "loss 0.700 at step 0, 0.600 at the last" in texts(figure)


def test_dpo_loss_is_ln_2_at_0_for_every_beta():
    for beta in (0.1, 1.0):
        data = dpo_loss_figure(beta, 0.0).data
        assert data["this pair"].y[0] == pytest.approx(0.6931472)
        assert data["push beta sigma(-beta d)"].y[100] == pytest.approx(beta / 2)
        assert data["loss -log sigma(beta d)"].y[100] == pytest.approx(0.6931472)


@pytest.mark.parametrize(("beta", "difference"), [(0.1, 0.0), (0.6, -12.5), (1.0, -20.0)])
def test_the_pair_is_in_view_however_wrongly_it_is_ranked(beta, difference):
    figure = dpo_loss_figure(beta, difference)
    dot, _ = elements(figure, "path", "dpoq-dot")  # the other is the key's
    x, y = (float(part) for part in dot.get("transform")[10:-1].split(","))
    assert 70 < x < figure.width
    assert 40 < y < figure.height - 50

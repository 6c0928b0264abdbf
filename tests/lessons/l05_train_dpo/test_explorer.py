"""Lesson 05's explorer: the loss of one pair, and the push that a prediction is judged by."""

import pytest

from dpoq_lab.lessons.l05_train_dpo.explorer import LossExplorer, push_changed


def test_loss_explorer_by_hand():
    """beta 0.5 and d = 2: loss log(1 + e^-1) = 0.3133, push 0.5 / (1 + e) = 0.1345."""
    explorer = LossExplorer()
    explorer.beta.value, explorer.difference.value = 0.5, 2.0
    assert "loss 0.313" in explorer.picture.reading
    assert "0.134" in explorer.picture.reading
    assert list(explorer.picture.data["this pair"].x) == [2.0]
    assert explorer.pushes()[2.0] == pytest.approx(0.1345, abs=1e-4)
    assert explorer.opening[0.0] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("opening", "outcome"),
    [
        (0.1, "smaller"),  # 0.0269 to 0.0033
        (0.54, "larger, but less than five times"),  # 0.0024 to 0.0033
        (1.0, "five times as large or more"),  # 0.00005 to 0.0033
    ],
)
def test_the_prediction_is_judged_by_the_push_at_the_asked_d(opening, outcome):
    explorer = LossExplorer(opening)
    assert push_changed(explorer) is None
    explorer.beta.value = 0.5
    assert push_changed(explorer) is None
    explorer.difference.value = 9.5
    assert push_changed(explorer) is None
    explorer.difference.value = 10.0
    assert push_changed(explorer) == outcome
    explorer.beta.value = 0.6
    assert push_changed(explorer) is None

"""Lesson 05's explorer: the loss of one pair."""

from dpoq_lab.lessons.l05_train_dpo.explorer import LossExplorer


def test_loss_explorer_by_hand():
    """beta 0.5 and d = 2: loss log(1 + e^-1) = 0.3133, push 0.5 / (1 + e) = 0.1345."""
    explorer = LossExplorer()
    explorer.beta.value, explorer.difference.value = 0.5, 2.0
    assert "loss 0.313" in explorer.picture.reading
    assert "0.134" in explorer.picture.reading
    assert list(explorer.picture.data["this pair"].x) == [2.0]

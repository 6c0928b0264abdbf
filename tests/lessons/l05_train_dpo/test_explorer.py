"""Lesson 05's explorer: the loss of one pair."""

import numpy as np

from dpoq_lab.lessons.l05_train_dpo.explorer import LossExplorer


def test_loss_explorer_by_hand():
    """beta 0.5 and d = 2: loss log(1 + e^-1) = 0.3133, push 0.5 / (1 + e) = 0.1345."""
    explorer = LossExplorer()
    explorer.beta.value, explorer.difference.value = 0.5, 2.0
    assert "loss 0.313" in explorer.reading.value
    assert "0.134" in explorer.reading.value
    assert list(explorer.figure.data[2].x) == [2.0]


def test_the_live_figure_holds_no_array():
    """Of an array the page sends a part back that plotly cannot handle: an error, now and then."""
    for trace in LossExplorer().figure.data:
        assert not isinstance(trace.x, np.ndarray)
        assert not isinstance(trace.y, np.ndarray)

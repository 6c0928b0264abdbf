"""Lesson 10's picture: a cliff at the breaking step if nothing is mended, at the last one if much is."""

import numpy as np

from dpoq_lab.lessons.l10_reasoning.picture import REPAIRS, chain_figure, frames


def test_the_blame_moves_from_the_first_step_to_the_last_as_repair_grows():
    assert [int(np.argmin(frame.data["credit"]["A*"])) for frame in frames()] == [0, 0, 2, 2, 2]
    assert len(frames()) == len(REPAIRS)
    assert frames()[0].reading.startswith("Repair 0.02: broken at step 1, blamed at step 1")
    assert frames()[-1].reading.startswith("Repair 0.30: broken at step 1, blamed at step 3")


def test_the_staircase_falls_by_the_credit_and_ends_at_what_is_paid():
    for frame in frames():
        assert abs(np.diff(frame.data["values"]) - frame.data["credit"]["A*"]).max() < 1e-12
        assert frame.data["values"][-1] == -1
    assert chain_figure(0.02, (1, 0, 0)).data["values"][-1] == 1


def test_a_chain_that_ends_right_blames_nobody():
    right = chain_figure(0.02, (0, 0, 0))
    assert "it ends right" in right.reading
    assert "blamed most" not in right.body


def test_no_frame_is_larger_than_another():
    assert len({(frame.width, frame.height) for frame in frames()}) == 1

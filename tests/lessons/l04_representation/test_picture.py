"""Lesson 04's picture: what is drawn is the exact solver's, and the axes and the credit stand still."""

import numpy as np
from hand_made import elements, texts
from numpy.testing import assert_allclose

from dpoq_lab.lessons.l04_representation.picture import PAIR, frames, members
from dpoq_lab.theory.example_trees import polite_tree
from dpoq_lab.theory.soft_bellman import implicit_reward, solve
from dpoq_lab.theory.token_mdp import largest

FRAMES = frames()
mdp, r = polite_tree()


def test_pay_and_values_move_and_credit_and_preference_do_not():
    for role in ("chosen", "rejected"):
        drawn = [frame.data[role] for frame in FRAMES]
        for name in ("A*", "pi*"):
            assert_allclose([x[name] for x in drawn], np.tile(drawn[0][name], (len(drawn), 1)), atol=1e-12)
        assert all(abs(x["r"] - y["r"]).max() > 0.1 for x, y in zip(drawn, drawn[1:], strict=False))
    assert_allclose([frame.data["p"] for frame in FRAMES], 1 / (1 + np.exp(-1)), atol=1e-12)
    assert largest(members()[3][1], r) == 0


def test_the_first_frame_pays_at_the_end_and_the_last_pays_the_advantage():
    assert FRAMES[0].data["chosen"]["r"].tolist() == [0, 0, 1]
    last = FRAMES[-1].data
    for role in ("chosen", "rejected"):
        assert_allclose(last[role]["r"], last[role]["A*"], atol=1e-12)
        assert_allclose(last[role]["V*"], 0, atol=1e-12)
    A = implicit_reward(mdp, solve(mdp, r).pi)
    assert_allclose(last["chosen"]["A*"], [A[0][0, 1], A[1][1, 0], A[2][2, 2]], atol=1e-12)
    assert "A* by 0.00" in FRAMES[-1].reading


def test_the_frames_have_one_size_and_a_reading_each_and_every_number_is_written():
    assert len({(frame.width, frame.height) for frame in FRAMES}) == 1
    assert FRAMES[0].width <= 1080
    assert FRAMES[0].height <= 560
    assert len({frame.reading for frame in FRAMES}) == len(FRAMES)
    for frame in FRAMES:
        assert len(elements(frame, "rect", "dpoq-bar")) == 12
        shown = texts(frame)
        assert {f"chosen: {PAIR[0]}", f"rejected: {PAIR[1]}"} <= set(shown)
        assert sum(text[:1] in "+\u2212" and text[1:2].isdigit() for text in shown) == 12 + 8

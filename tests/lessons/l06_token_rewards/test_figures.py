"""Lesson 06's figure: what is drawn is what was measured."""

import numpy as np

from dpoq_lab.lessons.l06_token_rewards.figures import against_advantage


def test_learned_rewards_are_drawn_against_advantages_by_what_was_paid():
    A, r = np.array([-1.9, 0.3, -0.5]), np.array([-1.0, 1.0, 0.0])
    figure = against_advantage(A + 0.1, A, r)
    assert figure.data[0].x == (-1.9, 0.3)
    assert {trace.name: tuple(trace.x) for trace in figure.data[1:]} == {
        "paid -1": (-1.9,),
        "paid +0": (-0.5,),
        "paid +1": (0.3,),
    }

"""Lesson 02's picture: each frame shows what is solved exactly, and nothing before it is worked out."""

import numpy as np
from hand_made import texts

from dpoq_lab.lessons.l02_from_r_to_q.picture import STATE, C, frames, shifted, two_tokens
from dpoq_lab.theory.token_mdp import flat, trajectory_sums
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.trees import FELL, OPEN, ROSE, STAYED

FRAMES = frames()
MDP, Q = two_tokens()
(R_0, BEFORE), (R_1, AFTER) = shifted(MDP, Q, STATE, 0.0), shifted(MDP, Q, STATE, C)


def looks(step):
    return FRAMES[step].data["at not"].looks()


def test_the_frames_have_one_size_and_a_reading_each():
    assert len({(frame.width, frame.height) for frame in FRAMES}) == 1
    assert len({frame.reading for frame in FRAMES}) == len(FRAMES)
    assert 700 <= FRAMES[0].width <= 1080
    assert FRAMES[0].height <= 560


def test_rewards_come_out_one_side_after_the_other():
    assert set(looks(0)) == {STAYED}
    assert [look == OPEN for look in looks(2)] == [True, False, False, True, True, True, False, False, False]
    assert (looks(3)[3], looks(3)[0]) == (ROSE, OPEN)
    assert looks(4) == [FELL, STAYED, STAYED, ROSE, ROSE, ROSE, STAYED, STAYED, STAYED]


def test_the_numbers_are_the_solvers():
    last = FRAMES[-1].data["at not"]
    assert last.states == [signed(v) for v in flat(AFTER.V)]
    pairs = zip(last.below, flat(R_0), flat(R_1), strict=True)
    assert all(
        text.endswith(signed(after)) and f"r {signed(before)}" in text for text, before, after in pairs
    )
    np.testing.assert_allclose(flat(AFTER.pi), flat(BEFORE.pi), atol=1e-12)
    np.testing.assert_allclose(trajectory_sums(R_1), trajectory_sums(R_0), atol=1e-12)
    assert [text.strip() for text in last.endings if "stays" in text] == [
        "R \u22121.00, stays",
        "R +2.00, stays",
        "R \u22121.00, stays",
    ]


def test_at_the_root_every_return_rises():
    r, solution = shifted(MDP, Q, 0, C)
    np.testing.assert_allclose(trajectory_sums(r) - trajectory_sums(R_0), C, atol=1e-12)
    root = FRAMES[-1].data["at the root"]
    assert root.states == [signed(solution.V[0][0])]
    assert root.endings == ["all 3 replies: R rises by 1.00"] * 2 + ["the reply: R rises by 1.00"]
    assert "rises" not in " ".join(texts(FRAMES[-2]))

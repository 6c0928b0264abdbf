"""Lesson 14's picture: four paths from one start, crosses at the end, no cause named."""

import pytest

from dpoq_lab.lessons.l14_your_own_model.four_runs import ANSWERS
from dpoq_lab.lessons.l14_your_own_model.picture import frames, root
from dpoq_lab.lessons.l14_your_own_model.stored import stored_runs


def test_the_paths_grow_and_end_where_the_logs_end():
    film = frames()
    assert [len(frame.data["run A"][0]) for frame in film] == [1, 3, 5, 7, 9, 11, 13]
    for letter, run in stored_runs().items():
        points, own = film[-1].data[f"run {letter}"]
        last = [(r["chosen"] / run.beta, r["rejected"] / run.beta) for r in run.log.records[-1:]]
        first = run.log.records[0]
        assert points[0] == pytest.approx((first["chosen"] / run.beta, first["rejected"] / run.beta))
        assert points[-1] == pytest.approx(last[0], rel=0.5, abs=3)  # the mean of the last two steps
        assert own == (-run.facts["chosen_kl"], -run.facts["rejected_kl"])


def test_only_the_last_frame_has_crosses_and_no_frame_names_a_cause():
    film = frames()
    assert [frame.body.count("M-6 -6L6 6") for frame in film] == [0, 0, 0, 0, 0, 0, 4]
    for frame in film:
        assert not any(planted.about in frame.reading + frame.body for planted in ANSWERS.values())


def test_no_frame_is_larger_than_another_and_all_points_lie_in_the_plane():
    from dpoq_lab.lessons.l14_your_own_model.picture import X, Y

    assert len({(frame.width, frame.height) for frame in frames()}) == 1
    for points, own in frames()[-1].data.values():
        for x, y in (*points, own):
            assert 0 < X.share(root(x)) < 1
            assert 0 < Y.share(root(y)) < 1

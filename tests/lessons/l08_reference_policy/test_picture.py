"""The plane of three references: its paths are the stored ones, its last frame tells the story."""

import numpy as np
import pytest

from dpoq_lab.lessons.l08_reference_policy.picture import FIELDS, RUNS, field_of, frames, stored_paths
from dpoq_lab.lessons.l08_reference_policy.study import STARTS
from dpoq_lab.lessons.study import stored_record


def test_the_runs_differ_in_the_reference_alone():
    named = [name for name, _ in RUNS.values()]
    assert named == [STARTS[i].name for i in (0, 4, 3)]


def test_a_path_ends_where_the_held_out_rewards_end():
    """r_hat is beta times the change of log pi, beta 0.5."""
    table = stored_record("order-notes-reference", "reference")["table"]
    for path, (name, _) in zip(stored_paths(), RUNS.values(), strict=True):
        ends = (path.x[-1], path.y[-1])
        rewards = [table[name][f"{role}_reward"]["mean"] for role in ("chosen", "rejected")]
        assert ends == pytest.approx(np.array(rewards) / 0.5, abs=2e-3)
        assert np.mean(path.seeds, axis=0) == pytest.approx(ends, abs=2e-3)


def test_frames_go_from_the_start_to_the_end_on_the_same_canvas():
    film = frames()
    assert [frame.data["step"] for frame in film] == list(range(0, 121, 20))
    assert len({(frame.width, frame.height) for frame in film}) == 1
    assert len({frame.reading for frame in film}) == len(film)
    assert all(x == [0.0] and y == [0.0] for x, y in list(film[0].data.values())[:3])
    assert film[-1].body.count("KL(pi_ref, pi)") == 3
    assert film[-2].body.count("KL(pi_ref, pi)") == 0


def test_the_last_frame_says_which_run_falls_and_that_it_writes_best():
    end = {path.name: field_of(path.x[-1], path.y[-1]) for path in stored_paths()}
    assert list(end.values()) == ["chosen up, rejected down", "chosen up, rejected down", "both down"]
    scores = [float(path.end.rsplit(" ", 1)[1]) for path in stored_paths()]
    assert max(scores) == scores[2] == 4.6
    assert "from SFT on the chosen both down; from the two others" in frames()[-1].reading
    assert "The larger an end mark, the larger KL(pi_ref, pi)" in frames()[-1].reading


def test_the_four_fields_are_told_by_the_signs():
    assert [field_of(x, y) for x, y in ((1, 1), (1, -1), (-1, 1), (-1, -1))] == list(FIELDS.values())

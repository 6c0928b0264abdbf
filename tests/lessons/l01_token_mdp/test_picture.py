"""Lesson 01's picture: levels are solved from the last to the first, and nothing jumps."""

import numpy as np

from dpoq_lab.lessons.l01_token_mdp.picture import frames
from dpoq_lab.theory.example_trees import mushroom_tree
from dpoq_lab.theory.soft_bellman import solve
from dpoq_lab.theory.token_mdp import flat
from dpoq_lab.views.token_view import signed


def test_a_frame_more_solves_a_level_more_from_the_leaves():
    known = [[text != "?" for text in frame.data["labels"].states] for frame in frames()]
    assert known == [[False] * 7, [False] * 3 + [True] * 4, [False] + [True] * 6, [True] * 7]


def test_tokens_are_open_exactly_where_their_state_is():
    for frame in frames():
        labels = frame.data["labels"]
        assert np.repeat([text == "?" for text in labels.states], 3).tolist() == labels.open.tolist()
        assert ["\u03c0*" in text for text in labels.below] == (~labels.open).tolist()


def test_the_last_frame_holds_the_exact_values():
    solution = solve(*mushroom_tree(1.0))
    last = frames()[-1]
    assert last.data["labels"].states == [signed(v) for v in flat(solution.V)]
    assert "probability 0.86" in last.reading
    assert "V* +1.53" in last.reading


def test_no_frame_is_wider_than_another():
    assert len({(frame.width, frame.height) for frame in frames()}) == 1

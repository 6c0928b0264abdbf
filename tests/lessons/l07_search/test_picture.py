"""Lesson 07's picture: its beams are the lesson's, and they end where their values lead."""

from hand_made import texts

from dpoq_lab.lessons.l07_search.exercises import beam, gains
from dpoq_lab.lessons.l07_search.picture import DISLIKE, WIDTH, disliked, frames
from dpoq_lab.theory.example_trees import mushroom_tree
from dpoq_lab.theory.soft_bellman import log_probs, solve


def test_the_wrong_value_is_low_exactly_where_not_was_said():
    mdp, r = mushroom_tree(1.0)
    V = solve(mdp, r).V
    off = [(a - b).tolist() for a, b in zip(V, disliked(mdp, V), strict=True)]
    assert [[round(x) for x in level] for level in off] == [[0], [DISLIKE, 0], [DISLIKE, DISLIKE, DISLIKE, 0]]


def test_both_answers_are_those_of_the_lessons_own_beam():
    mdp, r = mushroom_tree(1.0)
    V, last = solve(mdp, r).V, frames()[-1].data
    for side, value in (("left", V), ("right", disliked(mdp, V))):
        found = beam(gains(r, log_probs(mdp.pi_ref), value, 1.0), WIDTH)
        assert last[side]["answer"] == found[0][0]
    assert last["left"]["answer"] == (0, 1, 2)  # not safe EOS
    assert last["right"]["answer"] == (1, 2)  # safe EOS


def test_they_part_at_the_first_token_and_answers_stand_only_where_a_search_is_over():
    shown = frames()
    one = shown[1].data
    assert one["left"]["status"] == {(0,): "kept", (1,): "kept", (2,): "dropped"}
    assert one["right"]["status"] == {(0,): "dropped", (1,): "kept", (2,): "kept"}
    assert [figure.data["left"]["answer"] is None for figure in shown] == [True, True, True, False]
    assert [figure.data["right"]["answer"] is None for figure in shown] == [True, True, False, False]
    assert shown[0].data["left"]["status"] == {}


def test_nothing_jumps_and_the_returns_stand_at_the_ends_from_the_first():
    shown = frames()
    assert len({(figure.width, figure.height) for figure in shown}) == 1
    for figure in shown:
        assert texts(figure).count("R +2") == 2
        assert texts(figure).count("R \u22121") == 6
    assert "not +0.32" in texts(shown[-1])
    assert "not \u22123.68" in texts(shown[-1])

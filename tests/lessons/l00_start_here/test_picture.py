"""Lesson 00's picture: the pair that is announced as ranked right is, and the other is not."""

from dpoq_lab.lessons.l00_start_here.picture import frames


def test_the_first_pair_is_ranked_right_by_more_than_1_and_the_second_wrong():
    right, wrong = frames()
    assert right.data["sums"][0] > right.data["sums"][1] + 1
    assert wrong.data["sums"][0] < wrong.data["sums"][1]
    assert right.reading.startswith("Ranked right")
    assert wrong.reading.startswith("Ranked wrong")


def test_each_shows_its_prompt_and_every_token_in_its_frame():
    for figure in frames():
        assert figure.data["prompt"] in figure.body
        assert "EOS" in figure.body

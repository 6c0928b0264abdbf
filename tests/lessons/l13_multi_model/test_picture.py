"""Lesson 13's picture: two failures, one of each stage, and whom r_hat blames."""

import pytest
import torch

from dpoq_lab.lessons.l13_multi_model.generator import GROUPS
from dpoq_lab.lessons.l13_multi_model.picture import SHOWN, failures, frames, so_far, stored


@pytest.fixture(scope="module")
def some():
    return failures(stored("base"), stored("joint"), SHOWN)


def test_the_film_runs_from_the_words_to_the_whole_picture():
    film = frames()
    assert len(film) == len(GROUPS) + 1
    assert len({(frame.width, frame.height) for frame in film}) == 1
    assert film[-1].height <= 560
    assert film[0].data["sums"][0][1] == 0
    assert film[-1].reading.endswith("Blamed: above the refiner, below the generator.")
    (words, drawing), (other_words, other_drawing) = film[-1].data["sums"]
    assert words < drawing
    assert other_drawing < other_words


def test_they_are_the_first_failures_of_each_kind(some):
    rows = frames()[0].data["rows"]
    assert some.refiner_did_it[rows[0]]
    assert not some.refiner_did_it[: rows[0]].any()
    assert not some.refiner_did_it[rows[1]]
    assert some.refiner_did_it[: rows[1]].all()


def test_most_failures_are_charged_to_the_stage_that_failed(some):
    blamed = some.words.sum(dim=1) < some.steps.sum(dim=1)
    assert (blamed == some.refiner_did_it).float().mean() > 0.85


def test_a_picture_appears_patch_by_patch(some):
    whole = so_far(some.found, 0, len(GROUPS))
    for step, n in enumerate((0, 1, 2, 4, 8, 16)):
        shown = so_far(some.found, 0, step)
        assert (shown >= 0).sum() == 4 * n
        assert (shown == whole)[shown >= 0].all()
    assert set(torch.unique(whole).tolist()) <= {0, 1}


def test_smeared_pictures_count_only_where_they_are_asked_for(some):
    more = failures(stored("base"), stored("joint"), SHOWN, any_picture=True)
    assert len(more.words) > len(some.words)

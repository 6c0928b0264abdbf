"""The world of lesson 13: corners and times, patches, and what the judge sees."""

import pytest
import torch

from dpoq_lab.lessons.l13_multi_model.pixels import (
    CLOSE,
    TIMES,
    every_prompt,
    flipped,
    judge,
    next_words,
    often_right,
    picture,
    prompt_of,
    prompts,
    read_prompt,
    right_words,
    seen,
    stream,
    text_of,
    to_patches,
    to_pixels,
)

EVERY = right_words(every_prompt())


def test_a_prompt_has_its_words():
    asked = torch.tensor([1, list(TIMES).index("sunset")])
    assert prompt_of(asked) == "star at sunset"
    assert text_of(right_words(asked[None])[0]) == "star lower left"
    assert text_of(next_words(right_words(asked[None]))[0]) == "star lower right"
    assert len({text_of(words) for words in EVERY}) == 12


def test_a_typed_prompt_is_read_or_refused():
    assert read_prompt("a Moon, at  SUNRISE") is None  # a comma belongs to the word
    assert prompt_of(read_prompt("a Moon at  SUNRISE")) == "moon at sunrise"
    assert read_prompt("moon at midnight") is None
    assert read_prompt("") is None


def test_four_steps_to_the_next_corner_lead_back():
    words = EVERY
    for _ in range(4):
        words = next_words(words)
        assert (words[:, 0] == EVERY[:, 0]).all()
    assert (words == EVERY).all()
    assert (next_words(EVERY) != EVERY).any(dim=1).all()


def test_patches_are_the_picture():
    noise = torch.randint(2, (50, 8, 8), generator=stream(0, "test"))
    assert (to_pixels(to_patches(noise)) == noise).all()
    assert to_patches(noise).max() < 16
    one = torch.zeros(1, 8, 8, dtype=torch.long)
    one[0, 2, 5] = 1  # patch row 1, column 2; its upper right pixel
    assert to_patches(one)[0].tolist() == [0] * 6 + [4] + [0] * 9


def test_the_judge_sees_what_was_drawn():
    assert (seen(picture(EVERY)) == EVERY).all()
    images = picture(EVERY)
    for n in range(CLOSE + 2):
        spoiled = images.clone().flatten(1)
        spoiled[:, torch.randperm(64, generator=stream(n, "test"))[:n]] ^= 1
        found = seen(spoiled.view(-1, 8, 8))
        assert (found == EVERY).all() if n <= CLOSE else (found == -1).all()


def test_no_picture_is_close_to_two_glyphs():
    images = picture(EVERY).flatten(1)
    apart = (images[:, None] != images).sum(dim=2) + 64 * torch.eye(12)
    assert apart.min() > 2 * CLOSE


def test_named_obeyed_right():
    asked = every_prompt()
    wrong = next_words(EVERY)
    for words, drawn, wanted in (
        (EVERY, EVERY, (1, 1, 1)),
        (EVERY, wrong, (1, 0, 0)),
        (wrong, wrong, (0, 1, 0)),
        (wrong, EVERY, (0, 0, 1)),
    ):
        found = judge(asked, words, picture(drawn))
        assert [found.named.all(), found.obeyed.all(), found.right.all()] == [bool(x) for x in wanted]
        assert found.clean.all()
        if wanted != (1, 1, 1):
            assert not (found.named & found.obeyed & found.right).any()
    empty = judge(asked, EVERY, torch.zeros(12, 8, 8, dtype=torch.long))
    assert not (empty.clean | empty.obeyed | empty.right).any()


def test_data_are_right_as_often_as_they_say():
    random = stream(1, "test")
    right = right_words(prompts(20_000, random))
    words = often_right(right, 0.55, random)
    assert (words == right).all(dim=1).float().mean() == pytest.approx(0.55, abs=0.015)
    assert (words == next_words(right)).all(dim=1).float().mean() == pytest.approx(0.15, abs=0.01)
    assert (words[:, 0] == right[:, 0]).all()
    noisy = flipped(picture(right), 0.01, random)
    assert (noisy != picture(right)).float().mean() == pytest.approx(0.01, abs=0.001)


def test_streams_do_not_depend_on_one_another():
    assert stream(0, "a").initial_seed() == stream(0, "a").initial_seed()
    assert len({stream(k, what).initial_seed() for k in range(9) for what in ("a", "b")}) == 18

"""The recipe of lesson 13: pairs with a shared start, labels by the picture alone, (17) and (18) by stage."""

import math
from dataclasses import replace

import pytest
import torch

from dpoq_lab.lessons.l13_multi_model import recipe
from dpoq_lab.lessons.l13_multi_model.pixels import every_prompt, picture, right_words, stream, to_patches
from dpoq_lab.lessons.l13_multi_model.recipe import STAGES, Drawings, System

SIZE = recipe.SIZES["ci"]


@pytest.fixture(scope="module", params=["masked", "Gaussian"])
def base(request):
    return System(recipe.train_refiner(SIZE, 0), recipe.train_generator(request.param, SIZE, 0))


def weights(system, stage):
    return torch.cat([x.flatten() for x in getattr(system, stage).state_dict().values()])


def test_both_sides_of_a_pair_share_prompt_and_start(base):
    different, same = (
        recipe.pairs_of(base, 200, stream(0, "test"), same_words=flag) for flag in (False, True)
    )
    for pairs in (different, same):
        assert (pairs.first.asked == pairs.second.asked).all()
        assert (pairs.first.start == pairs.second.start).all()
        assert (pairs.first.drawing != pairs.second.drawing).any()
    assert (same.first.words == same.second.words).all()
    assert (different.first.words != different.second.words).any()


def test_labels_are_drawn_from_what_the_picture_earns():
    n, asked = 6000, every_prompt()[4].expand(6000, 2)
    system = System(recipe.train_refiner(SIZE, 0), recipe.train_generator("masked", SIZE, 0))
    right, wrong = right_words(asked), right_words(every_prompt()[5].expand(n, 2))
    start = system.generator.starts(n, stream(0, "test"))
    good, bad = (Drawings(asked, right, start, to_patches(picture(words))) for words in (right, wrong))
    won = recipe.labelled(system, good, bad, stream(1, "test")).first_wins.float().mean()
    assert won == pytest.approx(1 / (1 + math.exp(-recipe.SCALE)), abs=0.01)
    fair = recipe.labelled(system, good, good, stream(1, "test"))
    assert fair.first_wins.float().mean() == pytest.approx(0.5, abs=0.02)
    coins = recipe.shuffled(recipe.labelled(system, good, bad, stream(1, "test")), stream(2, "test"))
    assert coins.first_wins.float().mean() == pytest.approx(0.5, abs=0.02)


def test_at_the_start_every_r_hat_is_0(base):
    found = recipe.drawn(base, every_prompt(), stream(0, "test"))
    words, steps = recipe.r_hat(base, base, found)
    assert words.shape == (12, 3)
    assert steps.shape == (12, 5)
    assert (words == 0).all()
    assert (steps == 0).all()


@pytest.mark.parametrize("stages", [STAGES[:1], STAGES[1:], STAGES])
def test_only_the_stages_that_are_named_move(base, stages):
    pairs = recipe.pairs_of(base, 64, stream(0, "test"))
    before = {stage: weights(base, stage) for stage in STAGES}
    tuned = recipe.tuned(base, pairs, stages, SIZE, 0)
    for stage in STAGES:
        assert bool((weights(tuned, stage) == before[stage]).all()) is (stage not in stages)
        assert (weights(base, stage) == before[stage]).all()
    words, steps = recipe.r_hat(tuned, base, pairs.first)
    assert bool((words == 0).all()) is ("refiner" not in stages)
    assert bool((steps == 0).all()) is ("generator" not in stages)


def test_dpo_lowers_its_loss_on_the_pairs_that_it_has_seen(base):
    pairs = recipe.pairs_of(base, 64, stream(3, "test"))
    tuned = recipe.tuned(base, pairs, STAGES, replace(SIZE, dpo_steps=60), 0)
    sides = [
        torch.cat(recipe.r_hat(tuned, base, side), dim=1).sum(dim=1) for side in (pairs.first, pairs.second)
    ]
    margin = torch.where(pairs.first_wins, sides[0] - sides[1], sides[1] - sides[0])
    assert torch.nn.functional.softplus(-margin).mean() < math.log(2) - 0.02


def test_a_system_is_saved_and_loaded(tmp_path):
    system = System(recipe.train_refiner(SIZE, 1), recipe.train_generator("masked", SIZE, 1))
    recipe.save(system, tmp_path / "one.safetensors")
    again = recipe.load(tmp_path / "one.safetensors")
    for stage in STAGES:
        assert weights(again, stage) == pytest.approx(weights(system, stage), abs=2e-3)
    assert (tmp_path / "one.safetensors").stat().st_size < 250_000


def test_two_runs_agree(base):
    again = System(
        recipe.train_refiner(SIZE, 0),
        recipe.train_generator(
            "masked" if base.generator.pixels.__qualname__[0] == "M" else "Gaussian", SIZE, 0
        ),
    )
    for stage in STAGES:
        assert (weights(base, stage) == weights(again, stage)).all()

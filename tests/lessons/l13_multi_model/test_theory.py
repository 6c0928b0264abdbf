"""Two stages, exactly: the identity with two weights, what freezing costs, and hand numbers."""

import numpy as np
import pytest

from dpoq_lab.lessons.l13_multi_model.theory import (
    Game,
    fit_dpo,
    freezing,
    frozen_optimum,
    gibbs,
    law_of,
    objective,
    pairs_of,
    r_hat,
    random_game,
    share_of_gain,
    smallest_game,
    solve,
    total,
    tv,
)

WEIGHTS = [(0.5, 0.5), (0.3, 0.8)]


@pytest.mark.parametrize(("beta", "gamma"), WEIGHTS)
@pytest.mark.parametrize("seed", range(3))
def test_the_identity_with_the_weight_of_each_stage(beta, gamma, seed):
    game = random_game(beta, gamma, seed)
    found = solve(game)
    assert abs(game.R - found.V[0] - total(r_hat(game, found.pi))).max() < 1e-12
    assert all(abs(level.sum(axis=-1) - 1).max() < 1e-12 for level in found.pi)
    assert objective(game, found.pi) == pytest.approx(float(found.V[0]), abs=1e-12)


def test_one_weight_for_both_stages_leaves_a_residual():
    game = random_game(0.3, 0.8, 0)
    found = solve(game)
    one = Game(game.laws, game.R, game.refined, 0.3, 0.3)
    assert abs(game.R - found.V[0] - total(r_hat(one, found.pi))).max() > 1


def test_the_optimum_is_the_joint_gibbs_law_at_equal_weights_only():
    equal, unequal = (random_game(*weights, 0) for weights in WEIGHTS)
    assert tv(law_of(solve(equal).pi), gibbs(equal, 0.5)) < 1e-12
    assert tv(law_of(solve(unequal).pi), gibbs(unequal, 0.3)) > 0.1
    weights = np.linspace(0.2, 1.2, 101)
    assert min(tv(law_of(solve(unequal).pi), gibbs(unequal, weight)) for weight in weights) > 0.05


@pytest.mark.parametrize(("beta", "gamma"), WEIGHTS)
def test_population_dpo_finds_the_optimum(beta, gamma):
    game = random_game(beta, gamma, 1)
    assert tv(law_of(fit_dpo(game, pairs_of(game))), law_of(solve(game).pi)) < 1e-5


@pytest.mark.parametrize(("beta", "gamma"), WEIGHTS)
def test_pairs_with_the_same_words_give_the_frozen_optimum_and_others_do_not(beta, gamma):
    game = random_game(beta, gamma, 0)
    best = law_of(frozen_optimum(game, "generator"))
    same = fit_dpo(game, pairs_of(game, same_words=True), ["generator"])
    different = fit_dpo(game, pairs_of(game), ["generator"])
    assert tv(law_of(same), best) < 1e-3
    assert tv(law_of(different), best) > 0.05


def test_what_freezing_costs():
    """Means over five games, in the order that the lesson tells."""
    shares = [
        {name: share_of_gain(game, pi) for name, pi in freezing(game).items()}
        for game in (random_game(0.5, 0.5, seed) for seed in range(5))
    ]
    mean = {name: np.mean([row[name] for row in shares]) for name in shares[0]}
    assert mean["joint"] == pytest.approx(1, abs=1e-6)
    assert mean["generator alone, same words"] == pytest.approx(mean["generator alone, best"], abs=1e-6)
    assert mean["generator alone, different words"] < mean["generator alone, best"] - 0.05
    assert mean["refiner alone, DPO"] < mean["refiner alone, best"] < mean["generator alone, best"]
    assert mean["generator alone, best"] < mean["tuned apart, joined"] < 0.97


def test_nothing_beats_the_frozen_optimum():
    """Small moves of the free stage from its optimum lower the objective."""
    game, random = random_game(0.3, 0.8, 2), np.random.default_rng(0)
    for stage in ("refiner", "generator"):
        best = frozen_optimum(game, stage)
        for _ in range(20):
            moved = [level * np.exp(0.1 * random.standard_normal(level.shape)) for level in best]
            moved = [level / level.sum(axis=-1, keepdims=True) for level in moved]
            assert objective(game, game.with_stage(moved, stage)) < objective(game, best)


def test_the_smallest_game_by_hand():
    """pi_ref is uniform: V* of a word is gamma log mean e^{R/gamma}, and so on up."""
    game, half = smallest_game(), 0.5
    R = game.R
    V = half * np.log(np.exp(R / half).mean(axis=1))
    words = np.exp(V / half) / np.exp(V / half).sum()
    images = np.exp(R / half) / np.exp(R / half).sum(axis=1, keepdims=True)
    found = solve(game)
    assert found.pi[0] == pytest.approx(words, abs=1e-12)
    assert found.pi[1] == pytest.approx(images, abs=1e-12)

    def mean(pi):
        return float((law_of(pi) * R).sum())

    means = np.exp(R.mean(axis=1) / half)
    assert mean(game.laws) == pytest.approx(R.mean(), abs=1e-12)
    assert mean(frozen_optimum(game, "generator")) == pytest.approx((images * R).sum() / 3, abs=1e-12)
    refiner = means / means.sum() @ R.mean(axis=1)
    assert mean(frozen_optimum(game, "refiner")) == pytest.approx(refiner, abs=1e-12)
    shown = [
        mean(found.pi),
        *(mean(frozen_optimum(game, s)) for s in ("generator", "refiner")),
        mean(game.laws),
    ]
    assert shown == pytest.approx([1.67, 1.17, -0.08, -0.17], abs=5e-3)


def test_pairs_with_the_same_words_are_weighed_by_one_draw_of_the_words():
    game = random_game(0.5, 0.5, 3)
    pairs, law = pairs_of(game, same_words=True), law_of(game.laws)
    words = pairs.first // 9
    assert (words == pairs.second // 9).all()
    drawn = law.reshape(9, 9).sum(axis=1)
    clashes = (law.reshape(9, 9) ** 2).sum(axis=1) / drawn  # the same trajectory twice is no pair
    wanted = (drawn - clashes) / (drawn - clashes).sum()
    assert np.bincount(words, pairs.weight) == pytest.approx(wanted, abs=1e-12)


def test_the_refiner_alone_leaves_the_words_that_joint_dpo_chooses():
    """Words 2 lead to the best picture, and to bad ones in the hands of pi_ref."""
    game = smallest_game()
    assert frozen_optimum(game, "refiner")[0][1] == pytest.approx(0.16, abs=5e-3)
    assert solve(game).pi[0][1] == pytest.approx(0.74, abs=5e-3)

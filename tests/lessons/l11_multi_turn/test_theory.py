"""Asking games: the trees by hand, the labels, and what population DPO makes of them."""

import numpy as np
import pytest
from scipy.special import expit

from dpoq_lab.lessons.l11_multi_turn.theory import (
    Rules,
    asks_first,
    at_once,
    averaged,
    by_regret,
    described,
    dialogue,
    dpo,
    gain_kept,
    harm_game,
    optimum,
    realised,
    softer,
    two_bits,
    uniform,
)

GAME_C = Rules((0.85, 0.15), 1, 0.15, wrong=-8.0, question=-0.3)
UNEVEN = Rules((0.5, 0.3, 0.2), 1, 0.1, right=1.0, wrong=-2.0, question=-0.4)


@pytest.fixture(scope="module")
def game_a():
    return dialogue(two_bits())


@pytest.fixture(scope="module")
def harm():
    return dialogue(harm_game(0.85, 8))


def test_the_conversations_of_the_harm_game(harm):
    """Guess one of two at once, or ask, hear one of two, guess one of two: what is said is true."""
    assert len(harm.rows) == 6
    assert sorted(harm.outcomes[:, 0].tolist()) == [-0.5] * 4 + [0.0] * 2
    assert sorted(harm.right.round(9).tolist()) == [0.0, 0.0, 0.15, 0.85, 1.0, 1.0]
    assert harm.law.sum() == pytest.approx(1)
    likely = harm.law[(harm.outcomes[:, 0] == 0) & (abs(harm.right - 0.85) < 1e-9)]
    assert likely == pytest.approx([0.6 * (0.7 * 0.85 + 0.3 / 2)])


def test_replies_that_may_be_wrong_leave_doubt():
    """Asked with noise 0.15 and told the likely thing: 0.85 of 0.85 against 0.15 of 0.15."""
    talk = dialogue(GAME_C)
    told = 0.85 * 0.85 / (0.85 * 0.85 + 0.15 * 0.15)
    assert max(talk.right) == pytest.approx(told)
    assert talk.game.mdp.pi_ref[1][0][:2] == pytest.approx([0.745, 0.255])


def test_mean_and_chances_are_those_of_the_tree():
    talk = dialogue(UNEVEN)
    assert talk.chances.sum(axis=1) == pytest.approx(np.ones(len(talk.rows)))
    assert talk.law @ talk.right == pytest.approx(described(talk, talk.game.mdp.pi_ref)["accuracy"])
    by_hand = talk.law @ (talk.chances * talk.outcomes).sum(axis=1)
    assert described(talk, talk.game.mdp.pi_ref)["return"] == pytest.approx(by_hand)


def test_the_optimum_of_the_harm_game_by_hand(harm):
    """Asked, it guesses right: -0.5. Not asked, the soft maximum over two lotteries, -1.2 and -6.8."""

    def soft(*branches):
        return 0.5 * np.log(sum(p * np.exp(q / 0.5) for p, q in branches))

    after = soft((0.85, -0.5), (0.15, -8.5))  # the thing that was told: pi_ref guesses it in 0.7 + 0.3 / 2
    guesses = (0.745, -0.15 * 8), (0.255, -0.85 * 8)
    weights = np.array([0.4 * np.exp(after / 0.5), 0.6 * np.exp(soft(*guesses) / 0.5)])
    assert asks_first(harm, optimum(harm)) == pytest.approx(weights[0] / weights.sum(), abs=1e-12)


@pytest.mark.parametrize(("harm", "best", "own"), [(8, 0.755, 0.406), (32, 1.000, 0.406)])
def test_dpo_hears_how_often_and_not_how_much(harm, best, own):
    talk = dialogue(harm_game(0.85, harm))
    assert asks_first(talk, optimum(talk)) == pytest.approx(best, abs=1e-3)
    assert asks_first(talk, dpo(talk, realised(talk))) == pytest.approx(own, abs=1e-3)


def test_the_label_of_a_question_against_the_likely_guess_by_hand(harm):
    """P(guess preferred) = p sigma(c) + (1 - p) sigma(c - h)."""
    pairs = realised(harm)
    guess = harm.rows[(harm.outcomes[:, 0] == 0) & (abs(harm.right - 0.85) < 1e-9)][0]
    asked = harm.rows[(harm.outcomes[:, 0] == -0.5) & (harm.right > 0.99)][0]
    [k] = np.flatnonzero(
        ((pairs.first == guess) & (pairs.second == asked))
        | ((pairs.first == asked) & (pairs.second == guess))
    )
    label = pairs.label[k] if pairs.first[k] == guess else 1 - pairs.label[k]
    assert label == pytest.approx(0.85 * expit(0.5) + 0.15 * expit(0.5 - 8))


@pytest.mark.parametrize(
    ("how", "asks", "kept"),
    [
        (realised, 0.619, 0.747),
        (averaged, 0.867, 1.000),
        (by_regret, 0.868, 1.000),
        (at_once, 0.400, 0.000),
        (lambda talk: realised(talk, share_user=True), 0.619, 0.747),
    ],
)
def test_what_repairs_the_game_of_two_bits(game_a, how, asks, kept):
    pi = dpo(game_a, how(game_a))
    assert asks_first(game_a, pi) == pytest.approx(asks, abs=1e-3)
    assert gain_kept(game_a, pi) == pytest.approx(kept, abs=1e-3)


def test_the_game_of_two_bits_in_full(game_a):
    best, own = described(game_a, optimum(game_a)), described(game_a, dpo(game_a, realised(game_a)))
    assert best["questions"] == pytest.approx(1.591, abs=1e-3)
    assert best["accuracy"] == pytest.approx(0.742, abs=1e-3)
    assert own["questions"] == pytest.approx(1.013, abs=1e-3)
    assert own["accuracy"] == pytest.approx(0.528, abs=1e-3)


def test_replays_averaged_before_the_label_lead_to_the_optimum(harm):
    asked = [asks_first(harm, dpo(harm, averaged(harm, n))) for n in (1, 2, 4, 8, 16, 64)]
    assert asked == pytest.approx([0.406, 0.533, 0.646, 0.698, 0.726, 0.747], abs=1e-3)
    assert asked[0] == pytest.approx(asks_first(harm, dpo(harm, realised(harm))), abs=1e-9)
    assert asks_first(harm, dpo(harm, averaged(harm))) == pytest.approx(
        asks_first(harm, optimum(harm)), abs=1e-6
    )


def test_softer_labels_have_the_same_optimum_and_come_nearer_to_it():
    games = [dialogue(softer(harm_game(0.85, 8), by)) for by in (1, 0.5, 0.25, 0.1)]
    best = [asks_first(talk, optimum(talk)) for talk in games]
    assert best == pytest.approx([best[0]] * 4, abs=1e-9)
    own = [asks_first(talk, dpo(talk, realised(talk))) for talk in games]
    assert own == pytest.approx([0.406, 0.557, 0.693, 0.746], abs=1e-3)


def test_pairs_from_pi_ref_are_right_to_first_order_and_others_are_not():
    """The error of DPO in units of what the optimum moves, as the rewards get smaller."""

    def error(scale, whose=lambda pairs: pairs):
        rules = Rules((0.7, 0.3), 1, 0.1, right=scale, wrong=-scale, question=-0.2 * scale)
        talk = dialogue(rules)
        pairs = whose(realised(talk))
        best = optimum(talk)
        moved = asks_first(talk, best) - 0.4
        return abs(asks_first(talk, dpo(talk, pairs)) - asks_first(talk, best)) / abs(moved)

    own = [error(scale) for scale in (1.0, 0.25, 0.0625)]
    assert own[2] < own[1] / 2 < own[0] / 4
    assert own[2] < 0.02
    assert error(0.0625, uniform) > 0.05


def test_an_unmasked_user_says_what_the_model_wishes():
    talk = dialogue(GAME_C)
    masked, unmasked = dpo(talk, averaged(talk)), dpo(talk, averaged(talk), masked=False)
    assert asks_first(talk, optimum(talk)) == pytest.approx(0.299, abs=1e-3)
    assert asks_first(talk, masked) == pytest.approx(0.391, abs=1e-3)
    assert asks_first(talk, unmasked) == pytest.approx(0.673, abs=1e-3)
    assert unmasked[1][0][0] > 0.99
    assert masked[1][0][0] == pytest.approx(0.745)


def test_a_thing_more_needs_a_bit_more():
    assert [Rules((1 / k,) * k).bits for k in (2, 3, 4, 5)] == [1, 2, 2, 3]

"""Luck: what a return holds beside credit; with a term for it population DPO is exact again."""

import numpy as np
import pytest

from dpoq_lab.lessons.l11_multi_turn.luck import (
    dpo_with_learned_luck,
    luck_terms,
    reply_luck,
    whole_luck,
)
from dpoq_lab.lessons.l11_multi_turn.theory import (
    Rules,
    asks_first,
    dialogue,
    dpo,
    gain_kept,
    harm_game,
    optimum,
    realised,
    two_bits,
)
from dpoq_lab.theory.soft_bellman import implicit_reward, solve
from dpoq_lab.theory.token_mdp import trajectory_sums

GAMES = {
    "two bits": two_bits(),
    "harm": harm_game(0.85, 8, noise=0.1),
    "uneven": Rules((0.5, 0.3, 0.2), 1, 0.1, right=1.0, wrong=-2.0, question=-0.4),
}


@pytest.mark.parametrize("rules", GAMES.values(), ids=GAMES)
def test_a_return_is_value_and_credit_and_luck(rules):
    talk = dialogue(rules)
    game = talk.game
    found = solve(game.mdp, game.r)
    credit = trajectory_sums(implicit_reward(game.mdp, found.pi))[talk.rows]
    residual = talk.outcomes - found.V[0][0] - credit[:, None]
    assert abs(residual - whole_luck(talk)).max() < 1e-12
    assert abs(residual).max() > 0.5
    assert talk.law @ (talk.chances * whole_luck(talk)).sum(axis=1) == pytest.approx(0, abs=1e-12)
    assert talk.law @ reply_luck(talk) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("rules", GAMES.values(), ids=GAMES)
def test_a_learned_term_for_luck_gives_the_optimum_from_own_users(rules):
    talk = dialogue(rules)
    found, best = dpo_with_learned_luck(talk), optimum(talk)
    assert max(abs(x - y).max() for x, y in zip(found, best, strict=True)) < 1e-6


def test_the_luck_of_replies_alone_repairs_next_to_nothing():
    """The luck of two bits sits in the guess: right or wrong, less the posterior."""
    talk = dialogue(two_bits())
    returns = talk.outcomes - reply_luck(talk)[:, None]
    kept = [gain_kept(talk, dpo(talk, realised(talk, some))) for some in (None, returns)]
    assert kept == pytest.approx([0.747, 0.748], abs=1e-3)
    whole = dpo(talk, realised(talk, talk.outcomes - whole_luck(talk)))
    assert asks_first(talk, whole) == pytest.approx(asks_first(talk, optimum(talk)), abs=1e-6)


def test_the_terms_average_to_nothing():
    talk = dialogue(two_bits())
    terms, chance = luck_terms(talk), (talk.law[:, None] * talk.chances).ravel()
    assert terms.shape[0] == 2 * len(talk.rows)
    assert abs(chance @ terms).max() < 1e-12
    assert np.linalg.matrix_rank(terms) > len(talk.rows)  # one a guess, and some for replies

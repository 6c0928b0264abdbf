"""The desk as an exact game: by hand, and who calls with and without a mask."""

from random import Random

import numpy as np
import pytest

from dpoq_lab.lessons.l12_agents.desk import CALLS, Rules, questions, write
from dpoq_lab.lessons.l12_agents.theory import (
    BETA,
    SCALE,
    WAYS,
    decision,
    desk_game,
    exact_row,
    policy,
    smallest_game,
    tool_luck,
    word_luck,
)
from dpoq_lab.theory.soft_bellman import (
    environment_luck,
    expectation,
    return_residual,
    solve,
    trajectory_probs,
)
from dpoq_lab.theory.token_mdp import trajectory_sums


@pytest.mark.parametrize(
    ("way", "calls"), [("optimum", 0.302), ("masked", 0.262), ("unmasked", 0.144), ("luck removed", 0.302)]
)
def test_the_smallest_game(way, calls):
    assert policy(smallest_game(), way)[0][0, 1] == pytest.approx(calls, abs=5e-4)


def test_the_smallest_optimum_by_hand():
    """A guess at once is worth 0. After the tool: right with 0.9 if believed, else with 0.1."""
    after = BETA * np.log(np.cosh(0.8 / BETA)) - 0.2
    weights = np.array([0.8, 0.2 * np.exp(after / BETA)])
    assert policy(smallest_game(), "optimum")[0][0, :2] == pytest.approx(weights / weights.sum(), abs=1e-12)


def test_unmasked_it_believes_that_a_guess_comes_true():
    """The verdict counts as its own word: pi(right) is proportional to pi_ref(right) e^{+-1/beta}."""
    believes = policy(smallest_game(), "unmasked")[1][0, 0]
    assert believes == pytest.approx(1 / (1 + np.exp(-2 / BETA)), abs=1e-4)
    assert policy(smallest_game(), "masked")[1][0, 0] == 0.5


TABLE = {  # busy: (way: calls, r_hat of the call)
    0.0: {"optimum": (0.968, 0.51), "masked": (0.938, 0.49), "unmasked": (0.938, 0.49)},
    0.6: {
        "optimum": (0.289, -0.10),
        "masked": (0.444, 0.12),
        "unmasked": (0.849, 0.44),
        "luck removed": (0.305, -0.07),
    },
}


@pytest.mark.parametrize(("busy", "way"), [(busy, way) for busy, rows in TABLE.items() for way in rows])
def test_who_calls_on_a_hard_question(busy, way):
    found, (calls, r_hat) = decision(desk_game(Rules(busy=busy)), way), TABLE[busy][way]
    assert found["calls"] == pytest.approx(calls, abs=1e-3)
    assert found["r_hat"] == pytest.approx(r_hat, abs=6e-3)
    assert found["r_hat"] == pytest.approx(BETA * np.log(found["calls"] / CALLS), abs=1e-9)


EXACT = {  # busy: way: right and calls on hard questions, return
    0.0: {
        "optimum": (0.968, 0.968, 0.840),
        "masked": (0.939, 0.938, 0.834),
        "unmasked": (0.939, 0.938, 0.834),
    },
    0.6: {
        "optimum": (0.125, 0.289, 0.653),
        "masked": (0.185, 0.444, 0.651),
        "unmasked": (0.349, 0.849, 0.641),
    },
}


@pytest.mark.parametrize(("busy", "way"), [(busy, way) for busy, rows in EXACT.items() for way in rows])
def test_the_exact_row_beside_a_trained_one(busy, way):
    row = exact_row(Rules(busy=busy), way)
    found = [row[measure] for measure in ("right, hard", "calls, hard", "return")]
    assert found == pytest.approx(EXACT[busy][way], abs=6e-4)
    kinds = [decision(desk_game(Rules(busy=busy), easy), way) for easy in (True, False)]
    assert row["return"] == pytest.approx(np.mean([kind["earns"] for kind in kinds]), abs=1e-12)
    assert row["calls, easy"] == kinds[0]["calls"]


def test_to_be_right_is_to_earn_where_a_right_digit_alone_is_paid():
    """On an easy question nothing is earned but by a right digit, less the price of calls."""
    rules = Rules(busy=0.3, price=0.2)
    for way in WAYS:
        row, earns = exact_row(rules, way), decision(desk_game(rules, easy=True), way)["earns"]
        assert row["right, easy"] == pytest.approx(earns + 0.2 * row["calls, easy"], abs=1e-9)


def test_what_each_believes_of_the_tool():
    game = desk_game(Rules(busy=0.6))
    assert [decision(game, way)["believes"] for way in ("optimum", "masked", "luck removed")] == [0.6] * 3
    assert decision(game, "unmasked")["believes"] < 0.01


def test_where_nothing_is_random_the_mask_costs_nothing():
    game = desk_game(Rules(busy=0.0))
    assert decision(game, "masked")["calls"] == pytest.approx(decision(game, "unmasked")["calls"], abs=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_on_an_easy_question_nobody_calls(way):
    assert decision(desk_game(Rules(busy=0.6), easy=True), way)["calls"] < 0.03


@pytest.mark.parametrize("easy", [True, False])
def test_the_optimum_by_hand_where_the_tool_always_answers(easy):
    """V* after the call and without it, as log-mean-exps of what is paid, in units of SCALE."""

    def soft(*branches):
        return BETA * np.log(sum(p * np.exp(q / BETA) for p, q in branches))

    told = soft((0.9, SCALE * 0.7), (0.1, -SCALE * 0.3))
    chance = soft((0.1 / 9, SCALE * 0.7), (1 - 0.1 / 9, -SCALE * 0.3))  # easy: a wrong name's digit is seen
    lottery = soft((0.9, -SCALE * 0.3), (0.1, SCALE / 9 - SCALE * 0.3))
    call = soft((0.85, told), (0.15, chance if easy else lottery))
    own = soft((0.8, SCALE), (0.2, 0.0)) if easy else soft((0.6, SCALE / 10), (0.4, SCALE * 0.35))
    wanted = 0.35 * np.exp(call / BETA) / (0.35 * np.exp(call / BETA) + 0.65 * np.exp(own / BETA))
    assert decision(desk_game(Rules(), easy), "optimum")["calls"] == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("easy", [True, False])
def test_the_game_pays_what_the_desk_pays_on_average(easy):
    """The writer of the tree and the writer of the words earn alike and call alike."""
    rules = Rules(busy=0.6, price=0.2, unsure=0.5)
    game = desk_game(rules, easy)
    asked = [question for question in questions(20_000, 3, "test") if question.easy == easy]
    earned = [write(q, rules.busy, Random(k)).paid(rules) for k, q in enumerate(asked)]
    exact = expectation(game.mdp, game.mdp.pi_ref, game.r) / SCALE
    assert np.mean(earned) == pytest.approx(exact, abs=4 * np.std(earned) / len(earned) ** 0.5)


def test_luck_is_of_the_tool_alone_and_averages_to_nothing():
    game = desk_game(Rules(busy=0.6))
    luck, law = tool_luck(game), trajectory_probs(game.mdp.pi_ref)
    assert law @ luck == pytest.approx(0, abs=1e-12)
    assert abs(luck).max() > 1
    lotteries = environment_luck(game.mdp, solve(game.mdp, game.r)) - luck  # of guesses: nature's
    assert abs(lotteries).max() > 1
    small = smallest_game()
    reached = trajectory_probs(small.mdp.pi_ref) > 0
    residual = return_residual(small.mdp, small.r, solve(small.mdp, small.r))
    assert abs(residual - tool_luck(small))[reached].max() < 1e-12  # there all luck is the tool's


def test_the_luck_of_a_word_is_that_of_the_tree():
    rules = Rules(busy=0.6)
    for easy in (True, False):
        game = desk_game(rules, easy)
        by_tree = set(np.round(tool_luck(game)[trajectory_probs(game.mdp.pi_ref) > 0], 9))
        asked = [question for question in questions(400, 5, "test") if question.easy == easy]
        written = [write(question, rules.busy, Random(k)) for k, question in enumerate(asked)]
        by_word = {episode.called: set() for episode in written}
        for episode in written:
            by_word[episode.called].add(round(word_luck(episode, rules), 9))
        assert by_word[False] == {0.0}
        assert by_word[True] | {0.0} == by_tree
        assert len(by_tree) == 5  # two names, two words each, and no call
        lucky = [word_luck(e, rules) for e in written if e.called and e.turns[1] != "busy" and e.is_right]
        assert min(lucky) > 0


def test_returns_are_in_units_of_what_labels_see():
    game = desk_game(Rules(price=0.3))
    reached = trajectory_probs(game.mdp.pi_ref) > 0
    assert set(np.round(trajectory_sums(game.r)[reached] / SCALE, 9)) == {1.0, 0.7, 0.35, 0.0, -0.3}

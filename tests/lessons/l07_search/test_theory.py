"""Value search is likelihood search while V is exact, else not; and what narrow beams miss."""

import numpy as np
import pytest

from dpoq_lab.lessons.l07_search.theory import misses, noisy, regret_curves
from dpoq_lab.search.beams import beam_search, value_beam
from dpoq_lab.search.mcts import mcts
from dpoq_lab.search.scorers import TabularScorer
from dpoq_lab.theory.search_values import at_token, rankings, value_objective
from dpoq_lab.theory.soft_bellman import solve, trajectory_log_probs
from dpoq_lab.theory.token_mdp import random_reward, random_tree, trajectories

SEEDS = range(20)


def instance(seed, beta=0.7, n_actions=4, H=4):
    mdp = random_tree(n_actions, H, beta, seed)
    r = random_reward(mdp, seed + 1)
    return mdp, r, solve(mdp, r)


def likeliest(mdp, pi):
    """argmax of log pi over all replies, by enumeration."""
    every, best = trajectories(mdp), int(trajectory_log_probs(pi).argmax())
    return tuple(int(token) for token in every.tokens[best, : every.lengths[best]])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_full_beam_a_full_value_beam_and_mcts_find_the_likeliest_reply(seed):
    mdp, r, solution = instance(seed)
    best = likeliest(mdp, solution.pi)
    value = at_token(mdp, value_objective(mdp, r, solution.V), solution.V[0][0])
    scorer = TabularScorer(mdp, solution.pi)
    assert beam_search(scorer, (), 100, 4, length_penalty=0.0).hypotheses[0].tokens == best
    assert value_beam(scorer, value, (), 100, 4).hypotheses[0].tokens == best
    assert mcts(scorer, value, (), 4, 80).hypotheses[0].tokens == best


@pytest.mark.parametrize("seed", SEEDS)
def test_at_any_width_the_exact_value_beam_is_the_likelihood_beam(seed):
    mdp, r, solution = instance(seed)
    value = at_token(mdp, value_objective(mdp, r, solution.V), solution.V[0][0])
    scorer = TabularScorer(mdp, solution.pi)
    for width in (1, 2, 3):
        a = beam_search(scorer, (), width, 4, length_penalty=0.0).hypotheses
        b = value_beam(scorer, value, (), width, 4).hypotheses
        assert [h.tokens for h in a] == [h.tokens for h in b]
        assert [h.score * mdp.beta + float(solution.V[0][0]) for h in a] == pytest.approx(
            [h.score for h in b]
        )


def test_with_a_wrong_value_the_two_part():
    mdp, r, solution = instance(3)
    scorer = TabularScorer(mdp, solution.pi)
    parted = 0
    for seed in range(20):
        V = noisy(solution.V, 2.0, seed)
        value = at_token(mdp, value_objective(mdp, r, V), V[0][0])
        parted += value_beam(scorer, value, (), 1, 4).hypotheses[0].tokens != likeliest(mdp, solution.pi)
    assert parted > 5


def test_greedy_misses_the_likeliest_reply_now_and_then_and_a_wider_beam_less_often():
    missed = misses((1, 2, 5), trees=60)
    assert 0.1 < missed[1] < 0.5
    assert missed[5] < missed[2] < missed[1]


def test_regret_is_zero_without_noise_but_for_narrow_beams_and_grows_with_it():
    regrets = {name: rows.mean(axis=1) for name, rows in regret_curves((0.0, 2.0), trees=15).items()}
    assert regrets["value beam 10"][0] == pytest.approx(0, abs=1e-12)
    assert regrets["value beam 2"][1] > regrets["value beam 2"][0]
    assert regrets["likelihood beam 2"][1] > 0.1
    assert all((rows >= -1e-12).all() for rows in regrets.values())


def test_mcts_that_met_no_ending_returns_its_most_visited_prefix_unfinished():
    mdp, r, solution = instance(1)
    value = at_token(mdp, value_objective(mdp, r, solution.V), solution.V[0][0])
    found = mcts(TabularScorer(mdp, mdp.pi_ref), value, (), 4, 1).hypotheses
    assert len(found) == 1
    assert len(found[0].tokens) == 1
    again = mcts(TabularScorer(mdp, mdp.pi_ref), value, (), 4, 200).hypotheses
    assert again[0].finished
    assert [h.score for h in again] == sorted((h.score for h in again), reverse=True)


def test_mcts_from_the_references_prior_finds_the_best_reply_of_every_tree():
    for seed in range(40):
        mdp, r, solution = instance(seed, beta=1.0)
        value = at_token(mdp, value_objective(mdp, r, solution.V), solution.V[0][0])
        found = mcts(TabularScorer(mdp, mdp.pi_ref), value, (), 4, 80).hypotheses[0]
        assert found.score == pytest.approx(rankings(mdp, r, solution)["R + beta log pi_ref"].max())


@pytest.mark.parametrize(("beta", "bonus"), [(0.2, 0.0), (1.0, 5.0), (1.0, -5.0)])
def test_mcts_finds_the_best_reply_at_any_scale_and_level_of_the_rewards(beta, bonus):
    """A bonus for every first token changes no choice; a prompt valued at 0 would make the search miss it."""
    for seed in range(40):
        mdp, r, _ = instance(seed, beta=beta)
        r = [level + bonus * (t == 0) for t, level in enumerate(r)]
        solution = solve(mdp, r)
        value = at_token(mdp, value_objective(mdp, r, solution.V), solution.V[0][0])
        found = mcts(TabularScorer(mdp, mdp.pi_ref), value, (), 4, 80).hypotheses[0]
        assert found.score == pytest.approx(rankings(mdp, r, solution)["R + beta log pi_ref"].max())


def test_the_noise_in_values_depends_on_nothing_else_that_the_seed_draws():
    """Correlations over 300 trees with pi_ref, the reward and the noise in the policy are below 3/sqrt(n)."""
    found = []
    for seed in range(300):
        mdp = random_tree(4, 3, 1.0, seed)
        level = [np.zeros_like(x) for x in mdp.pi_ref]
        drawn = (random_reward(mdp, seed), noisy(level, 1.0, seed), noisy(level, 1.0, seed, "policy"))
        found.append([np.log(mdp.pi_ref[0][0, 0]), *(x[0][0, 0] for x in drawn)])
    correlations = np.corrcoef(np.array(found).T)[np.triu_indices(4, k=1)]
    assert abs(correlations).max() < 3 / 300**0.5

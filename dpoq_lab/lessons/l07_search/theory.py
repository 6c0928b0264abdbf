"""Searches on random trees: how often a narrow beam misses the best, what a wrong value costs.

Shapes, order of trajectories and units as in `token_mdp`.
"""

from typing import NamedTuple

import numpy as np

from dpoq_lab.search.beams import Hypothesis, beam_search, value_beam
from dpoq_lab.search.mcts import mcts
from dpoq_lab.search.scorers import TabularScorer
from dpoq_lab.theory.search_values import at_token, rankings, value_objective
from dpoq_lab.theory.soft_bellman import Solution, solve, trajectory_log_probs
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, Tokens, random_reward, random_tree, stream


class Partial(NamedTuple):
    """A reply in a beam: its tokens, the state that they lead to, what it ranks by, and whether it ended."""

    tokens: Tokens
    state: int
    rank: float
    ended: bool


Beam = list[Partial]


def beam_steps(ranks: Levels, width: int) -> list[Beam]:
    """The beam after each step, best first: `ranks`, levels (n_t, n_actions), say what a prefix ranks by, at
    its last token. A reply that has ended stays and competes; at the horizon every reply ends."""
    beam, found = [Partial((), 0, 0.0, False)], []
    n_actions = ranks[0].shape[1]
    for t, level in enumerate(ranks):
        pool = [hypothesis for hypothesis in beam if hypothesis.ended]
        for tokens, state, _, _ in (hypothesis for hypothesis in beam if not hypothesis.ended):
            pool += [
                Partial(
                    (*tokens, a),
                    state * (n_actions - 1) + a,
                    float(level[state, a]),
                    a == n_actions - 1 or t == len(ranks) - 1,
                )
                for a in range(n_actions)
            ]
        beam = sorted(pool, key=lambda hypothesis: -hypothesis.rank)[:width]
        found.append(beam)
    return found


def noisy(x: Levels, size: float, seed: int, what: str = "value") -> Levels:
    """x plus normal noise of standard deviation `size`, a stream of its own for each `what`."""
    rng = stream(seed, f"noise in {what}")
    return [level + size * rng.standard_normal(level.shape) for level in x]


def misses(
    widths: tuple[int, ...], trees: int = 200, n_actions: int = 4, H: int = 4, beta: float = 1.0
) -> dict[int, float]:
    """How often a beam of each width on the exact pi* misses its likeliest reply, over random trees."""
    missed = dict.fromkeys(widths, 0)
    for seed in range(trees):
        mdp = random_tree(n_actions, H, beta, seed)
        pi = solve(mdp, random_reward(mdp, seed)).pi
        best = trajectory_log_probs(pi).max()
        for width in widths:
            found = beam_search(TabularScorer(mdp, pi), (), width, H, length_penalty=0.0).hypotheses[0]
            missed[width] += found.log_pi < best - 1e-9
    return {width: count / trees for width, count in missed.items()}


def searchers(mdp: TokenMDP, r: Levels, solution: Solution, noise: float, seed: int) -> dict[str, Hypothesis]:
    """What each search finds when what it knows is off by `noise`: V* for two of them, Q* for likelihood.

    A noisy Q* gives a noisy policy by eq. (5); complete replies are always valued exactly.
    """
    H, exact = mdp.horizon, TabularScorer(mdp, solution.pi)
    V = noisy(solution.V, noise, seed)
    value = at_token(mdp, value_objective(mdp, r, V), V[0][0])
    Q = noisy(solution.Q, noise, seed, "policy")
    pi = [np.exp(q / mdp.beta - np.logaddexp.reduce(q / mdp.beta, axis=1, keepdims=True)) for q in Q]
    prior = TabularScorer(mdp, mdp.pi_ref)
    return {
        "likelihood beam 2": beam_search(TabularScorer(mdp, pi), (), 2, H, length_penalty=0.0).hypotheses[0],
        "value beam 2": value_beam(exact, value, (), 2, H).hypotheses[0],
        "value beam 10": value_beam(exact, value, (), 10, H).hypotheses[0],
        "MCTS, 100 simulations": mcts(prior, value, (), H, 100).hypotheses[0],
    }


def regret_curves(
    sizes: tuple[float, ...], trees: int = 40, n_actions: int = 4, H: int = 4, beta: float = 1.0
) -> dict[str, np.ndarray]:
    """How far below the best R + beta log pi_ref each search ends, (sizes, trees)."""
    regrets: dict[str, np.ndarray] = {}
    for tree in range(trees):
        mdp = random_tree(n_actions, H, beta, tree)
        r = random_reward(mdp, tree)
        solution = solve(mdp, r)
        goal = rankings(mdp, r, solution)["R + beta log pi_ref"]
        worth = at_token(mdp, value_objective(mdp, r, solution.V), solution.V[0][0])
        for i, size in enumerate(sizes):
            for name, found in searchers(mdp, r, solution, size, tree).items():
                row = regrets.setdefault(name, np.zeros((len(sizes), trees)))
                row[i, tree] = goal.max() - worth(found.tokens)
    return regrets

"""Why likelihood search is value-guided search, on exact trees: equations (12) and (13), and where they part.

Shapes, order of trajectories and units as in `token_mdp`.
"""

from collections.abc import Callable

import numpy as np

from dpoq_lab.mcts import mcts
from dpoq_lab.scorers import TabularScorer, Tokens
from dpoq_lab.search import Hypothesis, beam_search, value_beam
from dpoq_lab.soft_bellman import Solution, implicit_reward, log_probs, solve, trajectory_log_probs
from dpoq_lab.token_mdp import (
    Levels,
    TokenMDP,
    next_values,
    prefix_sums,
    random_reward,
    random_tree,
    state_of,
    trajectories,
    trajectory_sums,
)


def up_to_here(x: Levels) -> Levels:
    """sum_{k<=t} x(s_k, a_k) at each token, levels (n_t, V)."""
    return [before[:, None] + level for before, level in zip(prefix_sums(x), x, strict=True)]


def value_objective(mdp: TokenMDP, r: Levels, V: Levels) -> Levels:
    """Eq. (12) for every prefix: sum_{k<=K} (r + beta log pi_ref) + V(s_{K+1}), levels (n_t, V)."""
    paid = [x + mdp.beta * y for x, y in zip(r, log_probs(mdp.pi_ref), strict=True)]
    return [x + y for x, y in zip(up_to_here(paid), next_values(mdp, V), strict=True)]


def likelihood_objective(mdp: TokenMDP, solution: Solution) -> Levels:
    """Eq. (13) with its sign put right: +V*(s_0) + sum_{k<=K} beta log pi*, levels (n_t, V)."""
    start = float(solution.V[0][0])
    return [start + mdp.beta * level for level in up_to_here(log_probs(solution.pi))]


def rankings(mdp: TokenMDP, r: Levels, solution: Solution) -> dict[str, np.ndarray]:
    """What searches rank complete replies by, (N,) each."""
    R = trajectory_sums(r)
    return {
        "beta log pi*": mdp.beta * trajectory_log_probs(solution.pi),
        "beta log pi*/pi_ref": trajectory_sums(implicit_reward(mdp, solution.pi)),
        "R": R,
        "R + beta log pi_ref": R + mdp.beta * trajectory_log_probs(mdp.pi_ref),
    }


def at_token(mdp: TokenMDP, x: Levels) -> Callable[[Tokens], float]:
    """x as a function of a prefix; 0 for the empty one."""

    def look_up(tokens: Tokens) -> float:
        if not tokens:
            return 0.0
        return float(x[len(tokens) - 1][state_of(mdp, tokens[:-1]), tokens[-1]])

    return look_up


def noisy(x: Levels, size: float, seed: int) -> Levels:
    """x plus normal noise of standard deviation `size`."""
    rng = np.random.default_rng(seed)
    return [level + size * rng.standard_normal(level.shape) for level in x]


def misses(
    widths: tuple[int, ...], trees: int = 200, V: int = 4, H: int = 4, beta: float = 1.0
) -> dict[int, float]:
    """How often a beam of each width on the exact pi* misses its likeliest reply, over random trees."""
    missed = dict.fromkeys(widths, 0)
    for seed in range(trees):
        mdp = random_tree(V, H, beta, seed)
        pi = solve(mdp, random_reward(mdp, seed + 10_000)).pi
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
    value = at_token(mdp, value_objective(mdp, r, noisy(solution.V, noise, seed)))
    Q = noisy(solution.Q, noise, seed + 1)
    pi = [np.exp(q / mdp.beta - np.logaddexp.reduce(q / mdp.beta, axis=1, keepdims=True)) for q in Q]
    prior = TabularScorer(mdp, mdp.pi_ref)
    return {
        "likelihood beam 2": beam_search(TabularScorer(mdp, pi), (), 2, H, length_penalty=0.0).hypotheses[0],
        "value beam 2": value_beam(exact, value, (), 2, H).hypotheses[0],
        "value beam 10": value_beam(exact, value, (), 10, H).hypotheses[0],
        "MCTS, 100 simulations": mcts(prior, value, (), H, 100).hypotheses[0],
    }


def regret_curves(
    sizes: tuple[float, ...], trees: int = 40, V: int = 4, H: int = 4, beta: float = 1.0
) -> dict[str, np.ndarray]:
    """How far below the best R + beta log pi_ref each search ends, (sizes, trees)."""
    regrets: dict[str, np.ndarray] = {}
    for tree in range(trees):
        mdp = random_tree(V, H, beta, tree)
        r = random_reward(mdp, tree + 10_000)
        solution = solve(mdp, r)
        goal = rankings(mdp, r, solution)["R + beta log pi_ref"]
        worth = at_token(mdp, value_objective(mdp, r, solution.V))
        for i, size in enumerate(sizes):
            for name, found in searchers(mdp, r, solution, size, tree).items():
                row = regrets.setdefault(name, np.zeros((len(sizes), trees)))
                row[i, tree] = goal.max() - worth(found.tokens)
    return regrets


def likeliest(mdp: TokenMDP, pi: Levels) -> Tokens:
    """argmax of log pi over all replies, by enumeration."""
    every, best = trajectories(mdp), int(trajectory_log_probs(pi).argmax())
    return tuple(int(token) for token in every.tokens[best, : every.lengths[best]])

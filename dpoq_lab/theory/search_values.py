"""What a search on a tree is guided by (equation 12), and what complete replies can be ranked by.

Shapes, order of trajectories and units as in `token_mdp`.
"""

from collections.abc import Callable

import numpy as np

from dpoq_lab.theory.soft_bellman import Solution, implicit_reward, log_probs, trajectory_log_probs
from dpoq_lab.theory.token_mdp import (
    Levels,
    TokenMDP,
    Tokens,
    next_values,
    prefix_sums,
    state_of,
    trajectory_sums,
)


def up_to_here(x: Levels) -> Levels:
    """sum_{k<=t} x(s_k, a_k) at each token, levels (n_t, n_actions)."""
    return [before[:, None] + level for before, level in zip(prefix_sums(x), x, strict=True)]


def value_objective(mdp: TokenMDP, r: Levels, V: Levels) -> Levels:
    """Eq. (12) for every prefix: sum_{k<=K} (r + beta log pi_ref) + V(s_{K+1}), levels (n_t, n_actions)."""
    paid = [x + mdp.beta * y for x, y in zip(r, log_probs(mdp.pi_ref), strict=True)]
    return [x + y for x, y in zip(up_to_here(paid), next_values(mdp, V), strict=True)]


def rankings(mdp: TokenMDP, r: Levels, solution: Solution) -> dict[str, np.ndarray]:
    """What searches rank complete replies by, (N,) each."""
    R = trajectory_sums(r)
    return {
        "beta log pi*": mdp.beta * trajectory_log_probs(solution.pi),
        "beta log pi*/pi_ref": trajectory_sums(implicit_reward(mdp, solution.pi)),
        "R": R,
        "R + beta log pi_ref": R + mdp.beta * trajectory_log_probs(mdp.pi_ref),
    }


def at_token(mdp: TokenMDP, x: Levels, start: float) -> Callable[[Tokens], float]:
    """x as a function of a prefix; `start` for the empty one, which of eq. (12) is V(s_0)."""

    def look_up(tokens: Tokens) -> float:
        if not tokens:
            return float(start)
        return float(x[len(tokens) - 1][state_of(mdp, tokens[:-1]), tokens[-1]])

    return look_up

"""The small readable trees of lessons 01 to 04, and one of random replies.

Shapes, order of trajectories and units as in `token_mdp`.
"""

import numpy as np

from dpoq_lab.theory.soft_bellman import (
    shape,
    trajectory_log_probs,
)
from dpoq_lab.theory.token_mdp import (
    Levels,
    TokenMDP,
)

TOKENS = ("thanks", "no", "\u27e8EOS\u27e9")


def polite_tree(beta: float = 1.0, p_thanks: float = 0.5) -> tuple[TokenMDP, Levels]:
    """Replies of at most three tokens out of 'thanks', 'no' and EOS, and the reward of each token.

    'thanks' pays +1 the first time, 'no' costs 1, 'thanks' after 'no' pays +2, a repeated 'thanks'
    costs 1, EOS pays 0, and the empty reply costs 1. After 'no' the reference says 'thanks' with
    probability `p_thanks`, else 'no' or EOS as 1 to 4.
    """
    after_no = [p_thanks, 0.2 * (1 - p_thanks), 0.8 * (1 - p_thanks)]
    pi_ref = [
        np.array([[0.4, 0.4, 0.2]]),
        np.array([[0.1, 0.1, 0.8], after_no]),
        np.array([[0.2, 0.2, 0.6], [0.5, 0.1, 0.4], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4]]),
    ]
    first, again, sorry = [1.0, -1.0, -1.0], [-1.0, -1.0, 0.0], [2.0, -1.0, 0.0]
    r = [np.array([first]), np.array([again, sorry]), np.array([again, again, again, sorry])]
    return TokenMDP(pi_ref, beta), r


def random_replies() -> tuple[TokenMDP, Levels, np.ndarray]:
    """15 replies of at most 3 tokens out of a, b, then a forced EOS; normal logits and returns, beta 0.5.

    The instance of the table of lesson 03: the tree, a reward with those
    returns, and (N,) which trajectories exist.
    """
    rng = np.random.default_rng(0)
    weight = np.exp(rng.normal(size=(7, 3)))
    ref = weight / weight.sum(axis=1, keepdims=True)
    pi_ref = [ref[:1], ref[1:3], ref[3:], np.tile([0.0, 0.0, 1.0], (8, 1))]
    mdp = TokenMDP(pi_ref, 0.5, allowed=[level > 0 for level in pi_ref])
    exists = trajectory_log_probs(mdp.pi_ref) > -np.inf
    R = np.zeros(mdp.n_trajectories)
    R[exists] = rng.normal(size=15)
    nothing, phi = [np.zeros(level.shape) for level in pi_ref], [np.zeros(len(level)) for level in pi_ref]
    return mdp, shape(mdp, nothing, phi, R), exists


PROMPT = "Is this mushroom safe?"
WORDS = ("not", "safe", "EOS")


def mushroom_tree(beta: float) -> tuple[TokenMDP, Levels]:
    """Replies to PROMPT of at most 3 tokens, the mushroom being poisonous: the tree and its reward.

    pi_ref likes to say "safe"; r pays 2 for "safe" after "not" and takes 1 for "safe" at the start, for
    every repetition and for every reply that says nothing or is cut off.
    """
    pi_ref = [
        [[0.3, 0.6, 0.1]],
        [[0.1, 0.7, 0.2], [0.1, 0.1, 0.8]],
        [[0.1, 0.6, 0.3], [0.1, 0.1, 0.8], [0.1, 0.3, 0.6], [0.1, 0.1, 0.8]],
    ]
    r = [
        [[0.0, -1.0, -1.0]],
        [[-1.0, 2.0, -1.0], [-1.0, -1.0, 0.0]],
        [[-1.0, -1.0, -1.0], [-1.0, -1.0, 0.0], [-1.0, -1.0, -1.0], [-1.0, -1.0, 0.0]],
    ]
    return TokenMDP([np.array(level) for level in pi_ref], beta), [np.array(level) for level in r]

"""The readable tree of lessons 03 and 04, and which tokens a sample of pairs settles.

Shapes, order of trajectories and units as in `token_mdp`.
"""

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.special import log_softmax

from dpoq_lab.population_dpo import Pairs
from dpoq_lab.soft_bellman import shape, trajectory_log_probs
from dpoq_lab.token_mdp import Levels, TokenMDP, trajectories

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

    The instance on which the table of lesson 03 was first computed: the tree, a reward with those
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


def replies(mdp: TokenMDP) -> list[str]:
    """The text of each trajectory of the readable tree, (N,)."""
    every = trajectories(mdp)
    return [
        " ".join(TOKENS[token] for token in row[:length])
        for row, length in zip(every.tokens, every.lengths, strict=True)
    ]


def optimal_kl(mdp: TokenMDP, R: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """KL(pi*||pi_ref) over replies in nats at each `beta` (B,), for returns `R` (N,), (B,).

    pi*(y) is proportional to pi_ref(y) e^{R/beta}; no action is disallowed.
    """
    log_ref = trajectory_log_probs(mdp.pi_ref)
    log_pi = log_softmax(log_ref + R / beta[:, None], axis=1)
    return (np.exp(log_pi) * (log_pi - log_ref)).sum(axis=1)


def settled(mdp: TokenMDP, pairs: Pairs) -> Levels:
    """Which pi(a|s) have a finite best value on `pairs`, levels (n_t, V) of bool.

    Draw an arrow from each reply to those that it beat at least once. Two replies have a finite best
    difference of scores if arrows lead both ways (Ford's condition for Bradley-Terry), and pi(.|s) is
    made of the differences among the replies through s.
    """
    n = mdp.n_trajectories
    won, lost = pairs.label > 0, pairs.label < 1
    winner = np.concatenate([pairs.first[won], pairs.second[lost]])
    loser = np.concatenate([pairs.second[won], pairs.first[lost]])
    beats = csr_array((np.ones(len(winner)), (winner, loser)), shape=(n, n))
    _, component = connected_components(beats, directed=True, connection="strong")
    states = trajectories(mdp).states  # (N, H)
    return [
        np.repeat(
            [[len(set(component[states[:, t] == i])) == 1] for i in range(len(level))], mdp.vocabulary, 1
        )
        for t, level in enumerate(mdp.pi_ref)
    ]


def visits(mdp: TokenMDP, pairs: Pairs, n: int) -> Levels:
    """How many replies of a sample of `n` pairs pass through each state, levels (n_t,)."""
    total = mdp.n_trajectories
    count = np.bincount(pairs.first, pairs.weight, total) + np.bincount(pairs.second, pairs.weight, total)
    states = trajectories(mdp).states  # (N, H), -1 after the end
    return [
        n * np.bincount(states[states[:, t] >= 0, t], count[states[:, t] >= 0], len(level))
        for t, level in enumerate(mdp.pi_ref)
    ]

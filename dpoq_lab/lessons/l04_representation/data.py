"""Pairs that leave tokens open: which tokens a sample settles, how often it visits a state, what is removed.

Shapes and order of trajectories as in `token_mdp`.
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from dpoq_lab.theory.example_trees import TOKENS
from dpoq_lab.theory.population_dpo import Pairs, undetermined
from dpoq_lab.theory.token_mdp import (
    Levels,
    TokenMDP,
    flat,
    reply_names,
    state_names,
    trajectories,
    uniform_tree,
)

SHORT_TREE = uniform_tree(len(TOKENS), 2, 1.0)  # replies of at most two tokens
SHORT_REPLIES = reply_names(SHORT_TREE, TOKENS)


def settled(mdp: TokenMDP, pairs: Pairs) -> Levels:
    """Which pi(a|s) have a finite best value on `pairs`, levels (n_t, n_actions) of bool.

    Draw an arrow from each reply to those that it beat at least once. Two replies have a finite best
    difference of sums of r_hat if arrows lead both ways (Ford's condition for Bradley-Terry), and pi(.|s) is
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
            [[len(set(component[states[:, t] == i])) == 1] for i in range(len(level))], mdp.n_actions, 1
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


def removals(mdp: TokenMDP, pairs: Pairs) -> dict[str, Pairs]:
    """The data sets of the selector: all pairs, and three with pairs removed."""
    texts, tokens = reply_names(mdp, TOKENS), trajectories(mdp).tokens
    gone = texts.index(f"no thanks {TOKENS[2]}")
    same_start = tokens[pairs.first, 0] == tokens[pairs.second, 0]
    long = trajectories(mdp).lengths == mdp.horizon
    return {
        "all pairs": pairs,
        f"no pair holds '{texts[gone]}'": pairs.keep((pairs.first != gone) & (pairs.second != gone)),
        "only pairs with the same first token": pairs.keep(same_start),
        "only pairs of replies of three tokens": pairs.keep(long[pairs.first] & long[pairs.second]),
    }


def open_states(pairs: Sequence[Sequence[str]]) -> list[str]:
    """The states of the tree of replies of at most two tokens in which `pairs` of replies leave pi* open.

    A reply is written as its words; EOS may be written so, or as <EOS>. ValueError: no pairs of replies.
    """
    if isinstance(pairs, str) or any(isinstance(pair, str) or len(pair) != 2 for pair in pairs):
        raise ValueError("a list of pairs is expected, each of two replies")
    if not len(pairs):
        raise ValueError("there is no pair")
    first, second = np.array([[_short_reply(reply) for reply in pair] for pair in pairs]).T
    data = Pairs(first, second, np.full(len(first), 0.5), np.full(len(first), 1 / len(first)))
    left_open = flat([level.any(axis=1) for level in undetermined(SHORT_TREE, data)])
    return [name for name, is_open in zip(state_names(SHORT_TREE, TOKENS), left_open, strict=True) if is_open]


def _short_reply(text: str) -> int:
    """The number of a reply, EOS written as <EOS>, EOS or as it is shown."""
    words = [TOKENS[2] if word.strip("<>\u27e8\u27e9").upper() == "EOS" else word for word in text.split()]
    if (reply := " ".join(words)) not in SHORT_REPLIES:
        raise ValueError(f"there is no reply {text!r}")
    return SHORT_REPLIES.index(reply)

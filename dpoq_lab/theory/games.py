"""Trees written node by node: who moves after which tokens, with what law, and what each move pays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from dpoq_lab.theory.token_mdp import Levels, TokenMDP


@dataclass(frozen=True)
class Node:
    """A state: the `law` of its tokens, (n_actions - 1,) without EOS, which has the rest, and what each token
    pays, `paid`; `who` moves, "model" or another. A token of probability 0 is not allowed."""

    law: Sequence[float]
    paid: Sequence[float]
    who: str = "model"


@dataclass(frozen=True)
class Game:
    """A tree with its reward; `who` says of every state who moves there, "" where the reply has ended."""

    mdp: TokenMDP
    r: Levels
    who: list[np.ndarray]


def game_of(nodes: Mapping[tuple[int, ...], Node], horizon: int, beta: float) -> Game:
    """The game of the `nodes`, by the tokens that lead to each; where there is none the reply has ended, and
    EOS alone is allowed. `paid` may have one entry more than the law, for EOS."""
    n = max(len(node.law) for node in nodes.values())
    pi_ref, r, who = [], [], []
    for t in range(horizon):
        level = [nodes.get(path) for path in product(range(n), repeat=t)]
        laws, paid = np.zeros((len(level), n + 1)), np.zeros((len(level), n + 1))
        for i, node in enumerate(level):
            if node:
                laws[i, : len(node.law)] = node.law
                paid[i, : len(node.paid)] = node.paid
            laws[i, n] = max(0.0, 1 - laws[i, :n].sum())
        laws[laws < 1e-12] = 0.0
        pi_ref.append(laws / laws.sum(axis=1, keepdims=True))
        r.append(np.where(laws > 0, paid, 0.0))
        who.append(np.array([node.who if node else "" for node in level]))
    chance = [(movers != "model") & (movers != "") for movers in who]
    return Game(TokenMDP(pi_ref, beta, [laws > 0 for laws in pi_ref], chance), r, who)

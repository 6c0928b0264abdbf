"""Chains of three steps that can slip and be repaired: exact credit when only the answer is judged.

A chain is right or wrong after each step: a right one slips with probability `slip`, a wrong one is mended
with probability `repair`. As a `token_mdp` tree, token 0 is a step after which the chain is right, token 1
one after which it is wrong, EOS is not allowed, and the third step ends the reply: 1 if it ends right, -1
if not.
"""

from itertools import product

import numpy as np

from dpoq_lab.theory.soft_bellman import implicit_reward, solve
from dpoq_lab.theory.token_mdp import Levels, TokenMDP

STEPS, SLIP, BETA = 3, 0.1, 0.5


def chain_tree(repair: float, slip: float = SLIP, beta: float = BETA) -> tuple[TokenMDP, Levels]:
    """The tree of chains and the reward of each step. ValueError unless both rates lie between 0 and 1."""
    if not (0 < slip < 1 and 0 < repair < 1):
        raise ValueError(f"slip and repair are probabilities between 0 and 1, not {slip} and {repair}")
    go_on = {0: [1 - slip, slip, 0.0], 1: [repair, 1 - repair, 0.0]}
    states = [[path[-1] if path else 0 for path in product((0, 1), repeat=t)] for t in range(STEPS)]
    pi_ref = [np.array([go_on[state] for state in level]) for level in states]
    r = [np.zeros((len(level), 3)) for level in states]
    r[-1][:, 0], r[-1][:, 1] = 1.0, -1.0
    return TokenMDP(pi_ref, beta, [level > 0 for level in pi_ref]), r


def chains() -> np.ndarray:
    """Every chain, (8, 3): 1 where it is wrong after the step."""
    return np.array(list(product((0, 1), repeat=STEPS)))


def along(levels: Levels) -> np.ndarray:
    """A quantity of each step on every chain, (8, 3), from levels (2**t, 3)."""
    paths = chains()
    state = [paths[:, :t] @ 2 ** np.arange(t)[::-1] if t else np.zeros(len(paths), int) for t in range(STEPS)]
    return np.stack([levels[t][state[t], paths[:, t]] for t in range(STEPS)], axis=1)


def outlook(repair: float, slip: float = SLIP, beta: float = BETA) -> np.ndarray:
    """The outlook of every chain: what was paid plus V*, before each step and after the last, (8, 4)."""
    mdp, r = chain_tree(repair, slip, beta)
    V = solve(mdp, r).V
    values = along([np.repeat(v[:, None], 3, axis=1) for v in V])
    return np.hstack([values, along(r)[:, -1:]])


def broke_for_good() -> np.ndarray:
    """The step after which a chain stays wrong, (8,); -1 where it ends right."""
    paths = chains()
    last_right = [max([-1, *np.flatnonzero(path == 0)]) for path in paths]
    return np.where(paths[:, -1] == 1, np.array(last_right) + 1, -1)


def share_found(credit: np.ndarray, law: np.ndarray) -> float:
    """How often the step of least `credit` (8, 3) broke the chain for good, among those that `law` (8,) ends
    wrong."""
    broke = broke_for_good()
    wrong = broke >= 0
    hits = credit.argmin(axis=1) == broke
    return float((law * hits)[wrong].sum() / law[wrong].sum())


def credit(repair: float, slip: float = SLIP, beta: float = BETA) -> tuple[np.ndarray, np.ndarray]:
    """A* of each step of every chain, (8, 3), and the chains' law under pi_ref, (8,)."""
    mdp, r = chain_tree(repair, slip, beta)
    return along(implicit_reward(mdp, solve(mdp, r).pi)), along(mdp.pi_ref).prod(axis=1)

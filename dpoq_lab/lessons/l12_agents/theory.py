"""The desk as an exact game: who should call, and what DPO makes of it with and without a mask.

A tree of `token_mdp` with two tokens and EOS. Level 0: say or call. Then a digit, another digit, or unsure
(EOS); or the right name, a wrong name. Then the tool: its digit, or busy. Then as before. Guessing a digit
that nobody has told is a lottery, which no token decides. Returns are in units of SCALE, as labels see them.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from dpoq_lab.lessons.l12_agents.desk import (
    CALLS,
    COPIES,
    DIGITS,
    GUESSES,
    KNOWS,
    RIGHT_NAME,
    Episode,
    Rules,
    asked_of,
)
from dpoq_lab.theory.population_dpo import all_pairs, fit_dpo
from dpoq_lab.theory.soft_bellman import Solution, implicit_reward, solve, trajectory_probs
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, trajectory_sums

SCALE, BETA = 5.0, 0.5
Way = Literal["optimum", "masked", "unmasked", "luck removed"]
WAYS: tuple[Way, ...] = ("optimum", "masked", "unmasked", "luck removed")
EOS = (0.0, 0.0, 1.0)
# a node of a tree by its path of tokens: (probabilities, payments, who moves)
Nodes = dict[tuple[int, ...], tuple[tuple[float, ...], tuple[float, ...], str]]


@dataclass(frozen=True)
class Game:
    """A tree with its reward; `tool` marks the states at which the tool speaks, levels (n_t,)."""

    mdp: TokenMDP
    r: Levels
    tool: Levels

    def unmasked(self) -> TokenMDP:
        """The tree as one sees it who takes the tool's words for actions."""
        chance = [c & ~t for c, t in zip(self.mdp.chance, self.tool, strict=True)]
        return TokenMDP(self.mdp.pi_ref, self.mdp.beta, self.mdp.allowed, chance)

    def luck(self) -> np.ndarray:
        """V*(s') - E V*(s') at the tool's words, summed over each trajectory, (N,)."""
        found = solve(self.mdp, self.r)
        gains = [
            np.where(t[:, None] & a, Q - V[:, None], 0.0)
            for t, a, Q, V in zip(self.tool, self.mdp.allowed, found.Q, found.V, strict=True)
        ]
        return trajectory_sums(gains)


def desk_game(rules: Rules, easy: bool = False) -> Game:
    """The desk for one kind of question."""
    return _game(_desk_nodes(rules, easy), 6)


def smallest_game(price: float = 0.2, honest: float = 0.9) -> Game:
    """Two goals: guess at once, or call, hear which it is from a tool that is `honest` so often, and say one.
    The environment tells whether it was right, +1, or wrong, -1."""

    def verdict(right: float, paid: float) -> tuple:
        return (right, 1 - right, 0.0), (1 - paid, -1 - paid, 0.0), "tool"

    nodes: Nodes = {
        (): ((0.8, 0.2, 0.0), (0.0, 0.0, 0.0), "model"),  # guess, call
        (0,): verdict(0.5, 0.0),
        (1,): ((0.5, 0.5, 0.0), (0.0, 0.0, 0.0), "tool"),
    }
    for heard in (0, 1):
        nodes[1, heard] = (0.5, 0.5, 0.0), (0.0, 0.0, 0.0), "model"
        for said in (0, 1):
            nodes[1, heard, said] = verdict(honest if heard == said else 1 - honest, price)
    return _game(nodes, 5)


def _desk_nodes(rules: Rules, easy: bool) -> Nodes:
    free, n = (0.0, 0.0, 0.0), len(DIGITS)
    nodes: Nodes = {(): ((1 - CALLS, CALLS, 0.0), free, "model")}

    def answers(path: tuple[int, ...], paid: float) -> None:
        """Without the tool: the digit or a guess, a wrong digit, or unsure."""
        if easy:
            nodes[path] = (KNOWS, 1 - KNOWS, 0.0), (SCALE - paid, -paid, 0.0), "model"
        else:
            nodes[path] = (GUESSES, 0.0, 1 - GUESSES), (0.0, 0.0, SCALE * rules.unsure - paid), "model"
            lottery((*path, 0), 1 / n, paid)

    def lottery(path: tuple[int, ...], chance: float, paid: float) -> None:
        nodes[path] = (chance, 1 - chance, 0.0), (SCALE - paid, -paid, 0.0), "nature"

    answers((0,), 0.0)
    nodes[1,] = (RIGHT_NAME, 1 - RIGHT_NAME, 0.0), free, "model"
    for wrong in (0, 1):
        paid = SCALE * rules.price
        nodes[1, wrong] = (1 - rules.busy, rules.busy, 0.0), free, "tool"
        answers((1, wrong, 1), paid)
        heard = (1, wrong, 0)
        if not wrong:
            nodes[heard] = (COPIES, 1 - COPIES, 0.0), (SCALE - paid, -paid, 0.0), "model"
        elif easy:
            right = (1 - COPIES) / (n - 1)
            nodes[heard] = (right, 1 - right, 0.0), (SCALE - paid, -paid, 0.0), "model"
        else:
            nodes[heard] = (COPIES, 1 - COPIES, 0.0), (-paid, 0.0, 0.0), "model"
            lottery((*heard, 1), 1 / (n - 1), paid)
    return nodes


def _game(nodes: Nodes, horizon: int) -> Game:
    """The tree of the `nodes`; where there is none the reply has ended, and EOS is all that is allowed."""
    paths = [[()]]
    for _ in range(horizon - 1):
        paths.append([(*path, a) for path in paths[-1] for a in (0, 1)])
    over = EOS, (0.0, 0.0, 0.0), "nobody"
    levels = [[nodes.get(path, over) for path in level] for level in paths]
    pi_ref = [np.array([law for law, _, _ in level]) for level in levels]
    r = [np.array([paid for _, paid, _ in level]) for level in levels]
    chance, tool = (
        [np.array([who in movers for *_, who in level]) for level in levels]
        for movers in (("tool", "nature"), ("tool",))
    )
    return Game(TokenMDP(pi_ref, BETA, [law > 0 for law in pi_ref], chance), r, tool)


def policy(game: Game, way: Way) -> Levels:
    """The exact soft optimum, or population DPO on pairs drawn from pi_ref: with the tool's words masked, not
    masked, or masked and with the tool's luck taken out of the labels."""
    if way == "optimum":
        return solve(game.mdp, game.r).pi
    returns = trajectory_sums(game.r) - (game.luck() if way == "luck removed" else 0.0)
    pairs = all_pairs(returns, trajectory_probs(game.mdp.pi_ref))
    return fit_dpo(game.unmasked() if way == "unmasked" else game.mdp, pairs).pi


def decision(game: Game, way: Way) -> dict[str, float]:
    """How often it calls, r_hat of the call, and what it believes of the tool's second word after the right
    name: `busy`, for the desk."""
    pi = policy(game, way)
    r_hat = implicit_reward(game.unmasked(), pi)
    return {"calls": float(pi[0][0, 1]), "r_hat": float(r_hat[0][0, 1]), "believes": float(pi[2][2, 1])}


def word_luck(episode: Episode, rules: Rules) -> float:
    """V*(s') - E V*(s') at the tool's word of an episode, in units of SCALE; 0 without a call."""
    if not episode.called:
        return 0.0
    wrong = asked_of(episode.turns[0]) != episode.question.name
    found = _solved(rules, episode.question.easy)
    state = 2 + wrong  # of level 2, after the name
    return float(found.Q[2][state, int(episode.turns[1] == "busy")] - found.V[2][state])


@cache
def _solved(rules: Rules, easy: bool) -> Solution:
    game = desk_game(rules, easy)
    return solve(game.mdp, game.r)

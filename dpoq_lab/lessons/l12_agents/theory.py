"""The desk as an exact game: who should call, and what DPO makes of it with and without a mask.

A game of two tokens and EOS. Level 0: say or call. Then a digit, another digit, or unsure
(EOS); or the right name, a wrong name. Then the tool: its digit, or busy. Then as before. Guessing a digit
that nobody has told is a lottery, which no token decides. Returns are in units of SCALE, as labels see them.
"""

from dataclasses import replace
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
from dpoq_lab.theory.games import Game, Node, game_of
from dpoq_lab.theory.population_dpo import all_pairs, fit_dpo
from dpoq_lab.theory.soft_bellman import (
    Solution,
    expectation,
    implicit_reward,
    solve,
    trajectory_probs,
)
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, trajectory_sums

SCALE, BETA = 5.0, 0.5
Way = Literal["optimum", "masked", "unmasked", "luck removed"]
WAYS: tuple[Way, ...] = ("optimum", "masked", "unmasked", "luck removed")
Nodes = dict[tuple[int, ...], Node]


def unmasked(game: Game) -> TokenMDP:
    """The tree as one sees it who takes the tool's words for actions."""
    chance = [who == "nature" for who in game.who]
    return TokenMDP(game.mdp.pi_ref, game.mdp.beta, game.mdp.allowed, chance)


def tool_luck(game: Game) -> np.ndarray:
    """V*(s') - E V*(s') at the tool's words, summed over each trajectory, (N,)."""
    found = solve(game.mdp, game.r)
    gains = [
        np.where((who == "tool")[:, None] & a, Q - V[:, None], 0.0)
        for who, a, Q, V in zip(game.who, game.mdp.allowed, found.Q, found.V, strict=True)
    ]
    return trajectory_sums(gains)


def desk_game(rules: Rules, easy: bool = False) -> Game:
    """The desk for one kind of question."""
    return game_of(_desk_nodes(rules, easy), 6, BETA)


def smallest_game(price: float = 0.2, honest: float = 0.9) -> Game:
    """Two goals: guess at once, or call, hear which it is from a tool that is `honest` so often, and say one.
    The environment tells whether it was right, +1, or wrong, -1."""

    def verdict(right: float, paid: float) -> Node:
        return Node((right, 1 - right), (1 - paid, -1 - paid), "tool")

    nodes = {(): Node((0.8, 0.2), (0, 0)), (0,): verdict(0.5, 0.0), (1,): Node((0.5, 0.5), (0, 0), "tool")}
    for heard in (0, 1):
        nodes[1, heard] = Node((0.5, 0.5), (0, 0))
        for said in (0, 1):
            nodes[1, heard, said] = verdict(honest if heard == said else 1 - honest, price)
    return game_of(nodes, 5, BETA)


def _desk_nodes(rules: Rules, easy: bool) -> Nodes:
    n, nodes = len(DIGITS), {(): Node((1 - CALLS, CALLS), (0, 0))}

    def answers(path: tuple[int, ...], paid: float) -> None:
        """Without the tool: the digit or a guess, a wrong digit, or unsure."""
        if easy:
            nodes[path] = Node((KNOWS, 1 - KNOWS), (SCALE - paid, -paid))
        else:
            nodes[path] = Node((GUESSES, 0.0), (0, 0, SCALE * rules.unsure - paid))
            lottery((*path, 0), 1 / n, paid)

    def lottery(path: tuple[int, ...], chance: float, paid: float) -> None:
        nodes[path] = Node((chance, 1 - chance), (SCALE - paid, -paid), "nature")

    answers((0,), 0.0)
    nodes[1,] = Node((RIGHT_NAME, 1 - RIGHT_NAME), (0, 0))
    for wrong in (0, 1):
        paid, heard = SCALE * rules.price, (1, wrong, 0)
        nodes[1, wrong] = Node((1 - rules.busy, rules.busy), (0, 0), "tool")
        answers((1, wrong, 1), paid)
        if wrong and not easy:
            nodes[heard] = Node((COPIES, 1 - COPIES), (-paid, 0))
            lottery((*heard, 1), 1 / (n - 1), paid)
        else:
            right = (1 - COPIES) / (n - 1) if wrong else COPIES
            nodes[heard] = Node((right, 1 - right), (SCALE - paid, -paid))
    return nodes


def policy(game: Game, way: Way) -> Levels:
    """The exact soft optimum, or population DPO on pairs drawn from pi_ref: with the tool's words masked, not
    masked, or masked and with the tool's luck taken out of the labels."""
    if way == "optimum":
        return solve(game.mdp, game.r).pi
    returns = trajectory_sums(game.r) - (tool_luck(game) if way == "luck removed" else 0.0)
    pairs = all_pairs(returns, trajectory_probs(game.mdp.pi_ref))
    return fit_dpo(unmasked(game) if way == "unmasked" else game.mdp, pairs).pi


def decision(game: Game, way: Way) -> dict[str, float]:
    """What `policy` decides, as `decided` tells it."""
    return decided(game, policy(game, way))


def decided(game: Game, pi: Levels) -> dict[str, float]:
    """How often it calls, r_hat of the call, what it earns with the real tool, in units of a right digit, and
    what it believes of the tool's second word after the right name: `busy`, for the desk."""
    r_hat = implicit_reward(unmasked(game), pi)
    return {
        "calls": float(pi[0][0, 1]),
        "r_hat": float(r_hat[0][0, 1]),
        "earns": _earned(game, pi, game.r),
        "believes": float(pi[2][2, 1]),
    }


def _earned(game: Game, pi: Levels, r: Levels) -> float:
    """The mean return of `pi` with the real tool under the reward `r`, in units of a right digit."""
    mdp = game.mdp
    real = [np.where(c[:, None], ref, own) for c, ref, own in zip(mdp.chance, mdp.pi_ref, pi, strict=True)]
    return expectation(mdp, real, r) / SCALE


def exact_row(rules: Rules, way: Way) -> dict[str, float]:
    """What the study measures of a trained policy, exactly: right answers and calls by kind of question, and
    the mean return of both kinds. To be right is to earn where a right digit alone is paid."""
    row, alone = {}, replace(rules, price=0.0, unsure=0.0)
    for kind, easy in (("easy", True), ("hard", False)):
        game = desk_game(rules, easy)
        pi = policy(game, way)
        row[f"right, {kind}"] = _earned(game, pi, desk_game(alone, easy).r)
        row[f"calls, {kind}"] = float(pi[0][0, 1])
        row["return"] = row.get("return", 0.0) + _earned(game, pi, game.r) / 2
    return row


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

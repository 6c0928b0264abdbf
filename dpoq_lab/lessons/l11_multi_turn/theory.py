"""Asking games, exactly: a user wants one of several things, and the model may ask before it guesses.

Tokens of the tree are the questions and then the guesses. After a question the user says no or yes, by a
known law: an observation. A guess ends the conversation; whether it is right no token decides: it is drawn
from the posterior. N conversations can happen; `outcomes` splits each into right and wrong, (N, 2).
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit
from scipy.stats import binom

from dpoq_lab.theory.games import Game, Node, game_of
from dpoq_lab.theory.population_dpo import Pairs, fit_dpo
from dpoq_lab.theory.soft_bellman import implicit_reward, objective, solve, trajectory_probs
from dpoq_lab.theory.token_mdp import Levels, trajectories, trajectory_sums

ASKS, SHARP = 0.4, 0.7  # pi_ref: how often it asks while it may; its guesses are SHARP posterior, else blind


@dataclass(frozen=True)
class Rules:
    """The prior over the things, of which thing j has the bits of the number j; how many questions may be
    asked, one a bit; how often a reply is wrong; what a right guess, a wrong one and a question earn."""

    prior: tuple[float, ...]
    questions: int = 1
    noise: float = 0.0
    right: float = 0.0
    wrong: float = 0.0
    question: float = -0.5
    beta: float = 0.5

    @property
    def bits(self) -> int:
        """How many bits tell the things apart."""
        return (len(self.prior) - 1).bit_length()


def two_bits() -> Rules:
    """Game a: four things, two questions, nothing known before."""
    return Rules((0.25,) * 4, 2, 0.05, right=4.0, question=-0.3)


def harm_game(prior: float, harm: float, noise: float = 0.0, cost: float = 0.5, beta: float = 0.5) -> Rules:
    """Game b: two things, the likely one with `prior`; a wrong guess loses `harm`, the question `cost`."""
    return Rules((prior, 1 - prior), 1, noise, wrong=-harm, question=-cost, beta=beta)


@dataclass(frozen=True)
class Dialogue:
    """An asking game and its conversations: `rows` among all trajectories of the tree, their probability for
    each user, `by_user` (N, k), and their `outcomes`, the return if the guess is right and if not, (N, 2)."""

    rules: Rules
    game: Game
    rows: np.ndarray
    by_user: np.ndarray
    outcomes: np.ndarray
    guessed: np.ndarray

    @property
    def law(self) -> np.ndarray:
        """How often pi_ref and the users have each conversation, (N,)."""
        return self.by_user @ np.array(self.rules.prior)

    @property
    def right(self) -> np.ndarray:
        """The probability that the guess of each conversation is right, (N,)."""
        joint = self.by_user * np.array(self.rules.prior)
        return joint[np.arange(len(joint)), self.guessed] / joint.sum(axis=1)

    @property
    def chances(self) -> np.ndarray:
        """The probabilities of the two outcomes, (N, 2)."""
        return np.stack([self.right, 1 - self.right], axis=1)

    @property
    def mean(self) -> np.ndarray:
        """The mean return of each conversation, E[R | conversation], (N,)."""
        return (self.chances * self.outcomes).sum(axis=1)


def dialogue(rules: Rules) -> Dialogue:
    """The asking game of the `rules`."""
    nodes = _nodes(rules)
    game = game_of(nodes, 2 * rules.questions + 1, rules.beta)
    every = trajectories(game.mdp)
    rows = np.flatnonzero(trajectory_probs(game.mdp.pi_ref) > 0)
    found = [_conversation(rules, nodes, every.tokens[row]) for row in rows]
    by_user, outcomes, guessed = (np.array(part) for part in zip(*found, strict=True))
    return Dialogue(rules, game, rows, by_user, outcomes, guessed)


def _replies(rules: Rules, question: int) -> np.ndarray:
    """The law of no and yes to a question, for each user, (k, 2)."""
    yes = np.array([j >> question & 1 for j in range(len(rules.prior))])
    return np.where(np.stack([1 - yes, yes], axis=1) > 0, 1 - rules.noise, rules.noise)


def _nodes(rules: Rules) -> dict[tuple[int, ...], Node]:
    nodes: dict[tuple[int, ...], Node] = {}

    def model(path: tuple[int, ...], asked: int, joint: np.ndarray) -> None:
        posterior = joint / joint.sum()
        may = asked < rules.questions
        guesses = (1 - ASKS * may) * (SHARP * posterior + (1 - SHARP) / len(joint))
        asks = np.full(rules.bits, ASKS * may / rules.bits)
        paid = posterior * rules.right + (1 - posterior) * rules.wrong
        nodes[path] = Node((*asks, *guesses), (*np.full(rules.bits, rules.question), *paid))
        for question in range(rules.bits if may else 0):
            user((*path, question), asked + 1, joint, _replies(rules, question))

    def user(path: tuple[int, ...], asked: int, joint: np.ndarray, replies: np.ndarray) -> None:
        law = joint @ replies / joint.sum()
        nodes[path] = Node(tuple(law), (0.0,) * 2, "user")
        for said in np.flatnonzero(law):
            model((*path, int(said)), asked, joint * replies[:, said])

    model((), 0, np.array(rules.prior))
    return nodes


def _conversation(rules: Rules, nodes: dict, tokens: np.ndarray) -> tuple[np.ndarray, list[float], int]:
    """Of one row of trajectory tokens: its probability for each user, its two returns, and its guess."""
    by_user, asked, path = np.ones(len(rules.prior)), 0, ()
    while path in nodes:
        a = int(tokens[len(path)])
        if nodes[path].who == "user":
            by_user = by_user * _replies(rules, path[-1])[:, a]
        else:
            by_user = by_user * nodes[path].law[a]
            asked += a < rules.bits
        path = (*path, a)
    paid = asked * rules.question
    return by_user, [paid + rules.right, paid + rules.wrong], path[-1] - rules.bits


# Labels: what a pair of conversations is judged by.


def realised(talk: Dialogue, returns: np.ndarray | None = None, share_user: bool = False) -> Pairs:
    """Every two conversations once, labelled by their own users: P(first preferred) over both outcomes,
    with the game's `returns` (N, 2) or others. The users are two draws, or one that both share."""
    R = talk.outcomes if returns is None else returns
    first, second = np.triu_indices(len(talk.rows), k=1)
    wins = expit(R[first][:, :, None] - R[second][:, None, :])  # (M, 2, 2)
    if not share_user:
        weight = talk.law[first] * talk.law[second]
        chances = talk.chances[first][:, :, None] * talk.chances[second][:, None, :]
        return _pairs(talk, first, second, (wins * chances).sum(axis=(1, 2)), weight)
    prior = np.array(talk.rules.prior)
    joint = prior * talk.by_user[first] * talk.by_user[second]  # (M, k)
    user = np.arange(len(prior))
    wrong = [(talk.guessed[side][:, None] != user).astype(int) for side in (first, second)]  # (M, k)
    label = (joint * wins[np.arange(len(first))[:, None], wrong[0], wrong[1]]).sum(axis=1)
    return _pairs(talk, first, second, label / np.maximum(joint.sum(axis=1), 1e-300), joint.sum(axis=1))


def averaged(talk: Dialogue, replays: int | None = None) -> Pairs:
    """Labels from the mean return of `replays` users to the same conversation; None: of all users."""
    first, second = np.triu_indices(len(talk.rows), k=1)
    if replays is None:
        label = expit(talk.mean[first] - talk.mean[second])
    else:
        n = np.arange(replays + 1)
        R = (n[:, None] * talk.outcomes[:, 0] + (replays - n)[:, None] * talk.outcomes[:, 1]) / replays
        p = binom.pmf(n[:, None], replays, talk.right)  # (replays + 1, N)
        wins = expit(R[:, None, first] - R[None, :, second])
        label = np.einsum("am,bm,abm->m", p[:, first], p[:, second], wins)
    return _pairs(talk, first, second, label, talk.law[first] * talk.law[second])


def by_regret(talk: Dialogue) -> Pairs:
    """Labels from the sum of A* of a conversation: its mean return less the luck of its replies."""
    game = talk.game
    A = trajectory_sums(implicit_reward(game.mdp, solve(game.mdp, game.r).pi))[talk.rows]
    first, second = np.triu_indices(len(talk.rows), k=1)
    return _pairs(talk, first, second, expit(A[first] - A[second]), talk.law[first] * talk.law[second])


def at_once(talk: Dialogue) -> Pairs:
    """Single-turn pairs: conversations without a question, by their own users."""
    pairs = realised(talk)
    silent = talk.rows[talk.outcomes[:, 0] == talk.rules.right]  # no question was paid for
    return pairs.keep(np.isin(pairs.first, silent) & np.isin(pairs.second, silent))


def hasty(talk: Dialogue, pairs: Pairs, asks: float = 0.1) -> Pairs:
    """The same pairs and labels, drawn from a writer who asks with probability `asks`."""
    asked = np.rint((talk.outcomes[:, 0] - talk.rules.right) / talk.rules.question)
    ratio = (asks / ASKS) ** asked * np.where(asked < talk.rules.questions, (1 - asks) / (1 - ASKS), 1.0)
    weight = pairs.weight * np.prod(
        [ratio[np.searchsorted(talk.rows, side)] for side in (pairs.first, pairs.second)], axis=0
    )
    return replace(pairs, weight=weight / weight.sum())


def uniform(pairs: Pairs) -> Pairs:
    """The same pairs and labels, every pair as often as another."""
    return replace(pairs, weight=np.full(len(pairs.weight), 1 / len(pairs.weight)))


def _pairs(
    talk: Dialogue, first: np.ndarray, second: np.ndarray, label: np.ndarray, weight: np.ndarray
) -> Pairs:
    pairs = Pairs(talk.rows[first], talk.rows[second], label, weight)
    return pairs.keep(weight > 0)


# What comes of it.


def dpo(talk: Dialogue, pairs: Pairs, masked: bool = True) -> Levels:
    """The policy of population DPO on the `pairs`; not `masked`, what the user says counts as an action."""
    mdp = talk.game.mdp
    return fit_dpo(mdp if masked else replace(mdp, chance=[]), pairs).pi


def optimum(talk: Dialogue) -> Levels:
    """The exact soft optimum."""
    return solve(talk.game.mdp, talk.game.r).pi


def softer(rules: Rules, by: float) -> Rules:
    """The same game with payments and beta scaled alike: one optimum, labels nearer to a coin."""
    paid = {name: by * getattr(rules, name) for name in ("right", "wrong", "question")}
    return replace(rules, beta=by * rules.beta, **paid)


def gain_kept(talk: Dialogue, pi: Levels) -> float:
    """(J(pi) - J(pi_ref)) / (J* - J(pi_ref)), J of eq. (2)."""
    mdp, r = talk.game.mdp, talk.game.r
    best, start = (objective(mdp, r, some) for some in (optimum(talk), mdp.pi_ref))
    return (objective(mdp, r, pi) - start) / (best - start)


def asks_first(talk: Dialogue, pi: Levels) -> float:
    """How often the first message is a question."""
    return float(pi[0][0, : talk.rules.bits].sum())


def described(talk: Dialogue, pi: Levels) -> dict[str, float]:
    """Of the conversations of a policy with the game's users: questions, accuracy, return and gain kept."""
    law = trajectory_probs(pi)[talk.rows]
    asked = (talk.outcomes[:, 0] - talk.rules.right) / talk.rules.question
    return {
        "asks first": asks_first(talk, pi),
        "questions": float(law @ asked),
        "accuracy": float(law @ talk.right),
        "return": float(law @ talk.mean),
        "gain kept": gain_kept(talk, pi),
    }

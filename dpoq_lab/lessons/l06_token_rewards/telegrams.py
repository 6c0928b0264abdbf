"""Telegrams: a branch of order notes small enough to enumerate, so that A* is known exactly.

A prompt states three facts; a reply is a manner, then day, city and price, each right or slipped to
the next value of its list, then EOS. A fact pays +1 if right, else -1. The manner pays nothing, but a
hasty writer slips more: it is innocent and makes a later error likely.

As a `token_mdp` tree of 3 tokens: token 0 is `calmly` or the right value, token 1 `hastily` or the slip,
token 2 is EOS, and H = 5. The 16 replies are in the order of `trajectories`.
"""

from dataclasses import dataclass
from functools import cache
from itertools import product
from random import Random

import numpy as np
from transformers import PreTrainedTokenizerFast

from dpoq_lab.order_notes.language import FACTS, Order, following, order_tokenizer, prompt_of
from dpoq_lab.preferences import Pair
from dpoq_lab.theory.soft_bellman import labelled
from dpoq_lab.theory.token_mdp import Levels, TokenMDP

TOLD = ("day", "city", "price")
MANNERS = ("calmly", "hastily")
P_SLIP = {"calmly": 0.1, "hastily": 0.5}  # how often each fact is wrong; the manners are equally likely
H, N_ACTIONS = len(TOLD) + 2, 3


@dataclass(frozen=True)
class Telegram:
    """A prompt with its order and the two words that each of the four choices is between."""

    prompt: str
    choices: tuple[tuple[str, str], ...]


def telegram(random: Random) -> Telegram:
    """A random prompt of three facts."""
    order: Order = {fact: random.choice(FACTS[fact]) for fact in TOLD}
    return Telegram(prompt_of(order, random), (MANNERS, *((order[f], following(order[f])) for f in TOLD)))


def reply(of: Telegram, tokens: tuple[int, ...]) -> str:
    """The text of four choices, each 0 or 1."""
    return " ".join(words[token] for words, token in zip(of.choices, tokens, strict=True))


def replies(of: Telegram) -> list[str]:
    """All 16 replies."""
    return [reply(of, tokens) for tokens in product((0, 1), repeat=H - 1)]


def write(of: Telegram, random: Random) -> str:
    """A reply by the writer whom the base model imitates."""
    manner = random.randrange(2)
    slips = [random.random() < P_SLIP[MANNERS[manner]] for _ in TOLD]
    return reply(of, (manner, *map(int, slips)))


def true_return(of: Telegram, text: str) -> int:
    """R of a reply: +1 for each right fact, -1 for each wrong one."""
    pairs = zip(text.split()[1:], of.choices[1:], strict=True)
    return sum(1 if word == right else -1 for word, (right, _) in pairs)


def reward() -> Levels:
    """r of each token on the tree, levels (2**t, 3)."""
    pays = [0.0, *(1.0 for _ in TOLD), 0.0]
    return [np.tile([pay, 0.0 - pay, 0.0], (2**t, 1)) for t, pay in enumerate(pays)]


def tree(log_pi: np.ndarray, beta: float) -> tuple[TokenMDP, float]:
    """The tree whose pi_ref is a model's, and the largest mass that the model puts outside it.

    `log_pi` (16, 5): the model's log-probability of each token of each reply. What it gives to words
    outside the branch is left out and the rest divided by its sum.
    """
    levels, outside = by_state(np.exp(log_pi)), 0.0
    for level in levels:
        total = level.sum(axis=1, keepdims=True)
        outside = max(outside, float(1 - total.min()))
        level /= total
    return TokenMDP(levels, beta, [level > 0 for level in levels]), outside


def by_state(x: np.ndarray) -> Levels:
    """(16, 5) values of the tokens of every reply as levels (2**t, 3), 0 where no token is allowed."""
    levels = []
    for t in range(H):
        states = x[:, t].reshape(2**t, -1)  # replies that share the first t choices
        level = np.zeros((2**t, N_ACTIONS))
        if t < H - 1:
            level[:, :2] = states.reshape(2**t, 2, -1)[:, :, 0]
        else:
            level[:, 2] = states[:, 0]
        levels.append(level)
    return levels


def notes(n: int, seed: int) -> list[tuple[str, str]]:
    """n prompts with one reply each: what the base model reads."""
    random = Random(f"telegrams {seed}")
    return [(of.prompt, write(of, random)) for of in (telegram(random) for _ in range(n))]


def pairs(n: int, seed: int) -> list[Pair]:
    """n pairs of two different replies by the writer, labelled with the true returns by eq. (1)."""
    random, found = Random(f"telegram pairs {seed}"), []
    while len(found) < n:
        of = telegram(random)
        first, second = write(of, random), write(of, random)
        if first == second:
            continue
        gap = true_return(of, first) - true_return(of, second)
        found.append(Pair(of.prompt, *labelled(first, second, gap, random)))
    return found


@cache
def telegram_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of order notes with the manners added."""
    tokenizer = order_tokenizer()
    tokenizer.add_tokens(list(MANNERS))
    return tokenizer

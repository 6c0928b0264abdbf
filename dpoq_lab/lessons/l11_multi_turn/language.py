"""Asking games as a language: one word a message, one a reply, `want ball : size? small small-red`.

A closed vocabulary: where the model speaks only its messages can be said, where the user does only the
answers to the question. So every conversation of a game is a row of one table, and a model is judged on all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab.lessons.l11_multi_turn.theory import Dialogue, Rules, dialogue, harm_game, two_bits
from dpoq_lab.order_notes.language import word_tokenizer
from dpoq_lab.theory.token_mdp import Levels, trajectories

QUESTIONS = ("size?", "colour?")
ANSWERS = (("small", "big"), ("red", "blue"))  # no and yes to each question
THINGS = ("small-red", "big-red", "small-blue", "big-blue")
ITEMS = ("ball", "cup", "hat", "kite")
PRIORS, HARMS = (0.6, 0.85), (2, 8, 32)


def prompts_of(game: str) -> dict[str, Rules]:
    """The prompts of a game and their rules: `two bits` (a), `harm` (b), or `noisy` (c)."""
    if game == "two bits":
        return {f"want {item} :": two_bits() for item in ITEMS}
    if game == "harm":
        return {f"want p{p} h{h} :": harm_game(p, h) for p in PRIORS for h in HARMS}
    noisy = Rules((0.85, 0.15), 1, 0.15, wrong=-8.0, question=-0.3)
    return {f"want {item} :": noisy for item in ITEMS}


def tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of all games."""
    known = [f"p{p}" for p in PRIORS] + [f"h{h}" for h in HARMS]
    words = [*QUESTIONS, *(word for pair in ANSWERS for word in pair), *THINGS, *ITEMS]
    return word_tokenizer(["want", ":", *words, *known])


@dataclass(frozen=True)
class Table:
    """All conversations of all prompts of a game, S rows of L steps after a prompt.

    `ids` (S, P + L); `legal` (S, L, vocabulary): what can be said there; `acts` and `said` (S, L): whose step
    it is, the model's or the user's; `prompt` (S,) and `row` (S,): which prompt, which of its conversations.
    """

    talks: list[Dialogue]
    ids: Tensor
    legal: Tensor
    acts: Tensor
    said: Tensor
    prompt: np.ndarray
    row: np.ndarray

    @cached_property
    def law(self) -> np.ndarray:
        """How often the writer and the users have each conversation, the prompt drawn first, (S,)."""
        return np.concatenate([talk.law for talk in self.talks]) / len(self.talks)

    def rows_of(self, prompt: int) -> np.ndarray:
        """The rows of one prompt, in the order of its conversations."""
        return np.flatnonzero(self.prompt == prompt)


def table_of(game: str) -> Table:
    """The table of a game."""
    known, vocabulary = tokenizer(), len(tokenizer())
    talks = {prompt: dialogue(rules) for prompt, rules in prompts_of(game).items()}
    rows, prompt, row = [], [], []
    for k, (text, talk) in enumerate(talks.items()):
        begun, every = known(text).input_ids, trajectories(talk.game.mdp)
        for n, at in enumerate(talk.rows):
            rows.append((begun, _steps(talk, known, every.states[at], every.tokens[at])))
            prompt.append(k)
            row.append(n)
    length = max(len(steps) for _, steps in rows)
    ids = torch.zeros(len(rows), len(rows[0][0]) + length, dtype=torch.long)
    legal = torch.ones(len(rows), length, vocabulary, dtype=torch.bool)
    acts, said = (torch.zeros(len(rows), length, dtype=torch.bool) for _ in range(2))
    for k, (begun, steps) in enumerate(rows):
        ids[k, : len(begun) + len(steps)] = torch.tensor(begun + [token for token, _, _ in steps])
        for t, (_, allowed, by_model) in enumerate(steps):
            legal[k, t] = False
            legal[k, t, allowed] = True
            (acts if by_model else said)[k, t] = True
    return Table(list(talks.values()), ids, legal, acts, said, np.array(prompt), np.array(row))


def _steps(
    talk: Dialogue, known: PreTrainedTokenizerFast, states: np.ndarray, tokens: np.ndarray
) -> list[tuple[int, list[int], bool]]:
    """The words of a conversation as ids, with what could be said there, and whether the model speaks."""
    bits, found, asked = talk.rules.bits, [], 0
    for t, (state, token) in enumerate(zip(states, tokens, strict=True)):
        if state < 0 or not (who := talk.game.who[t][state]):
            break
        words = messages(talk.rules) if who == "model" else ANSWERS[asked]
        allowed = np.flatnonzero(talk.game.mdp.pi_ref[t][state] > 0)
        found.append((known.convert_tokens_to_ids(words[token]), _ids(known, words, allowed), who == "model"))
        asked = int(token) if who == "model" and token < bits else asked
    return found


def messages(rules: Rules) -> tuple[str, ...]:
    """What the model can say in a game: its questions, then its guesses."""
    return (*QUESTIONS[: rules.bits], *THINGS[: len(rules.prior)])


def _ids(known: PreTrainedTokenizerFast, words: Sequence[str], which: np.ndarray) -> list[int]:
    return [known.convert_tokens_to_ids(words[k]) for k in which if k < len(words)]


def step_log_probs(model: PreTrainedModel, table: Table, rows: np.ndarray | slice = slice(None)) -> Tensor:
    """log pi of everything that can be said at each step of some rows, (S, L, vocabulary)."""
    length = table.legal.shape[1]
    logits = model(table.ids[rows]).logits[:, -length - 1 : -1]
    return logits.masked_fill(~table.legal[rows], -torch.inf).log_softmax(dim=-1)


def said_log_probs(model: PreTrainedModel, table: Table, rows: np.ndarray | slice = slice(None)) -> Tensor:
    """log pi of what was said at each step of some rows, (S, L), by model and user; 0 where nothing was."""
    length = table.legal.shape[1]
    picked = step_log_probs(model, table, rows).gather(-1, table.ids[rows][:, -length:, None])[..., 0]
    return picked.masked_fill(~(table.acts[rows] | table.said[rows]), 0.0)


@torch.no_grad()
def policy_of(model: PreTrainedModel, table: Table, prompt: int) -> Levels:
    """The model as a policy of the game's tree, users as they are: judged at every state, not sampled."""
    talk, rows = table.talks[prompt], table.rows_of(prompt)
    every, pi = trajectories(talk.game.mdp), [level.copy() for level in talk.game.mdp.pi_ref]
    ids = tokenizer().convert_tokens_to_ids(list(messages(talk.rules)))
    found = step_log_probs(model, table, rows)[:, :, ids].double().exp().numpy()
    for k, at in enumerate(talk.rows):
        for t in np.flatnonzero(table.acts[rows[k]].numpy()):
            pi[t][every.states[at][t], : len(ids)] = found[k, t]
    return [level / level.sum(axis=1, keepdims=True) for level in pi]


@torch.no_grad()
def believed(model: PreTrainedModel, table: Table, prompt: int) -> np.ndarray:
    """What the model takes for the law of the first reply to the first question, no and yes, (2,)."""
    rows = table.rows_of(prompt)
    asked = rows[table.said[rows, 1].numpy()][:1]
    log_pi = step_log_probs(model, table, asked)[0, 1]
    ids = tokenizer().convert_tokens_to_ids(list(ANSWERS[0]))
    return log_pi[ids].exp().double().numpy()

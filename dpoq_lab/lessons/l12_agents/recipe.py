"""The recipe of lesson 12: a base that has read the desk's writer, and DPO on whole episodes of its own."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import ClassVar

from torch import Tensor
from transformers import PreTrainedModel

from dpoq_lab import models
from dpoq_lab.encoding import EncodedPair
from dpoq_lab.lessons.l12_agents.desk import (
    Episode,
    Question,
    Rules,
    as_messages,
    as_response,
    asked_of,
    desk_tokenizer,
    questions,
    tool_says,
    write,
)
from dpoq_lab.lessons.l12_agents.theory import BETA, SCALE, word_luck
from dpoq_lab.losses import dpo_loss
from dpoq_lab.objectives import DPO, SFT, Objective, Side
from dpoq_lab.preferences import Pair
from dpoq_lab.schedule import Settings
from dpoq_lab.search.generate import continuations
from dpoq_lab.theory.soft_bellman import preference
from dpoq_lab.training import trained_copy

TURN = 4  # tokens that a turn may have, its EOS among them
NLL = 0.05  # the weight of the likelihood of the chosen reply in `DPOWithNLL`
Worth = Callable[[Episode], float]


@dataclass(frozen=True)
class DPOWithNLL:
    """DPO, and `weight` times the chosen reply's negative log-likelihood, up to that of the reference."""

    name: ClassVar[str] = "dpo"
    sides: ClassVar[tuple[Side, ...]] = ("chosen", "rejected")
    needs_reference: ClassVar[bool] = True
    beta: float = BETA
    weight_of_nll: float = NLL

    def losses(self, chosen: Tensor, rejected: Tensor) -> Tensor:
        """-log sigma of the margin, minus the weighted log pi/pi_ref of the chosen reply."""
        return dpo_loss(chosen, rejected, self.beta) - self.weight_of_nll * chosen.sum(dim=1)

    def weight(self, pairs: list[EncodedPair]) -> float:
        """The number of pairs."""
        return len(pairs)


@dataclass(frozen=True)
class Size:
    """Episodes for the base, pairs, held-out questions, and the steps of each stage; the noisy tool needs
    more pairs and steps."""

    texts: int = 20_000
    pairs: int = 8_000
    noisy_pairs: int = 30_000
    held_out: int = 1_200
    base_steps: int = 300
    dpo_steps: int = 300
    noisy_steps: int = 900
    sft_steps: int = 100

    def base(self, seed: int) -> Settings:
        """The settings of the base."""
        return Settings(SFT(), lr=5e-3, steps=self.base_steps, seed=seed, decay=True, **BATCH)

    def dpo(self, seed: int, noisy: bool, objective: Objective | None = None) -> Settings:
        """The settings of DPO."""
        steps = self.noisy_steps if noisy else self.dpo_steps
        return Settings(objective or DPO(BETA), lr=5e-4, steps=steps, seed=seed, decay=True, **BATCH)

    def sft(self, seed: int) -> Settings:
        """The settings of SFT on the chosen episodes."""
        return Settings(SFT(), lr=1e-3, steps=self.sft_steps, seed=seed, decay=True, **BATCH)


BATCH = {"batch_size": 64, "micro_batch": 128}
SIZES = {
    "ci": Size(2_000, 64, 64, 96, 60, 4, 4, 4),
    "laptop": Size(),
}


def train_base(size: Size, busy: float, masked: bool, seed: int) -> PreTrainedModel:
    """A model that has read the writer's episodes; not `masked`, it learns the tool's words as well."""
    random = Random(f"desk base {seed}")
    read = [as_response(write(q, busy, random), masked) for q in questions(size.texts, seed, "read")]
    model = models.build(desk_tokenizer(), 64, 2, seed, initializer_range=0.1)
    return tuned(model, [EncodedPair(reply, reply, Pair("", "", "")) for reply in read], size.base(seed))


def tuned(policy: PreTrainedModel, pairs: list[EncodedPair], settings: Settings) -> PreTrainedModel:
    """A copy of `policy` after one stage, its own reference."""
    return trained_copy(policy, pairs, desk_tokenizer().pad_token_id, settings)[0].requires_grad_(False)


def episodes(
    policy: PreTrainedModel, asked: list[Question], busy: float, seed: int, n: int = 1
) -> list[Episode]:
    """n episodes to each question at temperature 1: where the model calls, the tool writes its word."""
    tokenizer, random = desk_tokenizer(), Random(f"tool {seed}")
    asked = [question for question in asked for _ in range(n)]
    prompts = [tokenizer(question.prompt).input_ids for question in asked]
    first = _turns(policy, prompts, seed)
    found = [Episode(question, (turn,)) for question, turn in zip(asked, first, strict=True)]
    called = [k for k, turn in enumerate(first) if asked_of(turn)]
    heard = {k: tool_says(asked[k], str(asked_of(first[k])), busy, random) for k in called}
    texts = [f"{asked[k].prompt} {first[k]} {tokenizer.eos_token} {heard[k]}" for k in called]
    second = _turns(policy, [tokenizer(text).input_ids for text in texts], seed + 1) if called else []
    for k, turn in zip(called, second, strict=True):
        found[k] = Episode(asked[k], (first[k], heard[k], turn))
    return found


def _turns(policy: PreTrainedModel, prefixes: list[list[int]], seed: int) -> list[str]:
    """The words of a turn after each prefix; a turn that does not end within TURN tokens is empty."""
    tokenizer = desk_tokenizer()
    stop, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    rows = continuations(policy, prefixes, [stop], pad, TURN, seed, do_sample=True, top_k=0)
    return [tokenizer.decode(row[:-1]) if row[-1] == stop else "" for row in rows]


def judged(found: list[Episode], worth: Worth, seed: int) -> list[tuple[Episode, Episode]]:
    """Neighbours in `found` as (chosen, rejected), by a draw from Bradley-Terry with their `worth`; equal
    episodes are no pair."""
    random, pairs = Random(f"labels {seed}"), []
    for a, b in zip(found[::2], found[1::2], strict=True):
        wins = random.random() < preference(worth(a), worth(b))
        if a.turns != b.turns:
            pairs.append((a, b) if wins else (b, a))
    return pairs


def by_return(rules: Rules) -> Worth:
    """What a label sees: the return, in units of SCALE."""
    return lambda episode: SCALE * episode.paid(rules)


def without_luck(rules: Rules) -> Worth:
    """The return less the luck of the tool's word."""
    return lambda episode: SCALE * episode.paid(rules) - word_luck(episode, rules)


def encode(pairs: list[tuple[Episode, Episode]], masked: bool = True) -> list[EncodedPair]:
    """Pairs of episodes as DPO reads them."""
    return [
        EncodedPair(as_response(chosen, masked), as_response(rejected, masked), as_pair(chosen, rejected))
        for chosen, rejected in pairs
    ]


def as_pair(chosen: Episode, rejected: Episode) -> Pair:
    """A pair of episodes as a preference file holds it, a chat with a tool."""
    prompt = [{"role": "user", "content": chosen.question.prompt.strip()}]
    return Pair(prompt, as_messages(chosen), as_messages(rejected))


def shuffled(pairs: list[tuple[Episode, Episode]], seed: int) -> list[tuple[Episode, Episode]]:
    """The same pairs, the label of each by a fair coin: a control that can learn nothing."""
    random = Random(f"coins {seed}")
    return [(a, b) if random.random() < 0.5 else (b, a) for a, b in pairs]


def alone(pairs: list[EncodedPair]) -> list[EncodedPair]:
    """The chosen replies alone, each on both sides, for SFT."""
    return [replace(pair, rejected=pair.chosen) for pair in pairs]

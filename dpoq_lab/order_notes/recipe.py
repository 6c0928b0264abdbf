"""The recipe of order notes: a base that has read notes, SFT, and DPO, at three sizes, and what it made.

Lessons 05 to 09 train by it or start from what it trained.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import ClassVar, Literal

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab import models
from dpoq_lab.encoding import EncodedPair, encode_pairs
from dpoq_lab.objectives import DPO, SFT
from dpoq_lab.order_notes.language import (
    FACTS,
    LARGE_FACTS,
    Facts,
    notes,
    order_pair,
    order_pairs,
    order_tokenizer,
    stitching_pairs,
    to_read,
)
from dpoq_lab.paths import data_folder
from dpoq_lab.preferences import Pair
from dpoq_lab.presets import bf16_is_fast
from dpoq_lab.rewards import TokenScores, score_responses
from dpoq_lab.schedule import Settings
from dpoq_lab.training import trained_copy

BETA = 0.5
STAGES = {
    "base": Settings(SFT(), lr=3e-3, steps=300, batch_size=64, micro_batch=64, decay=True),
    "sft": Settings(SFT(), lr=1e-3, steps=80, batch_size=64, micro_batch=64),
    "dpo": Settings(DPO(BETA), lr=1e-4, steps=120, batch_size=32, micro_batch=32, decay=True),
}
Stage = Literal["base", "sft", "dpo"]
NAMES = ("base", "SFT", "DPO from SFT", "DPO from base", "shuffled labels", "one error a reply")


@dataclass(frozen=True)
class Size:
    """How large a study is: notes for the base, preference pairs, held-out pairs, steps, and the model.

    `large` takes the larger language of twelve facts and trains in bfloat16 where that is fast.
    """

    notes: int
    pairs: int
    held_out: int
    base_steps: int
    sft_steps: int
    dpo_steps: int
    hidden_size: int = 64
    layers: int = 2
    # at the usual 0.02 a model this narrow does not learn to look a fact up in these steps
    initializer_range: float = 0.1
    base_lr: float = 3e-3
    large: bool = False

    @property
    def facts(self) -> Facts:
        """The facts of the language."""
        return LARGE_FACTS if self.large else FACTS

    def stage(self, name: Stage, seed: int) -> Settings:
        """A stage's settings at this size."""
        steps = {"base": self.base_steps, "sft": self.sft_steps, "dpo": self.dpo_steps}[name]
        lr = self.base_lr if name == "base" else STAGES[name].lr
        return replace(STAGES[name], steps=steps, seed=seed, lr=lr, bf16=self.large and bf16_is_fast())


SIZES = {
    "ci": Size(notes=640, pairs=128, held_out=40, base_steps=10, sft_steps=4, dpo_steps=4),
    "laptop": Size(notes=16_000, pairs=2_000, held_out=300, base_steps=300, sft_steps=80, dpo_steps=120),
    "gpu": Size(
        notes=100_000,
        pairs=8_000,
        held_out=1_000,
        base_steps=3_000,
        sft_steps=160,
        dpo_steps=480,
        hidden_size=512,
        layers=8,
        initializer_range=0.035,
        base_lr=5e-4,
        large=True,
    ),
}


@dataclass(frozen=True)
class Policies:
    """Six models of one seed by name, and their training's metrics; `references` names each one's pi_ref."""

    models: dict[str, PreTrainedModel]
    logs: dict[str, list[dict]]
    tokenizer: PreTrainedTokenizerFast
    references: ClassVar[dict[str, str]] = {
        "DPO from SFT": "SFT",
        "DPO from base": "base",
        "shuffled labels": "SFT",
        "one error a reply": "SFT",
    }

    def scores(self, name: str, responses: list) -> list[TokenScores]:
        """`responses` scored by the model `name` and its reference (for base and SFT, itself)."""
        reference = self.models[self.references.get(name, name)]
        return score_responses(self.models[name], reference, self.tokenizer, responses, batch_size=64, top=0)


def stored_policies(folder: Path | None = None) -> Policies:
    """The policies of seed 0 that `dpoq-lab study credit` wrote (default: those in `data/runs`)."""
    folder = folder or data_folder() / "runs" / "order-notes"
    found = {name: models.load_frozen(str(folder / folder_of(name)))[0] for name in NAMES}
    return Policies(found, {}, models.load_tokenizer(str(folder / "base")))


def folder_of(name: str) -> str:
    """Where a policy's weights lie in a study's folder."""
    return name.lower().replace(" ", "-")


@cache
def note_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of the language of six facts, built once."""
    return order_tokenizer()


def encode(pairs: list[Pair], tokenizer: PreTrainedTokenizerFast | None = None) -> list[EncodedPair]:
    """Pairs of the language as tokens (default: of `note_tokenizer`)."""
    return encode_pairs(tokenizer or note_tokenizer(), pairs, max_length=256).pairs


def tuned(
    policy: PreTrainedModel, pairs: list[EncodedPair], settings: Settings, out: Path | None = None
) -> tuple[PreTrainedModel, list[dict]]:
    """A copy of `policy` after one stage, its own reference, and its log; with `out`, go on from there."""
    pad_id = note_tokenizer().pad_token_id  # that of the larger language too
    return trained_copy(policy, pairs, pad_id, settings, out=out, resume=out is not None)


def build_base(size: Size, seed: int) -> PreTrainedModel:
    """The untrained model of a study."""
    tokenizer = order_tokenizer(size.facts)
    return models.build(tokenizer, size.hidden_size, size.layers, seed, size.initializer_range)


def train_base(size: Size, seed: int, out: Path | None = None) -> PreTrainedModel:
    """A base model that has read a sloppy writer's notes."""
    tokenizer = order_tokenizer(size.facts)
    reading = encode(to_read(notes(size.notes, seed, facts=size.facts)), tokenizer)
    return tuned(build_base(size, seed), reading, size.stage("base", seed), out)[0]


def train_policies(size: Size, seed: int, out: Path | None = None) -> Policies:
    """Base on a sloppy writer's notes, SFT on chosen replies, and four DPO runs. Deterministic in `seed`.

    With `out` every stage keeps checkpoints there, and a second call goes on from them.
    """
    tokenizer = order_tokenizer(size.facts)
    pairs = encode(order_pairs(size.pairs, seed, facts=size.facts), tokenizer)
    found, logs = {"base": train_base(size, seed, out and out / "base")}, {}
    found["SFT"], logs["SFT"] = tuned(found["base"], pairs, size.stage("sft", seed), out and out / "sft")
    data = {
        "DPO from SFT": pairs,
        "DPO from base": pairs,
        "shuffled labels": encode(shuffled([pair.pair for pair in pairs], seed), tokenizer),
        "one error a reply": encode(stitching_pairs(size.pairs, seed, 1, size.facts), tokenizer),
    }
    for name, shown in data.items():
        start, kept = found[Policies.references[name]], out and out / folder_of(name)
        found[name], logs[name] = tuned(start, shown, size.stage("dpo", seed), kept)
    return Policies(found, logs, tokenizer)


def shuffled(pairs: list[Pair], seed: int) -> list[Pair]:
    """The same pairs with the label of each drawn by a fair coin: a control that can learn nothing."""
    random = Random(f"labels {seed}")
    return [
        order_pair(pair.prompt, pair.rejected, pair.chosen) if random.random() < 0.5 else pair
        for pair in pairs
    ]

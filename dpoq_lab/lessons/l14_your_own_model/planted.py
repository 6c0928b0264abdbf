"""DPO runs with one planted cause, in two languages and two kinds of model.

Each run leaves what a user has: the logged curves, the stated reference, and training pairs to score.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab import models
from dpoq_lab.batches import pad_id
from dpoq_lab.encoding import EncodedPair, Response, encode_pairs
from dpoq_lab.lessons.l14_your_own_model.four_runs import exchanged
from dpoq_lab.objectives import DPO, SFT
from dpoq_lab.order_notes.language import FILLERS, order_pairs
from dpoq_lab.order_notes.recipe import BETA, STAGES, note_tokenizer, stored_policies
from dpoq_lab.paths import data_folder
from dpoq_lab.preferences import Pair, usable_pairs
from dpoq_lab.rewards import score_responses
from dpoq_lab.schedule import Settings
from dpoq_lab.training import train, trained_copy

MAX_LENGTH = 256


@dataclass(frozen=True)
class World:
    """A language and a kind of model: a base that has read replies of both sorts, pairs, and DPO settings."""

    name: str
    base: Callable[[], PreTrainedModel]
    tokenizer: Callable[[], PreTrainedTokenizerFast]
    draw: Callable[[int], list[Pair]]
    beta: float
    lr: float
    sft: Settings
    cut: int  # tokens of prompt and reply at which a truncated run cuts


@dataclass(frozen=True)
class Plant:
    """What a run does besides the usual: change its pairs, their tokens, its start, or its settings."""

    truth: str  # the verdict that is right
    pairs: Callable[[list[Pair], int, PreTrainedModel, World], list[Pair]] = lambda pairs, *_: pairs
    tokens: Callable[[Response], Response] = lambda response: response
    prompts: Callable[[Pair], Pair] = lambda pair: pair  # what the run reads; the user's file stays
    from_base: bool = False
    stated: str = "start"  # or "base": another reference than the one that the policy began as
    beta: float = 1.0  # times the world's
    lr: float = 1.0
    cut: bool = False
    dropout: float = 0.0
    bf16: bool = False


def flipped(pairs: list[Pair], seed: int, share: float = 1.0) -> list[Pair]:
    """The labels of a share of the pairs exchanged."""
    random = Random(f"flipped {share} {seed}")
    return [exchanged([pair])[0] if random.random() < share else pair for pair in pairs]


def one_word_apart(pairs: list[Pair], seed: int, start: PreTrainedModel, world: "World") -> list[Pair]:
    """Each chosen reply against itself with one token exchanged for the likeliest other one there."""
    random, tokenizer, found = Random(f"one word {seed}"), world.tokenizer(), []
    encoded = encode_pairs(tokenizer, pairs, MAX_LENGTH).pairs
    responses = [pair.chosen for pair in encoded]
    for pair, scores in zip(encoded, score_responses(start, start, tokenizer, responses, 64, 2), strict=True):
        ids, texts = pair.chosen.ids, [[text for text, _ in top] for top in scores.top_policy]
        place = random.randrange(len(ids) - 1)
        own = str(tokenizer.decode([ids[place]]))
        other = next(text for text in texts[place] if text != own)
        words = [str(tokenizer.decode([i])) for i in ids[:-1]]
        joint = " " if isinstance(pair.pair.prompt, str) else ""  # of the word tokenizer of order notes
        told = [joint.join(words), joint.join([*words[:place], other, *words[place + 1 :]])]
        if told[0] != told[1] and told[1].strip():
            found.append(Pair(pair.pair.prompt, *told))
    return found


def without_end(response: Response) -> Response:
    """A reply whose EOS is not trained."""
    return replace(response, ids=response.ids[:-1], offsets=response.offsets[:-1], actions=[], ends=())


def doubled_end(response: Response) -> Response:
    """A reply with two EOS."""
    ids, offsets = [*response.ids, response.ids[-1]], [*response.offsets, response.offsets[-1]]
    return replace(response, ids=ids, offsets=offsets, actions=[])


def other_template(pair: Pair) -> Pair:
    """The same pair as another template would write it: the prompt said twice."""
    if isinstance(pair.prompt, str):
        return replace(pair, prompt=f"{pair.prompt}{pair.prompt}")
    return replace(pair, prompt=[{"role": "user", "content": "Hello."}, *pair.prompt])


MISMATCH = "other tokens were trained than are scored"
PLANTS = {
    "healthy, from base": Plant("healthy", from_base=True),
    "healthy, from SFT": Plant("healthy"),
    "displacement": Plant("displacement", one_word_apart, beta=0.2, lr=3.0),
    "rate x 10": Plant("too much pressure", lr=10.0),
    "beta / 50": Plant("too much pressure", beta=0.02),
    "labels shuffled": Plant("labels without signal", lambda pairs, seed, *_: flipped(pairs, seed, 0.5)),
    "labels flipped": Plant("labels against the reference", lambda pairs, seed, *_: flipped(pairs, seed)),
    "truncated": Plant("truncation", cut=True),
    "no EOS": Plant(MISMATCH, tokens=without_end),
    "two EOS": Plant(MISMATCH, tokens=doubled_end),
    "another template": Plant(MISMATCH, prompts=other_template),
    "another reference": Plant("policy and reference do not begin alike", stated="base"),
    "dropout": Plant("dropout in training", dropout=0.1),
    "bf16 weights": Plant("healthy", bf16=True),
    "rate / 1000": Plant("nothing learned", lr=1e-3),
}


@dataclass(frozen=True)
class PlantedRun:
    """A finished run as a user has it."""

    log: list[dict]
    policy: PreTrainedModel
    reference: PreTrainedModel
    pairs: list[EncodedPair]
    beta: float


def plant(world: World, of: Plant, seed: int, steps: int = 60, batch_size: int = 24) -> PlantedRun:
    """Train a run with a planted cause; its pairs, the rate and beta come from `seed`."""
    random, tokenizer = Random(f"plant {seed}"), world.tokenizer()
    lr, beta = (rate * random.uniform(0.7, 1.4) for rate in (world.lr * of.lr, world.beta * of.beta))
    drawn = world.draw(seed)
    start = world.base() if of.from_base else sft(world.name, seed)
    pairs = of.pairs(drawn, seed, start, world)
    seen = encode_pairs(tokenizer, [of.prompts(p) for p in pairs], world.cut if of.cut else MAX_LENGTH).pairs
    seen = [replace(p, chosen=of.tokens(p.chosen), rejected=of.tokens(p.rejected)) for p in seen]
    reference = world.base() if of.stated == "base" else start
    policy: Any = _copy(start)
    hook = _with_dropout(policy, of.dropout)
    if of.bf16:
        policy.to(torch.bfloat16)
    settings = Settings(
        DPO(beta), lr=lr, steps=steps, batch_size=batch_size, micro_batch=batch_size, seed=seed
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        log = train(policy, seen, pad_id(tokenizer), settings, reference=_copy(reference), progress=False)
    hook.remove()
    scored = encode_pairs(tokenizer, pairs, world.cut if of.cut else MAX_LENGTH).pairs
    return PlantedRun(log, policy.float(), reference, scored, beta)


def _copy(model: PreTrainedModel) -> PreTrainedModel:
    return deepcopy(model).requires_grad_(True)


def _with_dropout(policy: PreTrainedModel, p: float) -> Any:
    """Dropout on the embeddings in every forward pass, in eval mode too, as in a run that leaves it on."""
    embedding: Any = policy.get_input_embeddings()
    return embedding.register_forward_hook(lambda module, given, out: F.dropout(out, p) if p else out)


@cache
def sft(name: str, seed: int) -> PreTrainedModel:
    """The base of a world after SFT on the chosen replies of a seed."""
    world, settings = WORLDS[name], replace(WORLDS[name].sft, seed=seed)
    encoded = encode_pairs(world.tokenizer(), world.draw(seed), MAX_LENGTH).pairs
    tuned: Any = trained_copy(world.base(), encoded, pad_id(world.tokenizer()), settings, progress=False)[0]
    return tuned


@cache
def notes_base() -> PreTrainedModel:
    """The stored base of order notes, which has read a sloppy writer."""
    return stored_policies().models["base"]


@cache
def courtesy_pairs() -> list[Pair]:
    """All pairs of `data/courtesy`."""
    files = [data_folder() / "courtesy" / f"{part}.jsonl" for part in ("train", "held_out")]
    return [pair for path in files for pair in usable_pairs(path)]


def courtesy_draw(seed: int) -> list[Pair]:
    """A seeded 400 of them, without marks."""
    some = Random(f"courtesy {seed}").sample(courtesy_pairs(), 400)
    return [Pair(p.prompt, p.chosen, p.rejected) for p in some]


@cache
def courtesy_base() -> PreTrainedModel:
    """A GPT-2 of some 600,000 parameters that has read the replies of both sides."""
    tokenizer = models.tiny_tokenizer()
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=96,
        n_layer=3,
        n_head=4,
        n_positions=MAX_LENGTH,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GPT2LMHeadModel(config).eval()
    both = [q for p in courtesy_pairs() for q in (p, Pair(p.prompt, p.rejected, p.chosen))]
    encoded = encode_pairs(tokenizer, both, MAX_LENGTH).pairs
    settings = Settings(SFT(), lr=2e-3, steps=400, batch_size=32, micro_batch=32, decay=True)
    train(model, encoded, pad_id(tokenizer), settings, progress=False)
    return model


def open_endings(seed: int) -> list[Pair]:
    """Order notes after whose end the writer goes on, again and again by a coin: an end is never certain."""
    random, found = Random(f"open {seed}"), []
    for pair in order_pairs(1000, seed):
        more = [[random.choice(FILLERS) for _ in iter(lambda: random.random() < 0.5, False)] for _ in "wl"]
        chosen, rejected = (
            " ".join([y, *m]) for y, m in zip((pair.chosen, pair.rejected), more, strict=True)
        )
        found.append(Pair(pair.prompt, chosen, rejected))
    return found


NOTES = BETA, STAGES["dpo"].lr, STAGES["sft"]
COURTESY_SFT = Settings(SFT(), lr=5e-4, steps=60, batch_size=32, micro_batch=32)
WORLDS = {
    world.name: world
    for world in (
        World("order notes", notes_base, note_tokenizer, lambda seed: order_pairs(1000, seed), *NOTES, 55),
        World("open endings", notes_base, note_tokenizer, open_endings, *NOTES, 60),
        World("courtesy", courtesy_base, models.tiny_tokenizer, courtesy_draw, 0.3, 2e-5, COURTESY_SFT, 40),
    )
}

"""The recipe of lesson 10: a base that has read walks, and what is trained from it on its own replies.

All labels come from final answers, but for the step pairs, which are told where to look.
"""

from dataclasses import dataclass
from random import Random

from transformers import PreTrainedModel

from dpoq_lab import models
from dpoq_lab.encoding import EncodedPair, Response, encode_pairs
from dpoq_lab.lessons.l10_reasoning.walk import (
    LENGTH,
    PLACES,
    STEP_TOKENS,
    Walk,
    is_right,
    random_walk,
    stated,
    walk_tokenizer,
    write,
)
from dpoq_lab.objectives import DPO, SFT
from dpoq_lab.preferences import Pair
from dpoq_lab.schedule import Settings
from dpoq_lab.search.generate import continuations
from dpoq_lab.training import trained_copy

BETA, PAY = (
    0.5,
    3.0,
)  # PAY: what a right answer is worth to the exact A*, which blames later steps the larger it is
CHAINS = 4  # replies a prompt, of which one right and one wrong make a pair


@dataclass(frozen=True)
class Size:
    """Texts for the base, preference pairs, held-out prompts, and the steps of each stage."""

    texts: int = 20_000
    pairs: int = 2_000
    held_out: int = 1_200
    base_steps: int = 300
    dpo_steps: int = 150
    sft_steps: int = 75

    def stage(self, name: str, seed: int) -> Settings:
        """The settings of a stage: base, dpo or sft."""
        kept = {"seed": seed, "decay": True, "batch_size": 32, "micro_batch": 64}
        if name == "base":
            return Settings(SFT(), lr=5e-3, steps=self.base_steps, **kept | {"batch_size": 64})
        if name == "sft":
            return Settings(SFT(), lr=1e-3, steps=self.sft_steps, **kept)
        return Settings(DPO(BETA), lr=1e-4, steps=self.dpo_steps, **kept)


SIZES = {
    "ci": Size(texts=2_000, pairs=48, held_out=96, base_steps=60, dpo_steps=4, sft_steps=4),
    "laptop": Size(),
}


def walks(n: int, seed: int, what: str) -> list[Walk]:
    """n walks of one purpose and seed."""
    random = Random(f"walks {what} {seed}")
    return [random_walk(random) for _ in range(n)]


def encode(pairs: list[Pair]) -> list[EncodedPair]:
    """Pairs of the language as tokens."""
    return encode_pairs(walk_tokenizer(), pairs, max_length=64).pairs


def train_base(size: Size, seed: int) -> PreTrainedModel:
    """A model that has read the sloppy writer's walks."""
    random = Random(f"base {seed}")
    reading = [Pair(w.prompt, write(w, random), "answer") for w in walks(size.texts, seed, "read")]
    model = models.build(walk_tokenizer(), 64, 2, seed, initializer_range=0.1)
    return tuned(model, encode(reading), size.stage("base", seed))


def tuned(policy: PreTrainedModel, pairs: list[EncodedPair], settings: Settings) -> PreTrainedModel:
    """A copy of `policy` after one stage, its own reference."""
    return trained_copy(policy, pairs, walk_tokenizer().pad_token_id, settings)[0].requires_grad_(False)


def replies(
    policy: PreTrainedModel, asked: list[Walk], n: int, seed: int, begun: list[str] | None = None
) -> list[list[str]]:
    """n replies to each walk at temperature 1, whole, though they go on from `begun`; n = 0: one, greedy."""
    tokenizer, begun = walk_tokenizer(), begun or [""] * len(asked)
    prefixes = [
        tokenizer(f"{walk.prompt}{start}").input_ids for walk, start in zip(asked, begun, strict=True)
    ]
    repeated = [prefix for prefix in prefixes for _ in range(max(n, 1))]
    how = {"do_sample": True, "top_k": 0} if n else {"do_sample": False}
    stops, pad = [tokenizer.eos_token_id], tokenizer.pad_token_id
    rows = continuations(policy, repeated, stops, pad, LENGTH, seed, **how)
    texts = [tokenizer.decode(row, skip_special_tokens=True) for row in rows]
    whole = [f"{begun[i // max(n, 1)]} {text}".strip() for i, text in enumerate(texts)]
    return [whole[i : i + max(n, 1)] for i in range(0, len(whole), max(n, 1))]


def outcome_pairs(
    policy: PreTrainedModel, n: int, seed: int
) -> tuple[list[tuple[Walk, str, str]], list[int]]:
    """n walks with a reply of the policy that ends right and one that ends wrong, both in the language; and
    (n,) how many answers had been judged when each was found."""
    found, judged, labels, turn = [], [], 0, 0
    while len(found) < n:
        asked = walks(n, seed, f"pairs {turn}")
        for walk, some in zip(asked, replies(policy, asked, CHAINS, seed + 1000 * turn), strict=True):
            labels += CHAINS
            some = [reply for reply in some if stated(reply)]
            right = [reply for reply in some if is_right(walk, reply)]
            wrong = [reply for reply in some if not is_right(walk, reply)]
            if right and wrong:
                found.append((walk, right[0], wrong[0]))
                judged.append(labels)
        turn += 1
    return found[:n], judged[:n]


def preferred(pairs: list[tuple[Walk, str, str]]) -> list[EncodedPair]:
    """Outcome pairs as DPO reads them."""
    return encode([Pair(walk.prompt, right, wrong) for walk, right, wrong in pairs])


def shuffled(pairs: list[tuple[Walk, str, str]], seed: int) -> list[EncodedPair]:
    """The same pairs, the label of each by a fair coin: a control that can learn nothing."""
    random = Random(f"labels {seed}")
    return preferred([(w, a, b) if random.random() < 0.5 else (w, b, a) for w, a, b in pairs])


def step_pairs(
    policy: PreTrainedModel, pairs: list[tuple[Walk, str, str]], places: list[int], seed: int, tries: int = 8
) -> tuple[list[EncodedPair | None], list[int]]:
    """Step-DPO's pairs: the wrong reply up to step `places`, there its own step against one after which a
    continuation of the policy ends right; None where none of `tries` does. And how many continuations of each
    were judged, one after another, until one served."""
    begun = [words_of(wrong, 0, place) for (_, _, wrong), place in zip(pairs, places, strict=True)]
    more = replies(policy, [walk for walk, *_ in pairs], tries, seed, begun)
    found: list[EncodedPair | None] = []
    judged = []
    for (walk, _, wrong), place, start, some in zip(pairs, places, begun, more, strict=True):
        step, prompt = words_of(wrong, place, place + 1), f"{walk.prompt}{start} "
        at = PLACES[place]  # where the step states its place
        serves = [is_right(walk, reply) and reply.split()[at] != wrong.split()[at] for reply in some]
        judged.append(serves.index(True) + 1 if any(serves) else tries)
        if any(serves):
            chosen = words_of(some[serves.index(True)], place, place + 1)
            both = [_open_ended(prompt, text) for text in (chosen, step)]
            found.append(EncodedPair(*both, Pair(prompt, chosen, step)))
        else:
            found.append(None)
    return found, judged


def words_of(reply: str, first: int, last: int) -> str:
    """The steps `first` up to `last` of a reply, as text."""
    return " ".join(reply.split()[first * STEP_TOKENS : last * STEP_TOKENS])


def _open_ended(prompt: str, text: str) -> Response:
    """A piece of a reply that goes on: its tokens without EOS."""
    tokenizer = walk_tokenizer()
    found = tokenizer(text, return_offsets_mapping=True)
    ids = found.input_ids
    return Response(
        tokenizer(prompt).input_ids,
        ids,
        list(found.offset_mapping),
        text,
        (),
        True,
        eos_id=tokenizer.eos_token_id,
    )

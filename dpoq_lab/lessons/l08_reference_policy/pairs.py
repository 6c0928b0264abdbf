"""Kinds of preference pairs on order notes, and the laws mu_w, mu_l of their chosen and rejected replies.

The laws are exact, so KL(mu, pi) = E_mu[log mu - log pi] is a mean over replies and nothing else is guessed.
"""

from random import Random

import numpy as np
from scipy.special import xlogy
from transformers import PreTrainedModel

from dpoq_lab.encoding import EncodedPair
from dpoq_lab.lessons.l08_reference_policy.writer_law import fact_prob, writer_log_prob
from dpoq_lab.order_notes.language import (
    CAREFUL,
    CARELESS,
    FACTS,
    VALUE_OF,
    Writer,
    flaws_of,
    order_of,
    order_pair,
    order_pairs,
    prompt_of,
    random_order,
    slipped,
    true_score,
    write,
)
from dpoq_lab.order_notes.recipe import encode, note_tokenizer
from dpoq_lab.preferences import Pair
from dpoq_lab.search.generate import sample_rest
from dpoq_lab.theory.soft_bellman import labelled, preference

KINDS = ("off-policy", "minimal edit", "on-policy", "cleaner")
CLEAN = Writer(slip=0.0, filler=0.15)
CLEANER = Writer(slip=0.05, drop=0.02, filler=0.15, rude=0.02)
DRAWS = 8  # replies a prompt in the KLs of on-policy pairs


def draw_pairs(kind: str, n: int, seed: int, pi: PreTrainedModel) -> list[Pair]:
    """n pairs of a kind of `KINDS`; for "on-policy" fewer, as equal or empty replies of `pi` are left out."""
    if kind == "minimal edit":
        return minimal_edit_pairs(n, seed)
    if kind == "on-policy":
        return on_policy_pairs(pi, order_pairs(n, seed), seed)
    return order_pairs(n, seed, CLEANER if kind == "cleaner" else CAREFUL)


def minimal_edit_pairs(n: int, seed: int) -> list[Pair]:
    """n pairs of a right reply and the same reply with one fact wrong."""
    random, pairs = Random(f"minimal {seed}"), []
    for _ in range(n):
        order = random_order(random)
        text = write(order, CLEAN, random)
        words, value = text.split(), order[random.choice(list(FACTS))]
        words[words.index(value)] = slipped(value, random)
        pairs.append(order_pair(prompt_of(order, random), text, " ".join(words)))
    return pairs


def on_policy_pairs(pi: PreTrainedModel, prompts: list[Pair], seed: int) -> list[Pair]:
    """Two replies of `pi` to each prompt, labelled by Bradley-Terry with their true scores (eq. 1)."""
    random, found = Random(f"on-policy {seed}"), []
    for start in range(0, len(prompts), 250):
        some = prompts[start : start + 250]
        rows = sample_rest(
            pi, note_tokenizer(), [p.chosen.prompt_ids for p in encode(some)], 2, seed=seed + start
        )
        for pair, both in zip(some, zip(rows[::2], rows[1::2], strict=True), strict=True):
            first, second = (note_tokenizer().decode(ids, skip_special_tokens=True) for ids in both)
            if not first or not second or first == second:
                continue
            gap = true_score(pair.prompt, first) - true_score(pair.prompt, second)
            chosen, rejected = labelled(first, second, gap, random)
            found.append(Pair(pair.prompt, chosen, rejected, flaws_of(pair.prompt, chosen)))
    return found


def log_mu(kind: str, pair: Pair) -> tuple[float, float]:
    """log mu_w(y_w|x) and log mu_l(y_l|x), in nats, for every kind whose laws have a formula."""
    if kind == "minimal edit":
        return writer_log_prob(pair.prompt, pair.chosen, CLEAN), edit_log_prob(pair.prompt, pair.rejected)
    chosen = CLEANER if kind == "cleaner" else CAREFUL
    return writer_log_prob(pair.prompt, pair.chosen, chosen), writer_log_prob(
        pair.prompt, pair.rejected, CARELESS
    )


def edit_log_prob(prompt: str, reply: str) -> float:
    """log mu_l of `minimal_edit_pairs`: which fact is wrong, what is said of it, and all the rest."""
    order = order_of(prompt)
    words = reply.split()
    [wrong] = [i for i, word in enumerate(words) if word in VALUE_OF and word != order[VALUE_OF[word]]]
    fact = VALUE_OF[words[wrong]]
    slip = fact_prob(fact, order[fact], words[wrong], Writer(slip=1.0))
    words[wrong] = order[fact]
    return writer_log_prob(prompt, " ".join(words), CLEAN) + float(np.log(slip / len(FACTS)))


def on_policy_kls(pi: PreTrainedModel, held_out: list[EncodedPair], seed: int) -> tuple[float, float]:
    """KL(mu_w, pi) and KL(mu_l, pi) in nats for pairs drawn from `pi` itself, without log pi.

    By eq. (1) mu_w(y) = 2 pi(y) p(y) with p(y) = E_{y' from pi} sigma(R(y) - R(y')), so that
    KL(mu_w, pi) = E_pi[2p log 2p]; for mu_l put 1 - p in place of p.
    """
    prompts = [pair.chosen.prompt_ids for pair in held_out]
    texts = [
        note_tokenizer().decode(ids) for ids in sample_rest(pi, note_tokenizer(), prompts, DRAWS, seed=seed)
    ]
    owners = [pair.pair.prompt for pair in held_out for _ in range(DRAWS)]
    R = np.array([true_score(x, y) for x, y in zip(owners, texts, strict=True)], float).reshape(-1, DRAWS)
    wins = preference(R[:, :, None], R[:, None, :])  # (prompts, DRAWS, DRAWS)
    p = (wins.sum(axis=2) - 0.5) / (DRAWS - 1)  # not against itself
    return tuple(float(xlogy(2 * q, 2 * q).mean()) for q in (p, 1 - p))

"""Likelihood displacement: one pair whose replies share much, both likelihoods fall, something else gains.

First exactly, for a softmax over n replies in one state; then on a language model trained on single pairs
of order notes. After Razin et al. (2025).
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.special import expit, log_softmax
from transformers import PreTrainedModel

from dpoq_lab.batches import collate
from dpoq_lab.encoding import EncodedPair, Response
from dpoq_lab.intervals import across_tables, plus_minus
from dpoq_lab.lessons.l08_reference_policy.pairs import minimal_edit_pairs
from dpoq_lab.lessons.study import Study
from dpoq_lab.losses import response_logits
from dpoq_lab.order_notes.language import VALUE_OF, held_out_seed, order_pairs
from dpoq_lab.order_notes.recipe import STAGES, encode, note_tokenizer, stored_policies
from dpoq_lab.training import trained_copy
from dpoq_lab.views.tables import Table

ALONE = replace(STAGES["dpo"], steps=20, batch_size=1, micro_batch=1, warmup_steps=0, decay=False)
GAINS = ("right", "wrong", "same list", "elsewhere")  # groups of words where two replies part


def train_one_pair(
    features: np.ndarray, hidden: np.ndarray, w: int, lose: int, steps: int, lr: float, beta: float = 1.0
) -> np.ndarray:
    """log pi of n replies during DPO on one pair, (steps + 1, n); logits are features (n, d) @ hidden (d,).

    Only `hidden` is trained, as a shared state of a model would be. With features = identity every
    logit is free: the tabular policy.
    """
    h = hidden.astype(np.float64).copy()
    path = [log_softmax(features @ h)]
    for _ in range(steps):
        ratio = path[-1] - path[0]
        h += lr * beta * expit(-beta * (ratio[w] - ratio[lose])) * (features[w] - features[lose])
        path.append(log_softmax(features @ h))
    return np.array(path)


@torch.no_grad()
def hidden_sum(pi: PreTrainedModel, response: Response) -> torch.Tensor:
    """The last hidden states before each token of a response, summed, (d,)."""
    batch = collate([response], note_tokenizer().pad_token_id)
    found = pi(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        position_ids=batch.position_ids,
        output_hidden_states=True,
    )
    return found.hidden_states[-1][0, -len(response.ids) - 1 : -1].sum(dim=0)


def similarity(pi: PreTrainedModel, pair: EncodedPair) -> float:
    """The cosine of the two replies' `hidden_sum`, from the reference alone: 1 for nearly one reply."""
    return float(torch.cosine_similarity(hidden_sum(pi, pair.chosen), hidden_sum(pi, pair.rejected), dim=0))


@torch.no_grad()
def token_log_pi(pi: PreTrainedModel, response: Response) -> torch.Tensor:
    """log pi of every word of the vocabulary at each token of a response, (T, n_actions)."""
    return response_logits(pi, collate([response], note_tokenizer().pad_token_id))[0].log_softmax(-1)


def displace(reference: PreTrainedModel, pair: EncodedPair) -> dict[str, float]:
    """DPO on this pair alone, 20 steps: the change of summed log pi of both replies, and `similarity`."""
    policy, _ = trained_copy(reference, [pair], note_tokenizer().pad_token_id, ALONE, progress=False)
    row = {}
    for role in ("chosen", "rejected"):
        response = getattr(pair, role)
        ids = torch.tensor(response.ids)[:, None]
        before, after = (token_log_pi(pi, response).gather(1, ids).sum() for pi in (reference, policy))
        row[role] = float(after - before)
    row |= {"both_fall": float(max(row.values()) < 0), "similarity": similarity(reference, pair)}
    return row | what_gains(reference, policy, pair)


def what_gains(before: PreTrainedModel, after: PreTrainedModel, pair: EncodedPair) -> dict[str, float]:
    """The change of probability where the replies first differ, by group; the four sum to 0.

    `right` and `wrong` are the two words, `same list` other values of the right word's fact (0 if it has
    none), `elsewhere` all other words.
    """
    right, wrong, gain = gain_where_they_part(before, after, pair)
    words = note_tokenizer().convert_ids_to_tokens(range(len(gain)))
    fact = VALUE_OF.get(words[right])
    kin = [
        i for i, word in enumerate(words) if fact and VALUE_OF.get(word) == fact and i not in (right, wrong)
    ]
    found = {"right": float(gain[right]), "wrong": float(gain[wrong]), "same list": float(gain[kin].sum())}
    return found | {"elsewhere": -sum(found.values())}


def gain_where_they_part(
    before: PreTrainedModel, after: PreTrainedModel, pair: EncodedPair
) -> tuple[int, int, torch.Tensor]:
    """The two tokens where the replies first differ, how probable each word became, (n_actions,)."""
    both = zip(pair.chosen.ids, pair.rejected.ids, strict=False)
    at, (right, wrong) = next((t, words) for t, words in enumerate(both) if words[0] != words[1])
    p, q = (token_log_pi(pi, pair.chosen)[at].exp() for pi in (before, after))
    return right, wrong, q - p


def displacement_table(
    policies: dict[str, PreTrainedModel], n: int, seed: int
) -> dict[str, dict[str, float]]:
    """Means over n single-pair runs from base and SFT, for two independent replies and for one-word pairs.

    `correlation`: within a kind, of the similarity with the change of the chosen log pi.
    """
    kinds = {
        "independent replies": encode(order_pairs(n, held_out_seed(seed))),
        "one word apart": encode(minimal_edit_pairs(n, held_out_seed(seed))),
    }
    table = {}
    for start in ("base", "SFT"):
        for kind, pairs in kinds.items():
            rows = [displace(policies[start], pair) for pair in pairs]
            row = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
            fell = np.corrcoef([[row["similarity"], row["chosen"]] for row in rows], rowvar=False)
            table[f"{start}, {kind}"] = row | {"correlation": float(fell[0, 1])}
    return table


def measure(pairs: int, seeds: int, out: Path) -> tuple[dict, str]:
    """The table over seeds of the pairs, `pairs` of a kind and seed."""
    policies = stored_policies().models
    table = across_tables([displacement_table(policies, pairs, seed) for seed in range(seeds)])
    return {"pairs": pairs, "table": table}, "\n".join(map(str, displacement_tables(table)))


def displacement_tables(table: dict) -> list[Table]:
    """Changes of log pi and how often both fall; then what gains where they part, similarity, correlation."""

    def part(head: tuple[str, ...], cells: Callable[[dict], tuple[str, ...]]) -> Table:
        return Table([("", *head), *((name, *cells(row)) for name, row in table.items())])

    return [
        part(
            ("chosen", "rejected", "both fall"),
            lambda row: (
                plus_minus(row["chosen"], "+"),
                plus_minus(row["rejected"], "+"),
                plus_minus(row["both_fall"]),
            ),
        ),
        part(GAINS, lambda row: tuple(f"{row[what]['mean']:+.2f}" for what in GAINS)),
        part(
            ("similarity", "correlation"),
            lambda row: (plus_minus(row["similarity"]), plus_minus(row["correlation"], "+")),
        ),
    ]


STUDY = Study("DPO on single pairs of order notes", measure, {"ci": 2, "laptop": 25})

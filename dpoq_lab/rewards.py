"""The implicit token reward of a policy, and how well it assigns credit.

r(s_t, a_t) = beta log pi(a_t|s_t) - beta log pi_ref(a_t|s_t)   (eq. 11)
is the optimal advantage Q*(s_t, a_t) - V*(s_t) of pi = pi* in the convention of eq. (10): it says
how much the token changed the soft value-to-go, not which reward was paid at it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab.encoding import Response, collate, pad_id
from dpoq_lab.losses import log_probs, response_logits

Alternatives = list[tuple[str, float]]


@dataclass(frozen=True)
class TokenScores:
    """One response scored by policy and reference; every list has one entry a token, in nats.

    `kl_ref_pi`, `kl_pi_ref` and `entropy` (of the policy) are exact sums over the vocabulary at each state;
    `top_policy` and `top_reference` are the likeliest tokens there with their log-probabilities.
    """

    response: Response
    logp_policy: list[float]
    logp_reference: list[float]
    kl_ref_pi: list[float]
    kl_pi_ref: list[float]
    top_policy: list[Alternatives]
    top_reference: list[Alternatives]
    entropy: list[float]

    def rewards(self, beta: float) -> list[float]:
        """r of each token; the sum is the implicit reward of the response, up to V*(s_0)."""
        return token_rewards(np.array(self.logp_policy), np.array(self.logp_reference), beta).tolist()


def token_rewards(log_pi: np.ndarray, log_pi_ref: np.ndarray, beta: float) -> np.ndarray:
    """r = beta (log pi - log pi_ref), elementwise (eq. 11)."""
    return beta * (log_pi - log_pi_ref)


def soft_value(Q: Tensor, beta: float = 1.0) -> Tensor:
    """V(s) = beta log sum_a exp(Q(s, a) / beta) over the last axis (eq. 6)."""
    return beta * torch.logsumexp(Q / beta, dim=-1)


@torch.no_grad()
def score_responses(
    policy: PreTrainedModel,
    reference: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    responses: list[Response],
    batch_size: int = 8,
    top: int = 5,
) -> list[TokenScores]:
    """Score responses token by token under two models in float32, shortest batches first."""
    order = sorted(range(len(responses)), key=lambda i: len(responses[i].prompt_ids) + len(responses[i].ids))
    scores: list[TokenScores | None] = [None] * len(responses)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        batch = collate([responses[i] for i in rows], pad_id(tokenizer)).to(policy.device)
        logits, logits_ref = response_logits(policy, batch), response_logits(reference, batch)
        logp, logp_ref = log_probs(logits, batch), log_probs(logits_ref, batch)
        for row, i in enumerate(rows):
            scores[i] = _token_scores(
                responses[i], logp[row], logp_ref[row], logits[row], logits_ref[row], tokenizer, top
            )
    return scores


def _token_scores(
    response: Response,
    logp: Tensor,
    logp_ref: Tensor,
    logits: Tensor,
    logits_ref: Tensor,
    tokenizer: PreTrainedTokenizerFast,
    top: int,
) -> TokenScores:
    R = len(response.ids)
    log_pi, log_pi_ref = logits[:R].log_softmax(-1), logits_ref[:R].log_softmax(-1)  # (R, V)
    return TokenScores(
        response,
        logp[:R].tolist(),
        logp_ref[:R].tolist(),
        (log_pi_ref.exp() * (log_pi_ref - log_pi)).sum(-1).tolist(),
        (log_pi.exp() * (log_pi - log_pi_ref)).sum(-1).tolist(),
        _likeliest(log_pi, tokenizer, top),
        _likeliest(log_pi_ref, tokenizer, top),
        (-log_pi.exp() * log_pi).sum(-1).tolist(),
    )


def _likeliest(log_pi: Tensor, tokenizer: PreTrainedTokenizerFast, top: int) -> list[Alternatives]:
    if top == 0:
        return [[] for _ in log_pi]
    values, ids = log_pi.topk(top, dim=-1)
    return [
        [(tokenizer.decode([token]), value) for token, value in zip(row_ids, row_values, strict=True)]
        for row_ids, row_values in zip(ids.tolist(), values.tolist(), strict=True)
    ]


# Scores of credit assignment.


def changed_tokens(ids: list[int], other: list[int]) -> list[bool]:
    """For each token of `ids` whether `other` lacks it, by the longest common blocks."""
    changed = [True] * len(ids)
    for block in SequenceMatcher(None, ids, other, autojunk=False).get_matching_blocks():
        changed[block.a : block.a + block.size] = [False] * block.size
    return changed


def auroc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """The chance that a random positive outranks a random negative; NaN without both kinds."""
    positive = np.asarray(labels, dtype=bool)
    n, m = positive.sum(), (~positive).sum()
    if n == 0 or m == 0:
        return float("nan")
    wins = rankdata(scores)[positive].sum() - n * (n + 1) / 2
    return float(wins / (n * m))


def precision_at_1(scores: list[list[float]], labels: list[list[bool]]) -> tuple[float, int]:
    """How often the top-scored token of a response is a positive, and over how many responses.

    Responses without a positive are left out; ties go to the earliest token.
    """
    hits = [row[int(np.argmax(score))] for score, row in zip(scores, labels, strict=True) if any(row)]
    return (float(np.mean(hits)) if hits else float("nan")), len(hits)

"""The implicit token reward of a policy.

r(s_t, a_t) = beta log pi(a_t|s_t) - beta log pi_ref(a_t|s_t)   (eq. 11)
is the optimal advantage Q*(s_t, a_t) - V*(s_t) of pi = pi* in the convention of eq. (10): it says
how much the token changed the soft value-to-go, not which reward was paid at it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab.batches import collate, pad_id
from dpoq_lab.encoding import EncodedPair, Response
from dpoq_lab.losses import eval_mode, response_logits
from dpoq_lab.preferences import SIDES
from dpoq_lab.shared_prompt import can_share, pair_logits

Alternatives = list[tuple[str, float]]
Moved = tuple[str, float, float]  # a token, pi_ref of it, pi of it
MOST_PAIRS = 16  # of a batch
MOST_LOGITS = 2**25  # of a batch and model: 128 MiB in float32


@dataclass(frozen=True)
class Shift:
    """Where probability went in the state of a response's action `at`, that of the largest |log pi/pi_ref|.

    `gained` and `lost` are the three tokens there whose probability rose and fell most, the largest first.
    """

    at: int
    gained: list[Moved]
    lost: list[Moved]


@dataclass(frozen=True)
class TokenScores:
    """One response scored by policy and reference; every list has one entry a token, in nats.

    `kl_ref_pi`, `kl_pi_ref` and `entropy` (of the policy) are exact sums over the vocabulary at each state;
    `top_policy` and `top_reference` are the likeliest tokens there with their log-probabilities. An
    observation was not the policy's choice: it has 0 and no likeliest tokens. `shift` is that of the
    steepest action.
    """

    response: Response
    logp_policy: list[float]
    logp_reference: list[float]
    kl_ref_pi: list[float]
    kl_pi_ref: list[float]
    top_policy: list[Alternatives]
    top_reference: list[Alternatives]
    entropy: list[float]
    shift: Shift | None = None

    def rewards(self, beta: float) -> list[float]:
        """r of each token; the sum is the implicit reward of the response, up to V*(s_0)."""
        return token_rewards(np.array(self.logp_policy), np.array(self.logp_reference), beta).tolist()


def token_rewards(log_pi: np.ndarray, log_pi_ref: np.ndarray, beta: float) -> np.ndarray:
    """r = beta (log pi - log pi_ref), elementwise (eq. 11)."""
    return beta * (log_pi - log_pi_ref)


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
    scores: dict[int, TokenScores] = {}
    for rows in length_batches(responses, batch_size, policy.config.vocab_size):
        batch = collate([responses[i] for i in rows], pad_id(tokenizer, policy, reference)).to(policy.device)
        with eval_mode(policy, reference):
            logits = response_logits(policy, batch)
            logits_ref = response_logits(reference, batch.to(reference.device)).to(policy.device)
        for row, i in enumerate(rows):
            scores[i] = _token_scores(responses[i], logits[row], logits_ref[row], tokenizer, top)
    return [scores[i] for i in range(len(responses))]


def length_batches(responses: list[Response], batch_size: int, n_actions: int) -> Iterator[list[int]]:
    """The responses' places by length, at most `batch_size` and `MOST_LOGITS` logits at once."""
    batch: list[int] = []
    for i in sorted(
        range(len(responses)), key=lambda i: len(responses[i].prompt_ids) + len(responses[i].ids)
    ):
        longest = max(len(responses[k].ids) for k in [*batch, i])
        if batch and (len(batch) == batch_size or (len(batch) + 1) * longest * n_actions > MOST_LOGITS):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _token_scores(
    response: Response,
    logits: Tensor,
    logits_ref: Tensor,
    tokenizer: PreTrainedTokenizerFast,
    top: int,
) -> TokenScores:
    """`logits` (at least R, n_actions) predict each token of the response."""
    R, actions = len(response.ids), torch.tensor(response.actions, device=logits.device)
    ids = torch.tensor(response.ids, device=logits.device)[:, None]
    common = min(logits.shape[-1], logits_ref.shape[-1])  # one may have added tokens that nobody uses
    log_pi, log_pi_ref = (x[:R].log_softmax(-1)[:, :common] for x in (logits, logits_ref))  # (R, n_actions)
    pi, pi_ref, apart = log_pi.exp(), log_pi_ref.exp(), log_pi - log_pi_ref

    def at_actions(x: Tensor) -> Tensor:
        return x.sum(-1).masked_fill(~actions, 0.0)

    logp, logp_ref = (at_actions(x.gather(-1, ids)) for x in (log_pi, log_pi_ref))

    return TokenScores(
        response,
        logp.tolist(),
        logp_ref.tolist(),
        at_actions(-pi_ref * apart).tolist(),
        at_actions(pi * apart).tolist(),
        _likeliest(log_pi, response.actions, tokenizer, top),
        _likeliest(log_pi_ref, response.actions, tokenizer, top),
        at_actions(-pi * log_pi).tolist(),
        _shift(log_pi, log_pi_ref, logp - logp_ref, tokenizer),
    )


def _shift(log_pi: Tensor, log_pi_ref: Tensor, ratios: Tensor, tokenizer: PreTrainedTokenizerFast) -> Shift:
    """`ratios` (R,) are 0 at observations."""
    at = int(ratios.abs().argmax())
    pi, pi_ref = log_pi[at].exp(), log_pi_ref[at].exp()
    rise = pi - pi_ref  # (n_actions,)

    def told(change: Tensor) -> list[Moved]:
        return [
            (str(tokenizer.decode([i])), pi_ref[i].item(), pi[i].item())
            for i in change.topk(min(3, len(change))).indices.tolist()
            if change[i] > 0
        ]

    return Shift(at, told(rise), told(-rise))


def _likeliest(
    log_pi: Tensor, actions: list[bool], tokenizer: PreTrainedTokenizerFast, top: int
) -> list[Alternatives]:
    if top == 0:
        return [[] for _ in log_pi]
    values, ids = log_pi.topk(top, dim=-1)
    return [
        [(str(tokenizer.decode([token])), value) for token, value in zip(row_ids, row_values, strict=True)]
        if action
        else []
        for row_ids, row_values, action in zip(ids.tolist(), values.tolist(), actions, strict=True)
    ]


ScoredPair = tuple[TokenScores, TokenScores]  # chosen, rejected


@torch.no_grad()
def score_pairs(
    policy: PreTrainedModel,
    reference: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    pairs: list[EncodedPair],
    top: int = 0,
) -> list[ScoredPair]:
    """As `score_responses` both replies of every pair, the prompt computed once where the models allow it."""
    scores: dict[int, ScoredPair] = {}
    pad, share = pad_id(tokenizer, policy, reference), None
    longer = [max(pair.chosen, pair.rejected, key=lambda side: len(side.ids)) for pair in pairs]
    for rows in length_batches(longer, MOST_PAIRS, 2 * policy.config.vocab_size):
        batch = collate([getattr(pairs[i], side) for side in SIDES for i in rows], pad).to(policy.device)
        share = can_share(batch, policy, reference) if share is None else share
        with eval_mode(policy, reference):
            logits = pair_logits(policy, batch, share)
            logits_ref = [
                x.to(policy.device) for x in pair_logits(reference, batch.to(reference.device), share)
            ]
        for row, i in enumerate(rows):
            chosen, rejected = (
                _token_scores(getattr(pairs[i], side), pi[row], pi_ref[row], tokenizer, top)
                for side, pi, pi_ref in zip(SIDES, logits, logits_ref, strict=True)
            )
            scores[i] = (chosen, rejected)
    return [scores[i] for i in range(len(pairs))]

"""Replies to order notes, scored exactly: what a prefix is worth, a policy's mean score, best of n.

V(s_t) = E_pi[R | s_t], and the advantage of a token is V(s_{t+1}) - V(s_t). It is the plain mean, not the
soft value of eq. (6): it needs no beta and far fewer samples. At EOS the return is known.
"""

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab.encoding import EncodedPair, Response, encode_response
from dpoq_lab.order_notes.language import true_score
from dpoq_lab.rewards import score_responses
from dpoq_lab.search.generate import sample_rest


def rollout_values(
    pi: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, prompt: str, response: Response, n: int = 16
) -> list[float]:
    """V of every prefix of a reply to an order note, from the empty one to the ended one: T + 1 values."""
    told = response.ids[:-1]
    prefixes = [response.prompt_ids + told[:t] for t in range(len(told) + 1)]
    rests = sample_rest(pi, tokenizer, prefixes, n)
    values = []
    for t in range(len(prefixes)):
        texts = [tokenizer.decode(told[:t] + rest) for rest in rests[t * n : (t + 1) * n]]
        values.append(sum(true_score(prompt, text) for text in texts) / n)
    return [*values, float(true_score(prompt, response.text))]


def rollout_advantages(
    pi: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, prompt: str, response: Response, n: int = 16
) -> list[float]:
    """V(s_{t+1}) - V(s_t) of every token, EOS included; they sum to R - V(s_0)."""
    values = rollout_values(pi, tokenizer, prompt, response, n)
    return [after - before for before, after in zip(values, values[1:], strict=False)]


def mean_true_score(
    pi: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, pairs: list[EncodedPair], seed: int = 0
) -> float:
    """E_pi[R] by one sampled reply to each pair's prompt."""
    replies = sample_rest(pi, tokenizer, [pair.chosen.prompt_ids for pair in pairs], 1, seed=seed)
    return mean_score(tokenizer, replies, pairs)


def mean_score(
    tokenizer: PreTrainedTokenizerFast, replies: list[list[int]], pairs: list[EncodedPair]
) -> float:
    """The mean true score of one reply to each pair's prompt."""
    scores = [
        true_score(pair.pair.prompt, tokenizer.decode(ids)) for pair, ids in zip(pairs, replies, strict=True)
    ]
    return sum(scores) / len(scores)


def best_of_n(
    sampler: PreTrainedModel,
    policy: PreTrainedModel,
    reference: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    pairs: list[EncodedPair],
    n: int,
    seed: int = 0,
) -> dict[str, float]:
    """The mean true score of the reply kept, by what ranks the n: R itself is the ceiling.

    `implicit reward` is sum log pi/pi_ref, the likelihoods sum log pi and sum log pi_ref; `one draw` keeps
    the first.
    """
    rows = sample_rest(sampler, tokenizer, [pair.chosen.prompt_ids for pair in pairs], n, seed=seed)
    owners = [pair.pair.prompt for pair in pairs for _ in range(n)]
    texts = [tokenizer.decode(row, skip_special_tokens=True) or "." for row in rows]
    replies = [
        encode_response(tokenizer, prompt, text, 256) for prompt, text in zip(owners, texts, strict=True)
    ]
    scores = score_responses(policy, reference, tokenizer, replies, batch_size=128, top=0)
    R = np.array([true_score(prompt, text) for prompt, text in zip(owners, texts, strict=True)])
    ranks = {
        "one draw": -(np.arange(len(R)) % n),
        "reference's likelihood": np.array([sum(s.logp_reference) for s in scores]),
        "policy's likelihood": np.array([sum(s.logp_policy) for s in scores]),
        "implicit reward": np.array([sum(s.rewards(1.0)) for s in scores]),
        "R itself": R,
    }
    kept = {name: rank.reshape(-1, n).argmax(axis=1) for name, rank in ranks.items()}
    return {name: float(R.reshape(-1, n)[np.arange(len(pairs)), at].mean()) for name, at in kept.items()}

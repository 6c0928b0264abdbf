"""Best of n on order notes: draw n replies, keep the one that a ranking likes best, and score it truly."""

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab.encoding import EncodedPair, encode_response
from dpoq_lab.languages import true_score
from dpoq_lab.rewards import score_responses
from dpoq_lab.rollouts import sample_rest


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

    `implicit reward` is sum log pi/pi_ref, `likelihood` sum log pi; `one draw` keeps the first.
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
        "likelihood": np.array([sum(s.logp_policy) for s in scores]),
        "implicit reward": np.array([sum(s.rewards(1.0)) for s in scores]),
        "R itself": R,
    }
    kept = {name: rank.reshape(-1, n).argmax(axis=1) for name, rank in ranks.items()}
    return {name: float(R.reshape(-1, n)[np.arange(len(pairs)), at].mean()) for name, at in kept.items()}

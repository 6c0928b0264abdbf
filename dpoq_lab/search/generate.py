"""Seeded generation for prefixes of different lengths: padded on the left, one call of `generate`."""

from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast


@torch.no_grad()
def continuations(
    pi: PreTrainedModel, prefixes: list[list[int]], eos: int, pad: int, max_new: int, seed: int, **how: Any
) -> list[list[int]]:
    """What `generate(**how)` adds to each prefix: ids up to EOS and with it, or `max_new` of them.

    Deterministic in `seed`; torch's own state is kept.
    """
    width = max(map(len, prefixes))
    ids = torch.tensor([[pad] * (width - len(prefix)) + prefix for prefix in prefixes], device=pi.device)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        out = pi.generate(ids, attention_mask=(ids != pad).long(), max_new_tokens=max_new, **how)
    rows = out[:, width:].tolist()
    return [row[: row.index(eos) + 1] if eos in row else row for row in rows]


def sample_rest(
    pi: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prefixes: list[list[int]],
    n: int,
    max_new: int = 60,
    seed: int = 0,
) -> list[list[int]]:
    """n continuations of each prefix at temperature 1, without EOS; cut at `max_new` tokens."""
    eos, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    repeated = [prefix for prefix in prefixes for _ in range(n)]
    rows = continuations(pi, repeated, eos, pad, max_new, seed, do_sample=True, top_k=0)
    return [[token for token in row if token not in (eos, pad)] for row in rows]

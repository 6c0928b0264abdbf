"""Seeded generation for prefixes of different lengths: padded on the left, one call of `generate`."""

from typing import Any

import torch
from transformers import PreTrainedModel


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

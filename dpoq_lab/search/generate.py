"""Seeded generation for prefixes of different lengths: padded on the left, one call of `generate`."""

from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab.encoding import stop_ids


@torch.no_grad()
def continuations(
    pi: PreTrainedModel,
    prefixes: list[list[int]],
    stops: list[int],
    pad: int,
    max_new: int,
    seed: int,
    **how: Any,
) -> list[list[int]]:
    """What `generate(**how)` adds to each prefix: ids up to one of `stops` and with it, or `max_new` of them.

    A prefix may hold stops and pads of its own. Deterministic in `seed`; torch's own state is kept.
    """
    width = max(map(len, prefixes))
    ids = torch.tensor([[pad] * (width - len(prefix)) + prefix for prefix in prefixes], device=pi.device)
    read = torch.tensor([[0] * (width - len(prefix)) + [1] * len(prefix) for prefix in prefixes])
    how = {"attention_mask": read.to(pi.device), "max_new_tokens": max_new, **how}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        out = pi.generate(ids, eos_token_id=stops, pad_token_id=pad, **how)
    return [_until(row, stops) for row in out[:, width:].tolist()]


def _until(row: list[int], stops: list[int]) -> list[int]:
    """A row up to its first stop and with it."""
    end = next((place for place, token in enumerate(row) if token in stops), len(row))
    return row[: end + 1]


def sample_rest(
    pi: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prefixes: list[list[int]],
    n: int,
    max_new: int = 60,
    seed: int = 0,
) -> list[list[int]]:
    """n continuations of each prefix at temperature 1: the rest of a reply, or of an assistant's turn.

    Without the token that ends it, EOS or the chat template's end of turn; cut at `max_new` tokens.
    """
    stops, pad = stop_ids(tokenizer), tokenizer.pad_token_id
    repeated = [prefix for prefix in prefixes for _ in range(n)]
    rows = continuations(pi, repeated, stops, pad, max_new, seed, do_sample=True, top_k=0)
    return [[token for token in row if token not in (*stops, pad)] for row in rows]

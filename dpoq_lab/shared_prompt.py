"""The prompt of a pair computed once for both responses: as `token_log_probs`, to rounding, in less time.

A row is [prompt | chosen | rejected], P + R_w + R_l tokens where two rows had 2 (P + R). The rejected
response goes on from the prompt's positions and sees nothing of the chosen one.
"""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from dpoq_lab.batches import Batch
from dpoq_lab.losses import eval_mode, response_logits, token_log_probs

LogProbs = Callable[[nn.Module, Batch], Tensor]  # log pi of the actions, (B, R)


def shared_logits(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """What predicts each token of n pairs, chosen rows first: (n, R_w, n_actions), (n, R_l, n_actions)."""
    logits, (R_w, _) = _forward(model, batch), _lengths(batch)
    return logits[:, :R_w], torch.cat([logits[:, :1], logits[:, 1 + R_w : -1]], dim=1)


def shared_log_probs(model: nn.Module, batch: Batch) -> Tensor:
    """log pi(a_t | s_t) of the actions of n pairs, chosen rows first, (2n, R), in nats."""
    log_pi = _forward(model, batch).log_softmax(dim=-1)
    n, (R_w, R_l) = len(log_pi), _lengths(batch)
    ids = torch.cat([batch.response_ids[:n, :R_w], batch.response_ids[n:, :R_l]], dim=1)
    places = torch.arange(R_w + R_l, device=ids.device)  # of the logits that predict each token
    places[R_w] = 0
    at_ids = log_pi.flatten(1).gather(1, places * log_pi.shape[-1] + ids)  # (n, R_w + R_l)
    found = torch.zeros(batch.response_ids.shape, device=ids.device)
    found[:n, :R_w], found[n:, :R_l] = at_ids[:, :R_w], at_ids[:, R_w:]
    return found.masked_fill(~batch.action_mask, 0.0)


def _forward(model: nn.Module, batch: Batch) -> Tensor:
    """The logits at the prompt's last token, which predicts the first of both, and at each response token:
    (n, 1 + R_w + R_l, n_actions), float32."""
    n, P, (R_w, R_l) = len(batch.response_ids) // 2, _prompt_length(batch), _lengths(batch)
    seen = _row(batch.attention_mask, n, P, R_w, R_l).bool()
    return model(
        input_ids=_row(batch.input_ids, n, P, R_w, R_l),
        attention_mask=_attention(seen, P, R_w),
        position_ids=_row(batch.position_ids, n, P, R_w, R_l),
        logits_to_keep=1 + R_w + R_l,
        use_cache=False,
    ).logits.float()


def pair_logits(model: nn.Module, batch: Batch, share: bool) -> tuple[Tensor, Tensor]:
    """As `shared_logits`, by two rows a pair where the models cannot `share` a prompt or it does not pay."""
    if share and _pays(batch):
        return shared_logits(model, batch)
    chosen, rejected = response_logits(model, batch).chunk(2)
    return chosen, rejected


def _prompt_length(batch: Batch) -> int:
    return batch.input_ids.shape[1] - batch.response_ids.shape[1]


def _lengths(batch: Batch) -> list[int]:
    """R_w and R_l: of the longest chosen and of the longest rejected response."""
    responses = batch.attention_mask[:, _prompt_length(batch) :]
    return [int(rows.any(0).sum()) for rows in responses.chunk(2)]


def _row(columns: Tensor, n: int, P: int, R_w: int, R_l: int) -> Tensor:
    """(2n, P + R) -> (n, P + R_w + R_l)."""
    return torch.cat([columns[:n, : P + R_w], columns[n:, P : P + R_l]], dim=1)


def _attention(seen: Tensor, P: int, R_w: int) -> Tensor:
    """What each token sees (n, 1, L, L): 0, or so little that its weight is 0; padding sees itself."""
    L, place = seen.shape[1], torch.arange(seen.shape[1], device=seen.device)
    other = (place >= P + R_w)[:, None] & ((place >= P) & (place < P + R_w))[None]  # rejected -> chosen
    visible = (place[:, None] >= place[None]) & ~other & seen[:, None, :]
    visible |= torch.eye(L, dtype=torch.bool, device=seen.device)
    return attention_bias(visible)


def attention_bias(visible: Tensor) -> Tensor:
    """What each token sees, (n, L, L), as (n, 1, L, L) to be added: 0, or so little that its weight is 0."""
    bias = torch.zeros(visible.shape, device=visible.device)
    return bias.masked_fill(~visible, torch.finfo(torch.float32).min)[:, None]


def way(batch: Batch, *models: nn.Module | None) -> LogProbs:
    """The faster of both ways in which all `models` give pairs such as `batch` the same log-probabilities."""
    return _whichever if can_share(batch, *models) else token_log_probs


def _whichever(model: nn.Module, batch: Batch) -> Tensor:
    return (shared_log_probs if _pays(batch) else token_log_probs)(model, batch)


def _pays(batch: Batch) -> bool:
    """With a prompt that is short beside the responses little is saved, and attention costs more."""
    P, (rows, length) = _prompt_length(batch), batch.input_ids.shape
    return rows // 2 * (P + sum(_lengths(batch))) < 0.85 * rows * length


def can_share(batch: Batch, *models: nn.Module | None) -> bool:
    """Whether all `models` give the pairs of `batch` the same log-probabilities in both ways.

    Some do not: they attend within a window, take no mask of two dimensions, or keep a state.
    """
    return all(_can_share(model, batch) for model in models if model)


_found: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()  # a model is tried once


def _can_share(model: nn.Module, batch: Batch) -> bool:
    if model not in _found:
        _found[model] = _tried(model, batch)
    return _found[model]


def _tried(model: nn.Module, batch: Batch) -> bool:
    config: Any = getattr(model, "config", None)
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        return False  # the two may part in longer batches only
    try:
        with torch.no_grad(), eval_mode(model):
            apart = (shared_log_probs(model, batch) - token_log_probs(model, batch)).abs().max()
    except (RuntimeError, TypeError, ValueError):
        return False
    return bool(apart < 1e-3)

"""Per-token log-probabilities and log-ratios first; SFT, DPO and CPL are sums of them.

Shapes: B responses, R response tokens, n_actions tokens of the vocabulary. After the model's forward all is
float32, whatever the training precision: log-ratios are small differences of large sums.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dpoq_lab.batches import Batch


def response_logits(model: nn.Module, batch: Batch) -> Tensor:
    """The logits (B, R, n_actions), float32, that predict each response token: l_theta(s_t, .)."""
    R = batch.response_ids.shape[1]
    logits = model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        position_ids=batch.position_ids,
        logits_to_keep=R + 1,  # the last prompt token predicts the first response token
        use_cache=False,
    ).logits
    return logits[:, -(R + 1) : -1].float()


def log_probs(logits: Tensor, batch: Batch) -> Tensor:
    """log pi(a_t | s_t) of the actions, (B, R), in nats; 0 at observations and padding."""
    found = logits.log_softmax(dim=-1).gather(-1, batch.response_ids.unsqueeze(-1)).squeeze(-1)
    return found.masked_fill(~batch.action_mask, 0.0)


def token_log_probs(model: nn.Module, batch: Batch) -> Tensor:
    """log pi(a_t | s_t) of the actions under `model`, (B, R), in nats; 0 at observations and padding."""
    return log_probs(response_logits(model, batch), batch)


def log_ratios(log_pi: Tensor, log_pi_ref: Tensor) -> Tensor:
    """log pi(a_t|s_t) - log pi_ref(a_t|s_t), (B, R): beta times it is the token reward of eq. (11)."""
    return log_pi - log_pi_ref


def sft_loss(log_pi: Tensor) -> Tensor:
    """-sum_t log pi(a_t | s_t) for each response, (B,), in nats."""
    return -log_pi.sum(dim=1)


def dpo_loss(chosen_log_ratios: Tensor, rejected_log_ratios: Tensor, beta: float) -> Tensor:
    """-log sigma(beta sum_t log pi/pi_ref |chosen - beta sum_t log pi/pi_ref |rejected), (B,).

    Equations (8) and (9). Sums, not means: only sums telescope to the return of the trajectory.
    """
    margin = beta * (chosen_log_ratios.sum(dim=1) - rejected_log_ratios.sum(dim=1))
    return -F.logsigmoid(margin)


def cpl_loss(chosen_log_pi: Tensor, rejected_log_pi: Tensor, alpha: float, bias: float) -> Tensor:
    """-log sigma(alpha sum_t log pi |chosen - bias alpha sum_t log pi |rejected), (B,), from (B, T) terms.

    Contrastive preference learning (arXiv 2310.13639): DPO's loss without a reference. A `bias` below 1 keeps
    the policy near the data: with 1, lowering both log-probabilities alike costs nothing.
    """
    margin = alpha * (chosen_log_pi.sum(dim=1) - bias * rejected_log_pi.sum(dim=1))
    return -F.logsigmoid(margin)


@contextmanager
def eval_mode(*models: nn.Module) -> Iterator[None]:
    """Dropout off in `models`, whoever passes them in; each one's mode is put back after."""
    modes = [model.training for model in models]
    for model in models:
        model.eval()
    try:
        yield
    finally:
        for model, training in zip(models, modes, strict=True):
            model.train(training)


@torch.no_grad()
def score(model: nn.Module, batch: Batch) -> Tensor:
    """`token_log_probs` in eval mode without gradients."""
    with eval_mode(model):
        return token_log_probs(model, batch)

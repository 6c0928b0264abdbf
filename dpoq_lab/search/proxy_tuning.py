"""Proxy tuning: a small tuned model and its reference steer the generation of a base (equation 14)."""

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedModel

from dpoq_lab.search.generate import continuations
from dpoq_lab.theory.mixtures import mixed_logits


class ProxyTuning(LogitsProcessor):
    """Eq. (14) for `generate` of any base with the proxy's vocabulary.

    Both small models read the whole text each step, so no cache of theirs has to follow beams or batches.
    """

    def __init__(
        self, proxy: PreTrainedModel, reference: PreTrainedModel, lam: float, pad_token_id: int
    ) -> None:
        self.models, self.lam, self.pad = (proxy, reference), lam, pad_token_id

    @torch.no_grad()
    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """log pi of the mixture up to a constant, (B, n_actions)."""
        seen = (input_ids != self.pad).long()
        places = (seen.cumsum(1) - 1).clamp(min=0)
        log_proxy, log_ref = (
            model(input_ids, attention_mask=seen, position_ids=places).logits[:, -1].float().log_softmax(-1)
            for model in self.models
        )
        return mixed_logits(scores.log_softmax(-1), log_proxy, log_ref, self.lam)


def steer(
    base: PreTrainedModel,
    proxy: PreTrainedModel,
    reference: PreTrainedModel,
    lam: float,
    prompts: list[list[int]],
    pad_token_id: int,
    max_tokens: int = 60,
    seed: int = 0,
) -> list[list[int]]:
    """One reply to each prompt, sampled at temperature 1 from the mixture; ids without EOS."""
    eos = base.config.eos_token_id
    steering = LogitsProcessorList([ProxyTuning(proxy, reference, lam, pad_token_id)] if lam else [])
    how = {"do_sample": True, "top_k": 0, "logits_processor": steering}
    rows = continuations(base, prompts, [eos], pad_token_id, max_tokens, seed, **how)
    return [[token for token in row if token not in (eos, pad_token_id)] for row in rows]

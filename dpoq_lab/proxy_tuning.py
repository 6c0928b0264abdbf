"""Proxy tuning: a small tuned model and its reference steer a base of the same vocabulary (equation 14).

pi(a|s) is proportional to pi_base(a|s) (pi_proxy(a|s) / pi_ref(a|s))^lambda. By equation (11) the ratio is
exp(A*/beta) of the proxy, so lambda scales an advantage. With pi_base = pi_ref and lambda = 1 it is the
proxy itself; at other lambdas the product of token mixtures is not the mixture of replies.
"""

import numpy as np
import torch
from scipy.special import log_softmax
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedModel

from dpoq_lab.generation import continuations
from dpoq_lab.soft_bellman import trajectory_log_probs, trajectory_probs
from dpoq_lab.token_mdp import Levels, TokenMDP


def token_mixture(base: Levels, proxy: Levels, reference: Levels, lam: float) -> Levels:
    """Eq. (14) at every state of a tree on which all three are positive, levels (n_t, V)."""
    return [
        np.exp(log_softmax(np.log(b) + lam * (np.log(p) - np.log(q)), axis=1))
        for b, p, q in zip(base, proxy, reference, strict=True)
    ]


def reply_mixture(base: Levels, proxy: Levels, reference: Levels, lam: float) -> np.ndarray:
    """log of the mixture of whole replies, base(y) (proxy(y)/reference(y))^lambda / Z, (N,)."""
    log_b, log_p, log_q = (trajectory_log_probs(pi) for pi in (base, proxy, reference))
    return log_softmax(log_b + lam * (log_p - log_q))


def distance_to_reply_mixture(mdp: TokenMDP, base: Levels, proxy: Levels, lam: float) -> float:
    """Total variation between the token mixture and the mixture of replies; the reference is pi_ref."""
    ours = trajectory_probs(token_mixture(base, proxy, mdp.pi_ref, lam))
    theirs = np.exp(reply_mixture(base, proxy, mdp.pi_ref, lam))
    return float(abs(ours - theirs).sum() / 2)


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
        """log pi of the mixture up to a constant, (B, V)."""
        seen = (input_ids != self.pad).long()
        places = (seen.cumsum(1) - 1).clamp(min=0)
        log_proxy, log_ref = (
            model(input_ids, attention_mask=seen, position_ids=places).logits[:, -1].float().log_softmax(-1)
            for model in self.models
        )
        return scores.log_softmax(-1) + self.lam * (log_proxy - log_ref)


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
    rows = continuations(base, prompts, eos, pad_token_id, max_tokens, seed, **how)
    return [[token for token in row if token not in (eos, pad_token_id)] for row in rows]

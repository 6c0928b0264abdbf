"""Mixtures of policies (equation 14): a small tuned policy and its reference steer a base.

pi(a|s) is proportional to pi_base(a|s) (pi_proxy(a|s) / pi_ref(a|s))^lambda. By equation (11) the ratio is
exp(A*/beta) of the proxy, so lambda scales an advantage. With pi_base = pi_ref and lambda = 1 it is the
proxy itself; at other lambdas the product of token mixtures is not the mixture of replies.
"""

from typing import Any

import numpy as np
from scipy.special import log_softmax

from dpoq_lab.theory.soft_bellman import trajectory_log_probs, trajectory_probs
from dpoq_lab.theory.token_mdp import Levels, TokenMDP


def mixed_logits(log_base: Any, log_proxy: Any, log_ref: Any, lam: float) -> Any:
    """log pi_base + lambda (log pi_proxy - log pi_ref), elementwise: eq. (14) before it is normalised.

    For arrays of numpy and tensors of torch alike.
    """
    return log_base + lam * (log_proxy - log_ref)


def token_mixture(base: Levels, proxy: Levels, reference: Levels, lam: float) -> Levels:
    """Eq. (14) at every state of a tree on which all three are positive, levels (n_t, n_actions)."""
    return [
        np.exp(log_softmax(mixed_logits(np.log(b), np.log(p), np.log(q), lam), axis=1))
        for b, p, q in zip(base, proxy, reference, strict=True)
    ]


def reply_mixture(base: Levels, proxy: Levels, reference: Levels, lam: float) -> np.ndarray:
    """log of the mixture of whole replies, base(y) (proxy(y)/reference(y))^lambda / Z, (N,)."""
    log_b, log_p, log_q = (trajectory_log_probs(pi) for pi in (base, proxy, reference))
    return log_softmax(mixed_logits(log_b, log_p, log_q, lam))


def distance_to_reply_mixture(mdp: TokenMDP, base: Levels, proxy: Levels, lam: float) -> float:
    """Total variation between the token mixture and the mixture of replies; the reference is pi_ref."""
    ours = trajectory_probs(token_mixture(base, proxy, mdp.pi_ref, lam))
    theirs = np.exp(reply_mixture(base, proxy, mdp.pi_ref, lam))
    return float(abs(ours - theirs).sum() / 2)

"""What the reference does to implicit rewards, exactly, on trees: equation (16) and the identity behind it.

For any law mu of replies,  E_mu[beta log pi/pi_ref] = beta [KL(mu, pi_ref) - KL(mu, pi)].
With mu = pi_ref it is equation (16), -beta KL(pi_ref, pi), the forward KL: never positive. RLHF penalises
the other one, KL(pi, pi_ref). Shapes, order of trajectories and units as in `token_mdp`.
"""

import numpy as np
from scipy.special import expit

from dpoq_lab.soft_bellman import log_ratio, solve, trajectory_log_probs
from dpoq_lab.token_mdp import Levels, TokenMDP, trajectory_sums


def kl(p: np.ndarray, q: np.ndarray) -> float:
    """KL(p, q) of two laws of replies, (N,), in nats; infinite where p has mass and q has none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(p > 0, p * (np.log(p) - np.log(q)), 0.0).sum())


def mean_reward(mdp: TokenMDP, mu: np.ndarray, pi: Levels) -> float:
    """E_mu[sum_t beta log pi/pi_ref] for a law `mu` of replies, (N,)."""
    return float(mu @ trajectory_sums([mdp.beta * level for level in log_ratio(pi, mdp.pi_ref)]))


def mean_reward_by_kl(mdp: TokenMDP, mu: np.ndarray, pi: Levels) -> float:
    """The same by two KLs: beta [KL(mu, pi_ref) - KL(mu, pi)]."""
    ref, policy = (np.exp(trajectory_log_probs(x)) for x in (mdp.pi_ref, pi))
    return mdp.beta * (kl(mu, ref) - kl(mu, policy))


def chosen_and_rejected(R: np.ndarray, mu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The laws of chosen and rejected replies, (N,) each, for two draws from `mu` labelled by eq. (1).

    Their mean is `mu`: labels sort the draws, they add none.
    """
    wins = expit(R[:, None] - R[None, :])  # (first, second)
    pairs = mu[:, None] * mu[None, :]
    chosen = (pairs * wins).sum(axis=1) + (pairs * (1 - wins)).sum(axis=0)
    rejected = 2 * mu - chosen
    return chosen, rejected


def optimum(mdp: TokenMDP, r: Levels) -> Levels:
    """pi* of eq. (5)."""
    return solve(mdp, r).pi


def chosen_reward_by_beta(pi_ref: Levels, r: Levels, betas: np.ndarray) -> np.ndarray:
    """E[chosen reward] at pi* for pairs drawn from pi_ref, at each beta, (B,)."""
    R, found = trajectory_sums(r), []
    for beta in betas:
        mdp = TokenMDP(pi_ref, float(beta))
        chosen, _ = chosen_and_rejected(R, np.exp(trajectory_log_probs(pi_ref)))
        found.append(mean_reward(mdp, chosen, optimum(mdp, r)))
    return np.array(found)


def small_reward_limit(R: np.ndarray, mu: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """The limit of `chosen_reward_by_beta` for small rewards: Var(R)/2 (1 - 1/beta), 0 at beta = 1."""
    variance = mu @ (R - mu @ R) ** 2
    return variance / 2 * (1 - 1 / betas)


# Another cause of falling likelihoods: shared features. One pair, one state, a softmax over V replies.


def train_one_pair(
    features: np.ndarray, hidden: np.ndarray, w: int, lose: int, steps: int, lr: float, beta: float = 1.0
) -> np.ndarray:
    """log pi of V replies during DPO on one pair, (steps + 1, V); logits are features (V, d) @ hidden (d,).

    Only `hidden` is trained, as a shared state of a model would be. With features = identity every
    logit is free: the tabular policy.
    """
    h = hidden.astype(np.float64).copy()
    logits = features @ h
    start = logits - np.logaddexp.reduce(logits)
    path = [start]
    for _ in range(steps):
        log_pi = path[-1]
        margin = beta * ((log_pi - start)[w] - (log_pi - start)[lose])
        h += lr * beta * expit(-margin) * (features[w] - features[lose])
        logits = features @ h
        path.append(logits - np.logaddexp.reduce(logits))
    return np.array(path)

"""What the reference does to implicit rewards, exactly, on trees: equation (16) and the identity behind it.

For any law mu of replies,  E_mu[beta log pi/pi_ref] = beta [KL(mu, pi_ref) - KL(mu, pi)].
With mu = pi_ref it is equation (16), -beta KL(pi_ref, pi), the forward KL: never positive. RLHF penalises
the other one, KL(pi, pi_ref). Shapes, order of trajectories and units as in `token_mdp`.
"""

import numpy as np
from scipy.special import rel_entr

from dpoq_lab.theory.soft_bellman import implicit_reward, preference, solve, trajectory_probs
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, trajectory_sums


def kl(p: np.ndarray, q: np.ndarray) -> float:
    """KL(p, q) of two laws of replies, (N,), in nats; infinite where p has mass and q has none."""
    return float(rel_entr(p, q).sum())


def mean_reward(mdp: TokenMDP, mu: np.ndarray, pi: Levels) -> float:
    """E_mu[sum_t beta log pi/pi_ref] for a law `mu` of replies, (N,)."""
    return float(mu @ trajectory_sums(implicit_reward(mdp, pi)))


def chosen_and_rejected(R: np.ndarray, mu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The laws of chosen and rejected replies, (N,) each, for two draws from `mu` labelled by eq. (1).

    Their mean is `mu`: labels sort the draws, they add none.
    """
    chosen = 2 * mu * (preference(R[:, None], R) @ mu)
    return chosen, 2 * mu - chosen


def first_step(pi_ref: np.ndarray, chosen: np.ndarray, rejected: np.ndarray) -> float:
    """Where the mean chosen reward goes at DPO's first step from `pi_ref`, up to a factor above 0; laws (N,).

    For a table and a natural gradient: at pi = pi_ref every pair pushes with beta/2, so the step of log pi is
    (mu_w - mu_l)/pi_ref, whose mean under pi_ref is 0. Its mean under mu_w is <mu_w - pi_ref, mu_w - mu_l>
    weighted by 1/pi_ref.
    """
    return float(((chosen - pi_ref) * (chosen - rejected) / pi_ref).sum())


def chosen_reward_by_beta(pi_ref: Levels, r: Levels, betas: np.ndarray) -> np.ndarray:
    """E[chosen reward] at pi* for pairs drawn from pi_ref, at each beta, (B,)."""
    R, found = trajectory_sums(r), []
    for beta in betas:
        mdp = TokenMDP(pi_ref, float(beta))
        chosen, _ = chosen_and_rejected(R, trajectory_probs(pi_ref))
        found.append(mean_reward(mdp, chosen, solve(mdp, r).pi))
    return np.array(found)


def small_reward_limit(R: np.ndarray, mu: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """The limit of `chosen_reward_by_beta` for small rewards: Var(R)/2 (1 - 1/beta), 0 at beta = 1."""
    variance = mu @ (R - mu @ R) ** 2
    return variance / 2 * (1 - 1 / betas)

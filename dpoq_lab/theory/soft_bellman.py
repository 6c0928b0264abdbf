"""Exact solutions of the token MDP: soft Bellman, r <-> Q*, shaping, preferences, divergences, guidance.

Shapes, order of trajectories, disallowed actions and chance nodes as in `token_mdp`. Rewards, Q, V
and beta share one unit, that of the Bradley-Terry score; log-probabilities and KLs are in nats.
At a chance node Q(s, o) = r(s, o) + V(s') and V(s) = E Q(s, o): a mean, not a log-sum-exp. The step into it
is r = beta log pi*/pi_ref + V(s) - E V(s'), and V(s') - E V(s') is nature's luck.
"""

from dataclasses import dataclass
from random import Random

import numpy as np

from dpoq_lab.theory.token_mdp import Levels, TokenMDP, at_endings, next_value, next_values, trajectory_sums


@dataclass(frozen=True, eq=False)
class Solution:
    """The optimum of eq. (2): `Q` and `pi` with levels (n_t, n_actions), `V` with levels (n_t,)."""

    Q: Levels
    V: Levels
    pi: Levels


def solve(mdp: TokenMDP, r: Levels) -> Solution:
    """Backward induction: Q* by eq. (7), V* by eq. (6), pi* by eq. (5).

    Q* is the paper's and contains beta log pi_ref; for the other convention see `q_without_reference`.
    Raises ValueError if `r` has the wrong shape or is not finite at an allowed action.
    """
    mdp.check_values("r", r)
    Q, V, pi, after = [], [], [], np.empty(0)
    for t in reversed(range(mdp.horizon)):
        paid = np.where(mdp.allowed[t], r[t], -np.inf)
        Q.insert(0, paid + _beta_log_ref(mdp, t) + next_value(mdp, t, after))
        after = _value(mdp, t, Q[0])
        V.insert(0, after)
        pi.insert(0, _policy(mdp, t, Q[0], after))
    return Solution(Q, V, pi)


def q_without_reference(mdp: TokenMDP, Q: Levels) -> Levels:
    """q = Q - beta log pi_ref, the convention of most code, 0 at disallowed actions.

    With it pi* is proportional to pi_ref e^{q/beta} and V* = beta log E_{pi_ref} e^{q/beta}.
    """
    return [_difference(Q_t, _beta_log_ref(mdp, t)) for t, Q_t in enumerate(Q)]


def reward_from_q(mdp: TokenMDP, Q: Levels) -> Levels:
    """The one reward whose Q* is `Q` (Lemma 1): r = Q - beta log pi_ref - V(s'), 0 at disallowed actions."""
    mdp.check_values("Q", Q)
    after = next_values(mdp, [_value(mdp, t, Q_t) for t, Q_t in enumerate(Q)])
    return [
        np.where(mask, q - after_t, 0.0)
        for q, after_t, mask in zip(q_without_reference(mdp, Q), after, mdp.allowed, strict=True)
    ]


def implicit_reward(mdp: TokenMDP, pi: Levels) -> Levels:
    """r = beta log pi/pi_ref (eq. 11); for pi = pi* the optimal advantage of eq. (10)."""
    mdp.check_shapes("pi", pi)
    return [mdp.beta * x for x in log_ratio(pi, mdp.pi_ref)]


def shape(mdp: TokenMDP, r: Levels, phi: Levels, phi_terminal: float | np.ndarray = 0.0) -> Levels:
    """r' = r + Phi(s_{t+1}) - Phi(s_t) (Definition 1), for Phi with levels (n_t,).

    `phi_terminal` is Phi at the terminal states: a number, or (N,) in the order of the trajectories.
    With Phi = V* this is the right-hand side of eq. (10).
    """
    return [
        r_t + after - before[:, None]
        for r_t, after, before in zip(r, next_values(mdp, phi, phi_terminal), phi, strict=True)
    ]


def _value(mdp: TokenMDP, t: int, Q: np.ndarray) -> np.ndarray:
    """V(s) = beta log sum_a e^{Q(s,a)/beta} (eq. 6), or E Q at a chance node, (n_t,)."""
    top = Q.max(axis=1)
    V = top + mdp.beta * np.log(np.exp((Q - top[:, None]) / mdp.beta).sum(axis=1))
    return np.where(mdp.chance[t], _mean(mdp.pi_ref[t], Q), V) if mdp.chance[t].any() else V


def _policy(mdp: TokenMDP, t: int, Q: np.ndarray, V: np.ndarray) -> np.ndarray:
    """pi = e^{(Q - V)/beta} (eq. 5), or nature's law at a chance node, (n_t, n_actions)."""
    nature = mdp.chance[t][:, None]
    # at a chance node e^{Q - V} is no law and can be huge
    return np.where(nature, mdp.pi_ref[t], np.exp(np.where(nature, 0.0, Q - V[:, None]) / mdp.beta))


def _beta_log_ref(mdp: TokenMDP, t: int) -> np.ndarray:
    """beta log pi_ref, (n_t, n_actions), -inf where disallowed; at a chance node 0 at the allowed ones."""
    return mdp.beta * _log(np.where(mdp.chance[t][:, None], mdp.allowed[t], mdp.pi_ref[t]))


# Preferences and laws of trajectories.


def preference(R_w: np.ndarray | float, R_l: np.ndarray | float) -> np.ndarray:
    """p(w preferred to l) = sigma(R_w - R_l) for returns (eq. 1), elementwise.

    `preference(R[:, None], R)` is the matrix (N, N) of all pairs.
    """
    return np.exp(-np.logaddexp(0.0, np.subtract(R_l, R_w)))


def log_probs(pi: Levels) -> Levels:
    """log pi, levels (n_t, n_actions), -inf at disallowed actions."""
    return [_log(level) for level in pi]


def trajectory_log_probs(pi: Levels) -> np.ndarray:
    """log pi(y) = sum_t log pi(a_t|s_t) of each complete trajectory, (N,), in nats."""
    return trajectory_sums(log_probs(pi))


def trajectory_probs(pi: Levels) -> np.ndarray:
    """pi(y) of each complete trajectory, (N,); sums to 1."""
    return np.exp(trajectory_log_probs(pi))


def policy_of(mdp: TokenMDP, p: np.ndarray) -> Levels:
    """The policy whose trajectories have the law `p` (N,): the exact maximum-likelihood fit (SFT) to it.

    A state that `p` never reaches keeps pi_ref. Raises ValueError unless `p` is such a law.
    """
    p = np.asarray(p, dtype=np.float64)
    if p.shape != (mdp.n_trajectories,) or not (p >= 0).all() or abs(p.sum() - 1) > 1e-9:
        raise ValueError(f"p must be {mdp.n_trajectories} probabilities that sum to 1")
    pi, mass = [], np.empty(0)
    for t, ending in reversed(list(enumerate(at_endings(mdp, p)))):
        joint = next_value(mdp, t, mass, ending)
        mass = joint.sum(axis=1)
        reached = mass[:, None] > 0
        pi.insert(0, np.divide(joint, mass[:, None], out=mdp.pi_ref[t].copy(), where=reached))
    return pi


# Expectations and divergences.


def values_under(mdp: TokenMDP, pi: Levels, x: Levels) -> Levels:
    """E_pi[sum_{k>=t} x(s_k, a_k) | s_t], levels (n_t,)."""
    V, after = [], np.empty(0)
    for t in reversed(range(mdp.horizon)):
        after = _mean(pi[t], x[t] + next_value(mdp, t, after))
        V.insert(0, after)
    return V


def expectation(mdp: TokenMDP, pi: Levels, x: Levels) -> float:
    """E_pi[sum_t x(s_t, a_t)] over complete trajectories, exact."""
    return float(values_under(mdp, pi, x)[0][0])


def forward_kl(mdp: TokenMDP, pi: Levels) -> float:
    """KL(pi_ref || pi) over trajectories, in nats: the one of eq. (16)."""
    return expectation(mdp, mdp.pi_ref, log_ratio(mdp.pi_ref, pi))


def reverse_kl(mdp: TokenMDP, pi: Levels) -> float:
    """KL(pi || pi_ref) over trajectories, in nats: the one that RLHF penalises."""
    return expectation(mdp, pi, log_ratio(pi, mdp.pi_ref))


def objective(mdp: TokenMDP, r: Levels, pi: Levels) -> float:
    """J(pi) = E_pi[R] - beta KL(pi || pi_ref) (eq. 2); its maximum is V*(s_0), at pi*."""
    return expectation(mdp, pi, r) - mdp.beta * reverse_kl(mdp, pi)


def log_ratio(p: Levels, q: Levels) -> Levels:
    """log p/q, levels (n_t, n_actions); 0 where both are 0, infinite where one is."""
    return [_difference(_log(p_t), _log(q_t)) for p_t, q_t in zip(p, q, strict=True)]


# Other readings of value.


def guide_by_mean_return(mdp: TokenMDP, r: Levels) -> Levels:
    """pi proportional to pi_ref e^{(r + V(s'))/beta} with V(s) = E_{pi_ref}[R | s], as controlled decoding.

    This V is the mean where V* is a log-mean-exp: the policy is not pi*, and J(pi) <= V*(s_0).
    """
    after = next_values(mdp, values_under(mdp, mdp.pi_ref, r))
    pi = []
    for t, (r_t, after_t) in enumerate(zip(r, after, strict=True)):
        Q = np.where(mdp.allowed[t], r_t, -np.inf) + after_t + _beta_log_ref(mdp, t)
        pi.append(_policy(mdp, t, Q, _value(mdp, t, Q)))
    return pi


def return_residual(mdp: TokenMDP, r: Levels, solution: Solution) -> np.ndarray:
    """R - V*(s_0) - sum_t beta log pi*/pi_ref of each trajectory, (N,): 0 without chance nodes."""
    explained = trajectory_sums(implicit_reward(mdp, solution.pi))
    return trajectory_sums(r) - solution.V[0][0] - explained


def environment_luck(mdp: TokenMDP, solution: Solution) -> np.ndarray:
    """sum over chance nodes of Q(s, o) - E Q(s, o), (N,): the luck of each trajectory.

    It is what `return_residual` leaves. If nothing is paid at chance nodes a term is V*(s') - E V*(s').
    """
    return trajectory_sums(
        [
            np.where(mdp.allowed[t] & mdp.chance[t][:, None], Q_t - V_t[:, None], 0.0)
            for t, (Q_t, V_t) in enumerate(zip(solution.Q, solution.V, strict=True))
        ]
    )


def _log(x: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(x, dtype=np.float64)


def _difference(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x - y, 0 where both are -inf."""
    return np.subtract(x, y, out=np.zeros(x.shape), where=~(np.isneginf(x) & np.isneginf(y)))


def _mean(p: np.ndarray, x: np.ndarray) -> np.ndarray:
    """sum_a p(a) x(a) over the last axis, leaving out the actions of probability 0."""
    return np.multiply(p, x, out=np.zeros(p.shape), where=p > 0).sum(axis=1)


def labelled(first: str, second: str, gap: float, random: Random) -> tuple[str, str]:
    """Chosen and rejected of two responses, drawn by eq. (1) for the return gap R(first) - R(second)."""
    return (first, second) if random.random() < preference(gap, 0.0) else (second, first)

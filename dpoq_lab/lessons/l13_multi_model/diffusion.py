"""Lemma 2 in a diffusion process on a few points: r and Q* determine each other, and where the start matters.

x_T, ..., x_0 move on n points. At step k = 0, ..., T-1 the state is (x, k) and the action the next point:
`pi_ref`, r and Q are (T, n, n), and R (n,) is paid for x_0. V* is 0 after the last step.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from dpoq_lab.theory.token_mdp import stream


@dataclass(frozen=True, eq=False)
class Walk:
    """Denoising on n points: the law of the start (n,), of each step (T, n, n), and beta."""

    start: np.ndarray
    pi_ref: np.ndarray
    beta: float


def discrete_diffusion(n: int = 7, steps: int = 3, beta: float = 0.5) -> Walk:
    """Points on [-1, 1]; a step moves to near points, the nearer to its end the less far."""
    x = np.linspace(-1, 1, n)
    apart = (x[:, None] - x[None]) ** 2
    logits = np.stack([-apart / (2 * width**2) for width in np.linspace(0.8, 0.4, steps)])
    start = np.exp(-(x**2))
    pi_ref = np.exp(logits - logsumexp(logits, axis=2, keepdims=True))
    return Walk(start / start.sum(), pi_ref, beta)


def q_from_r(walk: Walk, r: np.ndarray) -> np.ndarray:
    """Q*(x, x') = r + beta log pi_ref + V*(x') by backward induction, (T, n, n)."""
    Q, after = np.empty_like(walk.pi_ref), np.zeros(len(walk.start))
    for k in reversed(range(len(r))):
        Q[k] = r[k] + walk.beta * np.log(walk.pi_ref[k]) + after
        after = values(walk, Q[k])
    return Q


def r_from_q(walk: Walk, Q: np.ndarray) -> np.ndarray:
    """The one reward whose Q* is `Q`, (T, n, n)."""
    after = np.stack([*(values(walk, level) for level in Q[1:]), np.zeros(len(walk.start))])
    return Q - walk.beta * np.log(walk.pi_ref) - after[:, None, :]


def values(walk: Walk, Q: np.ndarray) -> np.ndarray:
    """V*(x) = beta log sum e^{Q/beta}, (n,)."""
    return walk.beta * logsumexp(Q / walk.beta, axis=-1)


def paid_at_the_end(walk: Walk, R: np.ndarray) -> np.ndarray:
    """R (n,) as a reward (T, n, n): nothing before the last step."""
    r = np.zeros_like(walk.pi_ref)
    r[-1] = R[None]
    return r


def unexplained(walk: Walk, R: np.ndarray, start_is_action: bool) -> np.ndarray:
    """R(x_0) less the sum of r_hat on each path, (n,) * (T + 1), axis 0 the start: V*(x_T) if the start is a
    state, and one number V* if it is the first action and has its own r_hat."""
    Q = q_from_r(walk, paid_at_the_end(walk, R))
    V = np.stack([values(walk, level) for level in Q])
    r_hat = Q - V[:, :, None] - walk.beta * np.log(walk.pi_ref)
    found = np.zeros(len(walk.start))
    if start_is_action:
        found = V[0] - walk.beta * logsumexp(V[0] / walk.beta, b=walk.start)
    for level in r_hat:
        found = found[..., None] + level
    return R - found


def random_values(walk: Walk, seed: int, *shape: int) -> np.ndarray:
    """Normal numbers of a shape, for R, r or Q."""
    return stream(seed, f"walk {shape}").standard_normal(shape)

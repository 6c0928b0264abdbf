"""DPO on the tree: minimise eq. (9) over one softmax logit per state and token, and say what it leaves open.

Population DPO sees every pair with its Bradley-Terry probability; sampled DPO sees n pairs with labels
that were drawn. Both are `Pairs` and are fitted by the same code. Prompts are the chance node at the
root of a tree from `join_prompts`. Shapes and order of the N trajectories as in `token_mdp`; M pairs.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg import null_space
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, log_softmax
from threadpoolctl import threadpool_limits

from dpoq_lab.theory.soft_bellman import preference
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, stream, trajectories

Reduction = Literal["sum", "mean", "sum without EOS"]


@dataclass(frozen=True, eq=False)
class Pairs:
    """M compared pairs of trajectories, all (M,).

    `first` and `second` index trajectories, `label` is the probability or the frequency of `first`
    being preferred, `weight` the share of the pair in the data; weights sum to 1.
    """

    first: np.ndarray
    second: np.ndarray
    label: np.ndarray
    weight: np.ndarray

    def keep(self, mask: np.ndarray) -> "Pairs":
        """The pairs where `mask` (M,) is True, their weights summing to 1 again."""
        weight = self.weight[mask]
        return Pairs(self.first[mask], self.second[mask], self.label[mask], weight / weight.sum())


def all_pairs(R: np.ndarray, p: np.ndarray | None = None) -> Pairs:
    """Every pair of distinct trajectories once, with the Bradley-Terry label of the returns `R` (N,).

    The weight of a pair is the product of its weights in `p` (N,), uniform if None; a trajectory of
    weight 0 is in no pair, which is the place of those that are disallowed.
    """
    p = np.ones(len(R)) if p is None else np.asarray(p, dtype=np.float64)
    first, second = np.triu_indices(len(R), k=1)
    pairs = Pairs(first, second, preference(R[first], R[second]), p[first] * p[second])
    return pairs.keep(pairs.weight > 0)


def sample_pairs(pairs: Pairs, n: int, seed: int) -> Pairs:
    """`n` pairs drawn by weight, each labelled by a draw from its label; equal pairs are counted together."""
    rng = stream(seed, "pairs")
    count = rng.multinomial(n, pairs.weight)
    wins = rng.binomial(count, pairs.label)
    seen = count > 0
    return Pairs(pairs.first[seen], pairs.second[seen], wins[seen] / count[seen], count[seen] / n)


def token_weights(mdp: TokenMDP, reduction: Reduction = "sum", cut: int | None = None) -> csr_array:
    """c(y; s, a), the weight of log pi(a|s)/pi_ref(a|s) in a trajectory's sum, (N, states * n_actions).

    'sum' is eq. (9); 'mean' divides by the number of tokens; 'sum without EOS' leaves the EOS term out.
    `cut` keeps only the first `cut` tokens, as a maximal length does: what is longer is not terminal.
    """
    if reduction not in ("sum", "mean", "sum without EOS"):
        raise ValueError(f"reduction {reduction!r}; expected 'sum', 'mean' or 'sum without EOS'")
    if cut is not None and cut < 1:
        raise ValueError(f"cut is {cut}; a response keeps at least one token")
    every = trajectories(mdp)
    offsets = np.cumsum([0, *(len(level) for level in mdp.pi_ref[:-1])])
    columns = (every.states + offsets) * mdp.n_actions + every.tokens  # (N, H)
    steps = np.arange(mdp.horizon)
    kept = steps < np.minimum(every.lengths, cut or mdp.horizon)[:, None]  # (N, H)
    weight = kept / kept.sum(axis=1, keepdims=True) if reduction == "mean" else kept.astype(np.float64)
    if reduction == "sum without EOS":
        weight[every.tokens == mdp.n_actions - 1] = 0
    nature = np.concatenate(mdp.chance)  # (states,)
    weight[(every.states >= 0) & nature[every.states + offsets]] = 0
    rows, step = np.nonzero(weight)
    return csr_array(
        (weight[rows, step], (rows, columns[rows, step])),
        shape=(mdp.n_trajectories, mdp.n_states * mdp.n_actions),
    )


@dataclass(frozen=True, eq=False)
class Fit:
    """The policy `pi` that DPO found, its final `loss` (9) in nats a pair, the largest absolute component
    of the `gradient` there, and the L-BFGS `iterations`."""

    pi: Levels
    loss: float
    gradient: float
    iterations: int


def fit_dpo(
    mdp: TokenMDP,
    pairs: Pairs,
    reduction: Reduction = "sum",
    cut: int | None = None,
    max_iterations: int = 5000,
) -> Fit:
    """Minimise eq. (9) on `pairs` by L-BFGS from pi_ref.

    Where the data are separable the minimum is at infinity, and the fit stops on a flat stretch or
    after `max_iterations`. Raises ValueError if a pair holds a disallowed trajectory.
    """
    C = token_weights(mdp, reduction, cut)
    C_T = C.T  # made once: this costs as much as a product
    pi_ref, allowed = np.concatenate(mdp.pi_ref), np.concatenate(mdp.allowed)  # (states, n_actions)
    _refuse_disallowed(C, allowed, pairs)
    log_ref = np.log(pi_ref, where=allowed, out=np.full(pi_ref.shape, -np.inf))

    def log_policy(theta: np.ndarray) -> np.ndarray:
        return log_softmax(np.where(allowed, theta.reshape(pi_ref.shape), -np.inf), axis=1)

    def loss_and_gradient(theta: np.ndarray) -> tuple[float, np.ndarray]:
        log_pi = log_policy(theta)
        ratio = np.subtract(log_pi, log_ref, where=allowed, out=np.zeros(pi_ref.shape))
        sums = mdp.beta * np.asarray(C @ ratio.ravel())  # (N,)
        margin = sums[pairs.first] - sums[pairs.second]  # (M,)
        # -label log sigma(m) - (1 - label) log sigma(-m)
        loss = np.logaddexp(0, -margin) + (1 - pairs.label) * margin
        slope = pairs.weight * (expit(margin) - pairs.label)
        by_trajectory = np.bincount(pairs.first, slope, len(sums)) - np.bincount(
            pairs.second, slope, len(sums)
        )
        by_log_pi = mdp.beta * (C_T @ by_trajectory).reshape(pi_ref.shape)
        gradient = by_log_pi - np.exp(log_pi) * by_log_pi.sum(axis=1, keepdims=True)
        return float(pairs.weight @ loss), gradient.ravel()

    start = np.where(allowed, log_ref, 0.0).ravel()
    options = {
        "maxiter": max_iterations,
        "maxfun": 4 * max_iterations,
        "ftol": 0,
        "gtol": 1e-12,
        "maxcor": 50,
    }
    with threadpool_limits(1):  # vectors this short are slower on several threads
        found = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B", options=options)
    return Fit(
        _levels(mdp, np.exp(log_policy(found.x))),
        float(found.fun),
        float(abs(found.jac).max()),
        int(found.nit),
    )


def _refuse_disallowed(C: csr_array, allowed: np.ndarray, pairs: Pairs) -> None:
    bad = (C @ (~allowed).ravel().astype(float)) > 0
    if (wrong := np.flatnonzero(bad[pairs.first] | bad[pairs.second])).size:
        raise ValueError(f"pair {wrong[0]} holds a trajectory with a disallowed action")


def undetermined(mdp: TokenMDP, pairs: Pairs, reduction: Reduction = "sum", cut: int | None = None) -> Levels:
    """Which pi(a|s) the pairs leave open, levels (n_t, n_actions) of bool.

    Fixing every margin of the pairs fixes pi(a|s) unless some direction in policy space moves it and no
    margin. The test is linear, at a generic policy, hence a property of which pairs there are, not of
    their labels; the cost is cubic in the number of tokens.
    """
    C = token_weights(mdp, reduction, cut)
    allowed = np.concatenate(mdp.allowed)  # (states, n_actions)
    _refuse_disallowed(C, allowed, pairs)
    free = allowed & ~np.concatenate(mdp.chance)[:, None]
    pi = np.random.default_rng(0).uniform(1, 2, free.shape) * free
    columns = np.flatnonzero(free)  # (P,)
    state = columns // mdp.n_actions
    pi = pi.ravel()[columns] / pi.sum(axis=1)[state]
    # d log pi(a|s) = d theta(s,a) - sum_b pi(b|s) d theta(s,b)
    tangent = np.eye(len(columns)) - (state[:, None] == state) * pi  # (P, P)
    moves = tangent @ null_space(_spanning_differences(C, pairs)[:, columns] @ tangent)
    open_ = np.zeros(free.size, dtype=bool)
    open_[columns] = (abs(moves) > 1e-8).any(axis=1)
    return _levels(mdp, open_.reshape(free.shape))


def _spanning_differences(C: csr_array, pairs: Pairs) -> csr_array:
    """Rows that span c(first) - c(second) over the pairs, at most one a trajectory."""
    n = len(C.indptr) - 1
    graph = csr_array((np.ones(len(pairs.first)), (pairs.first, pairs.second)), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    _, root = np.unique(component, return_index=True)
    return C - C[root[component]]


def _levels(mdp: TokenMDP, flat: np.ndarray) -> Levels:
    return np.split(flat, np.cumsum([len(level) for level in mdp.pi_ref[:-1]]))

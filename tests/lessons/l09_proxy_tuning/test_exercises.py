"""Right answers in another form are right, and the distance is a KL of whole replies."""

import numpy as np
import pytest
from scipy.special import log_softmax

from dpoq_lab.lessons.check import CORRECT, judge
from dpoq_lab.lessons.l09_proxy_tuning.exercises import EXERCISES, TREES, distance
from dpoq_lab.theory.soft_bellman import solve
from dpoq_lab.theory.token_mdp import random_reward, random_tree


def test_the_distance_by_recursion_from_the_leaves_is_right():
    """KL from a state on: its own, and that of each child, by the mixture's probability of going there."""

    def mine(base, proxy, ref, tuned, lam):
        def from_here(t, i):
            if t == len(base):
                return 0.0
            weight = base[t][i] * (proxy[t][i] / ref[t][i]) ** lam
            pi, n = weight / weight.sum(), len(weight)
            below = [from_here(t + 1, i * (n - 1) + a) for a in range(n - 1)] + [0.0]
            return float(
                sum(p * (np.log(p / q) + kl) for p, q, kl in zip(pi, tuned[t][i], below, strict=True))
            )

        return from_here(0, 0)

    assert judge(EXERCISES["09.3"], mine) == CORRECT


def test_a_mixture_from_powers_and_a_change_from_logits_are_right():
    def powers(log_base, log_proxy, log_ref, lam):
        weight = np.exp(log_base) * np.exp(log_proxy - log_ref) ** lam
        return list(weight / sum(weight))

    assert judge(EXERCISES["09.1"], powers) == CORRECT
    change = EXERCISES["09.2"]
    assert judge(change, lambda b, d, lam: log_softmax(b + lam * d) - b) == CORRECT


def test_the_smallest_case_has_one_state_and_the_last_no_symmetry():
    sizes = [sum(level.size for level in case[0]) for case in TREES]
    assert sizes == sorted(sizes)
    assert sizes[0] == 2
    base, proxy, ref, tuned, lam = TREES[-1]
    assert distance(base, proxy, ref, tuned, lam) != pytest.approx(
        distance(base, proxy, ref, tuned, 1), rel=0.1
    )


def test_on_its_own_reference_at_lambda_1_the_mixture_is_the_proxy():
    mdp = random_tree(3, 3, 0.5, 4)
    proxy = solve(mdp, random_reward(mdp, 9)).pi
    assert distance(mdp.pi_ref, proxy, mdp.pi_ref, proxy, 1.0) == pytest.approx(0, abs=1e-12)
    assert distance(mdp.pi_ref, proxy, mdp.pi_ref, mdp.pi_ref, 0.0) == pytest.approx(0, abs=1e-12)

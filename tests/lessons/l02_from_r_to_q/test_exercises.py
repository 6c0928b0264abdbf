"""Lesson 02's exercises: a right answer in another form, and what a student is shown for a wrong one."""

import numpy as np

from dpoq_lab.lessons.check import CORRECT, OTHER, judge
from dpoq_lab.lessons.l02_from_r_to_q.exercises import EXERCISES


def by_recursion(logits, pi_ref, beta):
    """One state after another, from the root down, V by log-sum-exp of its own children."""
    r = [np.zeros_like(level) for level in logits]

    def V(t, i):
        top = logits[t][i].max()
        return beta * top + beta * np.log(sum(np.exp(x - top) for x in logits[t][i]))

    for t, level in enumerate(logits):
        n_actions = level.shape[1]
        for i in range(len(level)):
            for a in range(n_actions):
                r[t][i, a] = beta * (level[i, a] - np.log(pi_ref[t][i, a]))
                if a < n_actions - 1 and t + 1 < len(logits):
                    r[t][i, a] -= V(t + 1, i * (n_actions - 1) + a)
    return r


def test_the_way_back_state_by_state_is_correct():
    assert judge(EXERCISES["02.2"], by_recursion) == CORRECT


def test_a_mistake_that_is_not_listed_is_shown_on_the_smallest_tree():
    def squared(logits, pi_ref, beta):
        return [level**2 for level in by_recursion(logits, pi_ref, beta)]

    verdict = judge(EXERCISES["02.2"], squared).splitlines()
    assert verdict[0] == OTHER
    assert verdict[1].strip().startswith("logits = [[[2.0, 1.0]], [[0.0, 1.0]]], pi_ref = [[[0.6, 0.4]]")


def test_children_in_another_order_are_shown_on_a_tree_that_can_be_read_in_full():
    [wrong] = [f for message, f in EXERCISES["02.2"].mistakes if "another order" in message]
    _, case, compared = judge(EXERCISES["02.2"], wrong).splitlines()
    assert case.count("[[3.0, 0.0, 1.0], [3.0, 0.0, 1.0]]") == 1
    assert "\u2026" not in case + compared


def test_a_return_that_is_not_summed_is_told_to_be_summed():
    verdict = judge(
        EXERCISES["02.5"], lambda V_0, log_pi, log_pi_ref, beta: V_0 + beta * (log_pi - log_pi_ref)
    )
    assert "sum over the tokens" in verdict


def test_the_obvious_sign_slips_are_named():
    for slip in ([0.5, 0.7, 0.2, 1.4], [0.5, 0.3, 0.2, 0.0], [0.5, -0.3, -0.2, 0.0], [-0.5, 0.5, 0.2, 0.2]):
        assert judge(EXERCISES["02.3"], slip) != OTHER

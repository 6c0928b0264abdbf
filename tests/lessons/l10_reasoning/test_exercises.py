"""Right answers in another form are right."""

from itertools import product

import numpy as np

from dpoq_lab.lessons.check import CORRECT, judge
from dpoq_lab.lessons.l10_reasoning.exercises import EXERCISES


def test_the_outlook_by_summing_over_all_ways_to_go_on():
    def by_enumeration(wrong, slip, repair, beta):
        states, found = [0, *wrong], []
        for t, state in enumerate(states):
            total = 0.0
            for rest in product((0, 1), repeat=len(wrong) - t):
                p, now = 1.0, state
                for then in rest:
                    to_wrong = 1 - repair if now else slip
                    p, now = p * (to_wrong if then else 1 - to_wrong), then
                total += p * np.exp((-1 if now else 1) / beta)
            found.append(beta * np.log(total))
        return found

    assert judge(EXERCISES["10.1"], by_enumeration) == CORRECT


def test_the_share_in_arrays():
    def in_arrays(credit, wrong, law):
        ends = wrong[:, -1] == 1
        trailing = np.cumprod(wrong[:, ::-1], axis=1).sum(axis=1)  # how long it has been wrong at the end
        hit = credit.argmin(axis=1) == wrong.shape[1] - trailing
        return (law * hit)[ends].sum() / law[ends].sum()

    assert judge(EXERCISES["10.2"], in_arrays) == CORRECT


def test_the_step_by_a_loop():
    def by_loop(right, tries):
        best = 0
        for t in range(len(right) - 1):
            if right[t] - right[t + 1] > right[best] - right[best + 1]:
                best = t
        return best

    assert judge(EXERCISES["10.4"], by_loop) == CORRECT

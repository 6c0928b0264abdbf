"""Lesson 07's exercises: right answers of another form are right, and the beam is a beam."""

import heapq

import numpy as np

from dpoq_lab.lessons.check import CORRECT, judge
from dpoq_lab.lessons.l07_search.exercises import BEAMS, EXERCISES, beam, gains
from dpoq_lab.search.beams import beam_search
from dpoq_lab.search.scorers import TabularScorer
from dpoq_lab.theory.search_values import up_to_here, value_objective
from dpoq_lab.theory.soft_bellman import log_probs, solve, trajectory_log_probs
from dpoq_lab.theory.token_mdp import random_reward, random_tree


def test_a_beam_by_a_dictionary_and_a_heap():
    def by_heap(log_pi, width):
        eos = log_pi[0].shape[1] - 1
        held = {(): 0.0}
        for level in log_pi:
            grown = {}
            for tokens, total in held.items():
                if eos in tokens:
                    grown[tokens] = total
                    continue
                state = 0
                for token in tokens:
                    state = state * eos + token
                grown |= {(*tokens, a): total + level[state][a] for a in range(eos + 1)}
            held = dict(heapq.nlargest(width, grown.items(), key=lambda item: item[1]))
        return [[list(tokens), total] for tokens, total in held.items()]

    assert judge(EXERCISES["07.2"], by_heap) == CORRECT


def test_gains_as_differences_of_equation_12():
    def by_differences(r, log_pi_ref, V, beta):
        paid = up_to_here([x + beta * y for x, y in zip(r, log_pi_ref, strict=True)])
        found = []
        for t, level in enumerate(paid):
            objective = level.copy()
            if t + 1 < len(paid):
                objective[:, :-1] += V[t + 1].reshape(len(level), -1)
            found.append(objective)
        before = [np.zeros(1), *(level[:, :-1].ravel() for level in found[:-1])]
        return [level - start[:, None] for level, start in zip(found, before, strict=True)]

    assert judge(EXERCISES["07.3"], by_differences) == CORRECT


def test_the_cases_tell_a_beam_from_an_exhaustive_search():
    missed = [beam(steps, width)[0] != beam(steps, 10**6)[0] for steps, width in BEAMS]
    assert sum(missed) >= 2


def test_wide_it_is_exact_and_at_width_1_it_is_greedy():
    for seed in range(10):
        mdp = random_tree(4, 4, 0.7, seed)
        pi = solve(mdp, random_reward(mdp, seed)).pi
        assert abs(beam(log_probs(pi), 10**6)[0][1] - trajectory_log_probs(pi).max()) < 1e-9
        greedy = beam_search(TabularScorer(mdp, pi), (), 1, 4, length_penalty=0.0).hypotheses[0]
        assert beam(log_probs(pi), 1)[0][0] == greedy.tokens


def test_the_gains_add_up_to_equation_12():
    mdp = random_tree(4, 3, 0.7, 0)
    r = random_reward(mdp, 1)
    V = [level + 1.0 for level in solve(mdp, r).V]
    expected = value_objective(mdp, r, V)
    for a, b in zip(up_to_here(gains(r, log_probs(mdp.pi_ref), V, mdp.beta)), expected, strict=True):
        assert abs(a - b).max() < 1e-12

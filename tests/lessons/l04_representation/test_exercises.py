"""Lesson 04's exercises: right answers of another shape, pairs given by hand, what a wrong answer is told."""

import numpy as np
import pytest

from dpoq_lab.lessons.check import CORRECT, judge
from dpoq_lab.lessons.l04_representation.data import open_states
from dpoq_lab.lessons.l04_representation.exercises import EXERCISES, PAIRS, check, link
from dpoq_lab.theory.example_trees import polite_tree
from dpoq_lab.theory.soft_bellman import implicit_reward, shape, solve
from dpoq_lab.theory.token_mdp import TokenMDP, largest, uniform_tree


def by_values(r, r_other):
    """V of one reward less V of the other, under any reference; then see whether that Phi does it."""
    mdp = TokenMDP(uniform_tree(r[0].shape[1], len(r), 1.0).pi_ref, 0.7)
    first, second = (solve(mdp, x).V for x in (r, r_other))
    phi = [a - b for a, b in zip(first, second, strict=True)]
    return phi if largest(shape(mdp, r, phi), r_other) < 1e-6 else []


def from_the_ends(r, r_other):
    """Phi(s) = r - r' + Phi(s') must be the same for all tokens of a state, from the ends, where it is 0."""
    phi = []
    for before, after in zip(reversed(r), reversed(r_other), strict=True):
        back = before - after
        if phi:
            back[:, :-1] += phi[0].reshape(len(back), -1)
        if np.ptp(back, axis=1).max() > 1e-6:
            return []
        phi.insert(0, back.mean(axis=1))
    return phi


@pytest.mark.parametrize("answer", [by_values, from_the_ends])
def test_the_link_found_in_another_way_is_correct(answer):
    assert judge(EXERCISES["04.3"], answer) == CORRECT


def test_the_link_from_r_to_its_advantage_is_its_value():
    mdp, r = polite_tree()
    solution = solve(mdp, r)
    assert largest(link(r, implicit_reward(mdp, solution.pi)), solution.V) < 1e-12
    assert link(r, [-level for level in r]) == []


def test_a_wrong_link_shows_the_smallest_failing_case():
    verdict = judge(EXERCISES["04.3"], lambda r, s: link(s, r))
    assert verdict.splitlines()[1:] == [
        "  r = [[[1.0, 0.0]]], r_other = [[[3.0, 2.0]]]:",
        "  yours [[2.0]], expected [[-2.0]]",
    ]


@pytest.mark.parametrize(
    ("pairs", "left_open"),
    [
        (PAIRS, ["s_0"]),
        (PAIRS[:2], ["s_0", "no"]),
        (PAIRS[2:], ["s_0", "thanks"]),
        ([("no EOS", "EOS")], ["s_0", "thanks", "no"]),
        ([*PAIRS, ("thanks no", "no no"), ("no no", "eos")], []),
        # linked through a reply that begins otherwise
        ([("thanks thanks", "EOS"), ("thanks no", "EOS"), ("thanks EOS", "EOS")], ["s_0", "no"]),
    ],
)
def test_what_pairs_leave_open(pairs, left_open):
    assert open_states(pairs) == left_open


def test_pairs_are_judged_by_what_they_leave_open(capsys):
    mine = [
        ["thanks no", "thanks EOS"],
        ["thanks no", "thanks thanks"],
        ["no no", "no <EOS>"],
        ["no EOS", "no thanks"],
    ]
    assert check("04.5", mine) is mine
    assert capsys.readouterr().out == f"Exercise 04.5: {CORRECT}\n"
    assert check("04.5", PAIRS[:2]) is PAIRS
    said = capsys.readouterr().out
    assert "after 'no' it is open too" in said
    assert "determine what is said at thanks\n  your pairs leave open what is said at no\n" in said


@pytest.mark.parametrize("pairs", [[], [("thanks", "no no")], ["thanks no"], "thanks", 3, [("no no",)]])
def test_what_is_no_pair_is_told_with_the_replies_that_there_are(pairs, capsys):
    assert check("04.5", pairs) is PAIRS
    said = capsys.readouterr().out
    assert said.startswith("Exercise 04.5: not correct: ")
    assert "'thanks no'" in said

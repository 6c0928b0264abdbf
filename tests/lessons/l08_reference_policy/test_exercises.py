"""Right answers in another form are right; what a student sees of wrong ones."""

import numpy as np

from dpoq_lab.lessons.check import CORRECT, judge
from dpoq_lab.lessons.l08_reference_policy.exercises import EXERCISES, LOGGED, diagnosis
from dpoq_lab.lessons.study import stored_record


def test_a_diagnosis_of_arrays_and_one_chain_of_conditions_is_right():
    def mine(r_hat_w, r_hat_l, beta, kl, words_apart):
        nats = np.array([r_hat_w, r_hat_l]) / beta
        found = {
            "rate too high": any(value > 6 for value in kl),
            "no signal": nats[0, -1] < nats[1, -1] + 0.5,
            "like pairs": words_apart <= 1.5 and nats[0, -1] < nats[0].max() - 0.5,
            "no room": np.sign(nats[0, -1]) == -1,
        }
        return next((cause for cause, here in found.items() if here), "healthy")

    assert judge(EXERCISES["08.3"], mine) == CORRECT


def test_the_means_from_two_equations_are_right():
    """chosen + rejected = -2 beta KL, chosen - rejected = margin."""

    def mine(kl_ref_pi, margin, beta):
        return np.linalg.solve([[1, 1], [1, -1]], [-2 * beta * kl_ref_pi, margin])

    assert judge(EXERCISES["08.2"], mine) == CORRECT


def test_every_diagnosis_is_asked_for_and_the_first_cases_fit_on_a_line():
    told = [diagnosis(*case) for case in LOGGED]
    assert set(told) == {"healthy", "no room", "like pairs", "no signal", "rate too high"}
    assert all(len(str(case)) < 100 for case in LOGGED)


def test_no_mark_can_be_left_out():
    """Each way to go wrong in the table changes the answer of some case."""
    names = [message for message, _ in EXERCISES["08.3"].mistakes]
    assert len(names) >= 5
    for _, wrong in EXERCISES["08.3"].mistakes:
        assert [wrong(*case) for case in LOGGED] != [diagnosis(*case) for case in LOGGED]


def test_the_stored_runs_are_diagnosed_by_their_causes():
    runs = stored_record("diagnosis", "diagnosis")["runs"]
    for cause, found in runs.items():
        for run in found:
            r_hats = ([0.1 * value for value in run[role]] for role in ("chosen", "rejected"))
            assert diagnosis(*r_hats, 0.1, run["kl"], run["words_apart"]) == cause

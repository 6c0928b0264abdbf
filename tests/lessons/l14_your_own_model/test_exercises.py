"""Right answers in another form are right; the solutions agree with the package."""

import math

import numpy as np
import pytest

from dpoq_lab.lessons.check import CORRECT, OTHER, judge
from dpoq_lab.lessons.l14_your_own_model.exercises import EXERCISES, k_of, step_0, verdict
from dpoq_lab.lessons.l14_your_own_model.stored import LETTERS, stored_runs
from dpoq_lab.runs.diagnosis import diagnose
from dpoq_lab.runs.facts import log_facts
from dpoq_lab.runs.logs import Log


def as_replies(run):
    """The chosen replies of a run, as the lesson reads them."""
    names = ("logp_policy", "logp_reference", "kl_ref_pi", "kl_pi_ref")
    return [{name: getattr(row.sides[0], name) for name in names} for row in run.rows]


def test_k_by_means_is_right():
    def mine(replies):
        ratio = np.mean([np.subtract(r["logp_policy"], r["logp_reference"]).sum() for r in replies])
        return -ratio / np.mean([np.sum(r["kl_ref_pi"]) for r in replies])

    assert judge(EXERCISES["14.1"], mine) == CORRECT


@pytest.mark.parametrize("letter", LETTERS)
def test_k_is_that_of_the_package(letter):
    run = stored_runs()[letter]
    assert k_of(as_replies(run)) == pytest.approx(run.facts["k"], abs=1e-9)


def test_a_start_that_is_tested_with_one_expression_is_right():
    def mine(records, beta):
        first = records[0]
        off = abs(first["loss"] - math.log(2)) > 0.03
        off |= max(abs(first["chosen"]), abs(first["rejected"])) > 0.5 * beta
        return ["ok", "off"][off] if first["step"] <= 1 else "Can't tell"

    assert judge(EXERCISES["14.2"], mine) == CORRECT


@pytest.mark.parametrize("case", EXERCISES["14.2"].cases)
def test_the_start_is_off_where_the_package_finds_a_mismatch(case):
    records, beta = case
    found = diagnose(log_facts(Log(list(records), None), beta)).findings
    says = any(finding.kind == "scoring mismatch" for finding in found)
    if abs(records[0]["loss"] - math.log(2)) > 0.03 and records[0]["loss"] < math.log(2):
        return  # a loss below ln 2 with both sides at 0 is no mismatch that the package names
    assert says == (step_0(records, beta) == "off")


def test_a_verdict_from_a_list_of_tests_is_right():
    tests = [
        ("mismatch", ["start"], lambda s: s == "off"),
        ("data", ["reference_prefers_chosen"], lambda p: p <= 0.35),
        ("pressure", ["chosen_end", "chosen_logged"], lambda end, of: end <= 0.25 * of),
        ("expected", ["chosen", "chosen_se", "k"], lambda x, se, k: x + 2 * se < 0 and abs(k - 1.05) < 0.55),
        ("healthy", ["accuracy_end", "loss_end"], lambda a, loss: a >= 0.6 and loss <= 0.675),
    ]

    def mine(facts):
        for name, needs, test in tests:
            if all(fact in facts for fact in needs) and test(*(facts[fact] for fact in needs)):
                return name
        return "can't tell"

    assert judge(EXERCISES["14.3"], mine) == CORRECT


def test_a_verdict_that_reads_a_missing_fact_says_which():
    def mine(facts):
        return "mismatch" if facts["start"] == "off" else verdict(facts)

    assert judge(EXERCISES["14.3"], mine).startswith("not correct: it stopped with KeyError: 'start'")


def test_a_verdict_from_the_sign_of_the_chosen_reward_is_refused():
    found = judge(EXERCISES["14.3"], lambda f: "pressure" if f.get("chosen", 0) < 0 else "healthy")
    assert found.startswith(OTHER)


def test_k_is_1_for_replies_of_the_reference():
    """All nine replies of two tokens, equally likely under the reference: the law is pi_ref itself."""
    draw = np.random.default_rng(3)
    log_ref = np.log(np.full((4, 3), 1 / 3))  # a row a state: the start, and after each word
    log_pi = np.log(draw.dirichlet(np.ones(3), 4))
    kl = (np.exp(log_ref) * (log_ref - log_pi)).sum(axis=1)
    replies = [
        {
            "logp_policy": [log_pi[0, a], log_pi[1 + a, b]],
            "logp_reference": [log_ref[0, a], log_ref[1 + a, b]],
            "kl_ref_pi": [kl[0], kl[1 + a]],
        }
        for a in range(3)
        for b in range(3)
    ]
    assert k_of(replies) == pytest.approx(1, abs=1e-12)
    assert abs(k_of(replies[:4]) - 1) > 0.05  # another law

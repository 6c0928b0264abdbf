"""The exercises of lesson 14: solutions, cases, and the mistakes that are named."""

import math
from collections.abc import Sequence

import numpy as np

from dpoq_lab.lessons.check import Case, Exercise, checker

LN2 = math.log(2)
Reply = dict[str, list[float]]  # of a line of tokens.jsonl: numbers by token, nats
Facts = dict[str, float]


def k_of(replies: Sequence[Reply]) -> float:
    """The summed log-ratio of all replies over minus their summed KL(pi_ref || pi)."""
    moved = sum(sum(reply["logp_policy"]) - sum(reply["logp_reference"]) for reply in replies)
    return moved / -sum(sum(reply["kl_ref_pi"]) for reply in replies)


def step_0(records: Sequence[dict[str, float]], beta: float) -> str:
    """Whether policy and reference are one before the first update: "ok", "off", or "can't tell"."""
    return _step_0(records, beta)


def _step_0(
    records: Sequence[dict[str, float]],
    beta: float,
    abstain: bool = True,
    sides: Sequence[str] = ("chosen", "rejected"),
    loss: bool = True,
    size: bool = True,
) -> str:
    first = records[0]
    if abstain and first["step"] > 1:
        return "can't tell"
    moved = [first[side] / beta for side in sides]
    far = [abs(x) if size else x for x in moved]
    wrong = loss and abs(first["loss"] - LN2) > 0.03
    return "off" if wrong or max(far, default=0.0) > 0.5 else "ok"


TESTS = {  # of exercise 14.3, in the right order
    "mismatch": lambda f: f["start"] == "off",
    "data": lambda f: f["reference_prefers_chosen"] <= 0.35,
    "pressure": lambda f: f["chosen_end"] / f["chosen_logged"] >= 0.25,
    "expected": lambda f: f["chosen"] < -2 * f["chosen_se"] and 0.5 < f["k"] < 1.6,
    "healthy": lambda f: f["accuracy_end"] >= 0.6 and f["loss_end"] <= 0.675,
}
NEEDS = {
    "mismatch": ("start",),
    "data": ("reference_prefers_chosen",),
    "pressure": ("chosen_end", "chosen_logged"),
    "expected": ("chosen", "chosen_se", "k"),
    "healthy": ("accuracy_end", "loss_end"),
}


def verdict(facts: Facts) -> str:
    """The first test of `TESTS` that has its facts and speaks; else "can't tell"."""
    return _verdict(facts, TESTS)


def _verdict(
    facts: Facts, order: Sequence[str] | dict, otherwise: str = "can't tell", lacking: str = ""
) -> str:
    for name in order:
        if all(fact in facts for fact in NEEDS[name]):
            if TESTS[name](facts):
                return name
        elif lacking:
            return lacking
    return otherwise


def _reply(moved: Sequence[float], kl: Sequence[float], reverse: Sequence[float]) -> Reply:
    """A reply whose tokens moved so, under a reference that gave each of them -2 nats."""
    return {
        "logp_policy": [-2.0 + x for x in moved],
        "logp_reference": [-2.0 for _ in moved],
        "kl_ref_pi": list(kl),
        "kl_pi_ref": list(reverse),
    }


ONE = _reply([-0.5], [0.25], [0.75])
REPLIES: list[Case] = [
    ([ONE],),
    ([_reply([-0.4, -0.3], [0.2, 0.3], [0.4, 0.9]), _reply([-0.1], [0.5], [0.2])],),
    ([_reply([0.6, -0.1, -0.2], [0.1, 0.2, 0.1], [0.3, 0.1, 0.1]), _reply([0.3], [0.1], [0.4]), ONE],),
]


def _record(step: float, loss: float, chosen: float, rejected: float) -> dict[str, float]:
    return {"step": step, "loss": loss, "chosen": chosen, "rejected": rejected}


LATER = _record(2, 0.61, -0.9, -1.6)
RECORDS: list[Case] = [
    ([_record(1, LN2, 0.0, 0.0), LATER], 0.1),
    ([_record(1, 0.71, 0.15, 0.13), LATER], 0.1),  # in nats 1.5 and 1.3
    ([_record(1, 0.70, -0.02, -0.03), LATER], 0.01),  # the same kind, with another beta
    ([_record(1, 0.69, 0.01, 0.09), LATER], 0.1),
    ([_record(1, 0.60, 0.02, -0.01), LATER], 0.1),
    ([_record(1, 0.69, 0.6, 0.62), LATER], 1.0),
    ([_record(1, 0.70, -0.08, 0.01), LATER], 0.1),
    ([_record(0, 0.694, 0.2, 0.2), LATER], 0.5),
    ([_record(10, 0.66, -0.4, -0.6), _record(20, 0.5, -1.0, -2.0)], 0.1),
    ([_record(10, 0.69, 0.01, 0.0), _record(20, 0.68, 0.0, -0.03)], 0.1),
]

_HEALTHY = {"accuracy_end": 0.9, "loss_end": 0.5}
_FELL = {"chosen": -3.0, "chosen_se": 0.5, "k": 1.1, "chosen_end": -3.0, "chosen_logged": -60.0}
FACTS: list[Case] = [
    ({"start": "ok", "reference_prefers_chosen": 0.8} | _FELL | _HEALTHY,),
    ({"start": "ok", "reference_prefers_chosen": 0.8} | _FELL | _HEALTHY | {"chosen": 2.0, "k": -0.7},),
    ({"start": "off", "reference_prefers_chosen": 0.8} | _FELL | _HEALTHY,),
    ({"start": "off", "reference_prefers_chosen": 0.2} | _FELL | _HEALTHY | {"chosen_end": -30.0},),
    ({"start": "ok", "reference_prefers_chosen": 0.2} | _FELL | _HEALTHY | {"chosen_end": -30.0},),
    ({"start": "ok", "reference_prefers_chosen": 0.7} | _FELL | _HEALTHY | {"chosen_end": -30.0},),
    ({"start": "can't tell", "reference_prefers_chosen": 0.7} | _FELL | _HEALTHY,),
    ({"start": "can't tell"} | _HEALTHY,),
    ({"start": "ok", "accuracy_end": 0.5, "loss_end": 0.7},),
    ({"reference_prefers_chosen": 0.5} | _FELL | {"accuracy_end": 0.55, "loss_end": 0.69, "k": 3.0},),
]

_FAULTS_LAST = ("expected", "healthy", "mismatch", "data", "pressure")

EXERCISES = {
    "14.1": Exercise(
        k_of,
        REPLIES,
        [
            (
                "the minus sign is missing: a fall is expected, so k is a fall over a fall.",
                lambda r: -k_of(r),
            ),
            (
                "that is the mean of each reply's own k; sum over all replies first, then divide.",
                lambda r: float(np.mean([k_of([one]) for one in r])),
            ),
            (
                "that is the other KL, of pi to pi_ref; replies are compared with what pi_ref would write.",
                lambda r: k_of([one | {"kl_ref_pi": one["kl_pi_ref"]} for one in r]),
            ),
            (
                "that is the log-ratio alone; divide it by minus the summed KL.",
                lambda r: -k_of(r) * sum(sum(one["kl_ref_pi"]) for one in r),
            ),
            ("upside down: the log-ratio stands above.", lambda r: 1 / k_of(r)),
            (
                "only log pi is summed; the log-ratio is log pi less log pi_ref.",
                lambda r: k_of([one | {"logp_reference": [0.0]} for one in r]),
            ),
            ("only the last reply counts; sum over all of them.", lambda r: k_of(r[-1:])),
        ],
    ),
    "14.2": Exercise(
        step_0,
        RECORDS,
        [
            (
                "a first record of a later step says nothing of the start: abstain.",
                lambda records, beta: _step_0(records, beta, abstain=False),
            ),
            (
                "the log has r_hat: divide it by beta to have nats.",
                lambda records, beta: _step_0(records, 1.0),
            ),
            (
                "the loss alone does not see two sides that move alike: ask both of them too.",
                lambda records, beta: _step_0(records, beta, sides=()),
            ),
            (
                "the rejected reply must be at 0 as well.",
                lambda records, beta: _step_0(records, beta, sides=("chosen",)),
            ),
            (
                "the chosen reply must be at 0 as well.",
                lambda records, beta: _step_0(records, beta, sides=("rejected",)),
            ),
            (
                "the loss is not asked: it must be ln 2.",
                lambda records, beta: _step_0(records, beta, loss=False),
            ),
            (
                "below 0 is off too: take the size.",
                lambda records, beta: _step_0(records, beta, size=False),
            ),
            (
                "ok and off are exchanged.",
                lambda records, beta: {"ok": "off", "off": "ok"}.get(step_0(records, beta), "can't tell"),
            ),
        ],
    ),
    "14.3": Exercise(
        verdict,
        FACTS,
        [
            (
                "a fault comes first: it silences what calls the run expected or healthy.",
                lambda f: _verdict(f, _FAULTS_LAST),
            ),
            (
                "healthy is asked too early: a run that falls as expected is named by its cause.",
                lambda f: _verdict(f, ("mismatch", "data", "pressure", "healthy", "expected")),
            ),
            (
                "step 0 comes first: where two scorings do not match, no later number can be read.",
                lambda f: _verdict(f, ("data", "pressure", "mismatch", "expected", "healthy")),
            ),
            (
                "the labels come before the pressure: of flipped labels a fall is a consequence.",
                lambda f: _verdict(f, ("mismatch", "pressure", "data", "expected", "healthy")),
            ),
            (
                "where no test speaks the answer is can't tell, not healthy.",
                lambda f: _verdict(f, TESTS, otherwise="healthy"),
            ),
            (
                "a test whose facts are missing is passed over; the others may still speak.",
                lambda f: _verdict(f, TESTS, lacking="can't tell"),
            ),
            (
                "a start that cannot be told is no mismatch: ask for off.",
                lambda f: verdict(f | ({"start": "off"} if f.get("start") == "can't tell" else {})),
            ),
        ],
    ),
}

check = checker(EXERCISES)

"""Why a DPO run looks as it does: the known causes that its facts speak for.

A cause says nothing where a fact that it needs is missing; where no cause speaks, the answer is "can't tell".
"""

from dataclasses import dataclass

from dpoq_lab.runs.causes import CAUSES
from dpoq_lab.runs.facts import Facts


@dataclass(frozen=True)
class Finding:
    """What is at work: `sure` is "clear" or "likely", `because` the evidence with its numbers."""

    cause: str
    kind: str
    sure: str
    because: str
    fix: str
    lesson: str


@dataclass(frozen=True)
class Diagnosis:
    """The findings, the weightiest first, and what else would have to be known."""

    findings: list[Finding]
    facts: Facts
    missing: list[str]

    @property
    def verdict(self) -> str:
        """The cause that comes first, or "can't tell": a caution is no verdict."""
        return next((f.cause for f in self.findings if f.kind != "caution"), "can't tell")


# What the pairs say of the end of a run where no curve does.
AS_CURVES = {
    "chosen_end": "chosen",
    "rejected_end": "rejected",
    "accuracy_end": "ranked_right",
    "loss_end": "loss",
    "chosen_logged": "chosen_rescored",
}


def diagnose(facts: Facts) -> Diagnosis:
    """Every cause whose test speaks, faults first: they silence what calls the run healthy; cautions last."""
    facts = {name: facts[of] for name, of in AS_CURVES.items() if of in facts} | facts
    findings, missing = [], []
    for cause in CAUSES:
        if lacking := [name for name in cause.needs if name not in facts]:
            if cause.kind != "caution":
                missing.append(f"{cause.name}: needs {', '.join(lacking)}")
            continue
        if found := cause.test(facts):
            findings.append(Finding(cause.name, cause.kind, *found, cause.fix, cause.lesson))
    cautions = [f for f in findings if f.kind == "caution"]
    well = [f for f in findings if f.kind in ("expected", "healthy")]
    faults = [f for f in findings if f not in well + cautions]
    return Diagnosis((faults or well) + cautions, facts, missing)

"""Lesson 10's picture: the outlook of one chain, a cliff if nothing is mended, a slope if much is."""

import numpy as np

from dpoq_lab.lessons.l10_reasoning.figures import outlook_figure
from dpoq_lab.lessons.l10_reasoning.theory import broke_for_good, chains, credit, outlook, share_found
from dpoq_lab.views.figures import Figure

REPAIRS = (0.02, 0.05, 0.1, 0.2, 0.3)
ALT = "A staircase: the outlook before each of three steps of a chain that breaks; below it A* of each step"


def frames() -> list[Figure]:
    """The chain that breaks at its first step, by how often pi_ref mends a wrong one."""
    return [chain_figure(repair, (1, 1, 1)) for repair in REPAIRS]


def chain_figure(repair: float, steps: tuple[int, ...], slip: float = 0.1) -> Figure:
    """The outlook and the credit of a chain, 1 for wrong after a step."""
    values, (A, law) = outlook(repair, slip), credit(repair, slip)
    row = int(np.flatnonzero((chains() == steps).all(axis=1))[0])
    blamed, broke = int(A[row].argmin()) + 1, int(broke_for_good()[row]) + 1
    where = f"broken at step {broke}, blamed at step {blamed}" if broke else "it ends right"
    share = f"the breaking step is blamed in {share_found(A, law):.2f} of all chains that end wrong"
    reading = f"Repair {repair:.2f}: {where}; {share}."
    names = [f"step {k + 1}" for k in range(len(steps))]
    return outlook_figure(
        names, [bool(s) for s in steps], values[row], {"A*": A[row]}, (-1.1, 1.1), ALT, reading
    )

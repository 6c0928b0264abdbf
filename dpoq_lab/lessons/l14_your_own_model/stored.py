"""The four stored runs as a user has them: a trainer's log, and training pairs scored token by token."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from dpoq_lab.paths import data_folder
from dpoq_lab.preferences import SIDES
from dpoq_lab.runs.facts import Facts, log_facts
from dpoq_lab.runs.logs import Log, read_log
from dpoq_lab.runs.token_file import ScoredRow, read_rows

LETTERS = ("A", "B", "C", "D")


@dataclass(frozen=True)
class StoredRun:
    """A run: its folder, its log, the summary of its scored pairs, and the pairs."""

    letter: str
    folder: Path
    log: Log
    summary: dict
    rows: list[ScoredRow]

    @property
    def beta(self) -> float:
        """What the log's rewards are to be divided by."""
        return self.summary["beta"]

    @property
    def facts(self) -> Facts:
        """What log and pairs say together."""
        return self.summary["facts"] | log_facts(self.log, self.beta)


def runs_folder() -> Path:
    """Where the four runs and their start lie."""
    return data_folder() / "runs" / "your-own-model"


@cache
def stored_runs() -> dict[str, StoredRun]:
    """The runs by letter."""
    return {letter: read_run(runs_folder() / letter) for letter in LETTERS}


def read_run(folder: Path) -> StoredRun:
    """A run's folder with `inspected` in it."""
    inspected = folder / "inspected"
    summary = json.loads((inspected / "summary.json").read_text(encoding="utf-8"))
    with (inspected / "tokens.jsonl").open(encoding="utf-8") as stream:
        rows = list(read_rows(stream))
    return StoredRun(folder.name, folder, read_log(folder), summary, rows)


def run_path(log: Log, beta: float, groups: int) -> list[tuple[float, float]]:
    """Changes of log pi of chosen and rejected, nats a reply, from the log: the first step, then means."""
    changes = np.array([[record[side] / beta for side in SIDES] for record in log.records])
    parts = np.array_split(changes[1:], min(groups, len(changes) - 1))
    return [tuple(changes[0]), *(tuple(part.mean(axis=0)) for part in parts)]


def fallen(runs: Sequence[StoredRun]) -> list[str]:
    """The letters of those whose chosen replies end less likely than they began."""
    return [run.letter for run in runs if run.facts["chosen_end"] < 0]

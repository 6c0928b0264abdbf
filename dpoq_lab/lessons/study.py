"""How a study is run and kept: over seeds, at a preset's size, and as a record with its provenance.

Every study of the course is one `Study`; `dpoq-lab study NAME --out DIR` runs it.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpoq_lab.paths import data_folder
from dpoq_lab.provenance import provenance
from dpoq_lab.records import write_json


@dataclass(frozen=True)
class Study:
    """A measurement that a lesson quotes.

    `measure(size, seeds, out)` returns its record and the table that people read; it may keep models in
    `out`. `sizes` has one size a preset.
    """

    about: str
    measure: Callable[[Any, int, Path], tuple[dict, str]]
    sizes: dict[str, Any]


def run_study(study: Study, name: str, out: Path, seeds: int = 5, preset: str = "laptop") -> str:
    """Measure over `seeds` seeds, write `out/NAME.json` and return the table."""
    started = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    found, table = study.measure(study.sizes[preset], seeds, out)
    seconds = round(time.perf_counter() - started, 1)
    record = {"seeds": seeds} | found | {"seconds": seconds, "provenance": provenance()}
    write_json(out / f"{name}.json", record)
    return table


def stored_record(run: str, name: str) -> dict:
    """The record NAME.json that a study left in `data/runs/RUN`."""
    return json.loads((data_folder() / "runs" / run / f"{name}.json").read_text(encoding="utf-8"))

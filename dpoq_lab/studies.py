"""What all studies share: a command line, statistics over seeds, and the record that they leave."""

import argparse
import json
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.stats import t as student_t

from dpoq_lab.paths import data_folder
from dpoq_lab.provenance import provenance
from dpoq_lab.runs import write_json

Row = dict[str, float]  # measure -> its value in one seed


def study_options(
    about: str, arguments: list[str] | None, presets: Iterable[str] = ("laptop",)
) -> argparse.Namespace:
    """`--out`, `--seeds` and `--preset` of a study's command."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--preset", choices=list(presets), default="laptop")
    return parser.parse_args(arguments)


def over_seeds(values: list[float]) -> dict:
    """Mean, standard deviation and the half-width of the 95% t interval over seeds; NaN for one seed."""
    n, sd = len(values), float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    half = float(student_t.ppf(0.975, n - 1)) * sd / n**0.5 if n > 1 else float("nan")
    return {"mean": float(np.mean(values)), "sd": sd, "half_95": half, "values": [float(v) for v in values]}


def across(rows: list[Row]) -> dict[str, dict]:
    """Each measure of the seeds' `rows`, `over_seeds`."""
    return {measure: over_seeds([row[measure] for row in rows]) for measure in rows[0]}


def across_tables(tables: list[dict[str, Row]]) -> dict[str, dict[str, dict]]:
    """The same for tables of named rows, one table a seed."""
    return {name: across([table[name] for table in tables]) for name in tables[0]}


def plus_minus(found: dict, sign: str = "") -> str:
    """A row of `over_seeds` as text: mean ± half-width; with `sign` "+" the mean shows its sign."""
    return f"{found['mean']:{sign}.2f} ± {found['half_95']:.2f}"


def write_record(path: Path, record: dict, started: float) -> None:
    """Write `record` with the seconds since `started` (of `perf_counter`) and where it comes from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seconds = round(time.perf_counter() - started, 1)
    write_json(path, record | {"seconds": seconds, "provenance": provenance()})


def stored_table(run: str, name: str) -> dict:
    """The record NAME.json that a study left in `data/runs/RUN`."""
    return json.loads((data_folder() / "runs" / run / f"{name}.json").read_text(encoding="utf-8"))

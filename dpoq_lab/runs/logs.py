"""The logged curves of a DPO run: this kit's `metrics.jsonl`, TRL's `trainer_state.json`, or a csv.

Whatever wrote them, a record has the same names: `step`, `loss`, and sums over a reply, averaged over the
step's pairs, of the rewards (`chosen`, `rejected`, beta included) and of log pi (`chosen_logp`,
`rejected_logp`, nats).
"""

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from dpoq_lab import sources
from dpoq_lab.records import one_line, read_json
from dpoq_lab.sources import Problem

NAMES = {  # of a record -> as others write it, with / or _ and in any case
    "step": ("step", "global_step", "train_step", "iteration"),
    "loss": ("loss", "loss_mean", "train_loss"),
    "chosen": (
        "rewards_chosen",
        "chosen_reward_sum",
        "reward_chosen",
        "chosen_reward",
        "chosen_rewards",
        "chosen",
    ),
    "rejected": (
        "rewards_rejected",
        "rejected_reward_sum",
        "reward_rejected",
        "rejected_reward",
        "rejected_rewards",
        "rejected",
    ),
    "accuracy": ("rewards_accuracies", "accuracy_mean", "reward_accuracy", "accuracy"),
    "chosen_logp": ("logps_chosen", "chosen_logp_sum", "logp_chosen", "chosen_logp"),
    "rejected_logp": ("logps_rejected", "rejected_logp_sum", "logp_rejected", "rejected_logp"),
}
NEEDED = ("loss", "chosen", "rejected")
HELD_OUT = ("eval_rewards_accuracies", "eval_reward_accuracy", "eval_accuracy")


class LogError(ValueError):
    """Logs that cannot be read; the text is one line that says why."""


@dataclass(frozen=True)
class Log:
    """The records of a run in order.

    `averaged` is how many steps a record is the mean of; `policy` is the folder of the model; `held_out` is
    the share of pairs kept aside that are ranked right at the end. What the run does not say is None.
    """

    records: list[dict[str, float]]
    source: Path
    averaged: int = 1
    beta: float | None = None
    policy: Path | None = None
    reference: str | None = None
    pairs: str | None = None
    held_out: float | None = None

    def column(self, name: str) -> list[float]:
        """A column, as far as the records have it."""
        return [record[name] for record in self.records if name in record]


def read_log(run: Path) -> Log:
    """The log of a run's folder, of a checkpoint in it, or of a file. Raises LogError."""
    if run.is_file():
        return _of_file(run)
    if not run.is_dir():
        raise LogError(f"{run}: no such file or folder")
    if (run / "metrics.jsonl").is_file():
        return _of_kit(run)
    # the last checkpoint of a run of TRL holds the whole history; its folder may have a copy
    states = [run / "trainer_state.json", *sorted(run.glob("checkpoint-*/trainer_state.json"), key=_step_of)]
    states += [run.parent / "trainer_state.json"]
    found = [path for path in states if path.is_file()]
    if not found:
        raise LogError(
            f"{run}: holds no metrics.jsonl and no trainer_state.json, nor does a checkpoint in it"
        )
    return _of_trl(found[0] if found[0].parent == run else found[-1], run)


def _step_of(path: Path) -> int:
    digits = path.parent.name.rpartition("-")[2]
    return int(digits) if digits.isdigit() else -1


def _of_file(path: Path) -> Log:
    if path.name == "trainer_state.json":
        return _of_trl(path, path.parent)
    if path.suffix == ".jsonl":
        return Log(records(_json_lines(path), path), path)
    if path.suffix == ".csv":
        try:
            return _spaced(list(sources.table(_text(path))), path)
        except csv.Error as error:
            raise LogError(f"{path}: is not csv: {error}") from error
    raise LogError(f"{path}: not a trainer_state.json, a metrics.jsonl or a .csv")


def _of_kit(run: Path) -> Log:
    log, record = run / "metrics.jsonl", run / "run.json"
    held = _json(record) if record.is_file() else {}
    settings, request = _object(held, "settings"), _object(held, "request")
    beta = _object(settings, "objective").get("beta")
    if beta is not None and not (isinstance(beta, float | int) and 0 < beta < math.inf and beta is not True):
        raise LogError(f"{record}: its beta is {beta!r}, not a number above 0")
    model = run if any(run.glob("*.safetensors")) else None
    named, pairs = request.get("reference") or request.get("model"), request.get("pairs")
    if not all(isinstance(name, str | None) for name in (named, pairs)):
        raise LogError(f"{record}: its models and pairs are not names")
    after = _object(_object(held, "held_out"), "after")
    accuracy = _number(_object(after, "by_reward"), ("accuracy",))
    return Log(records(_json_lines(log), log), log, 1, beta, model, named, pairs, accuracy)


def _of_trl(state: Path, run: Path) -> Log:
    history = _json(state).get("log_history")
    if not isinstance(history, list):
        raise LogError(f"{state}: has no log_history")
    model = next((at for at in (run, state.parent) if any(at.glob("*.safetensors"))), None)
    return replace(_spaced([row for row in history if isinstance(row, dict)], state), policy=model)


def _spaced(rows: list[dict], source: Path) -> Log:
    """A log whose records stand some steps apart: each is taken for the mean of those steps."""
    found = records(rows, source)
    steps = [record["step"] for record in found if "step" in record]
    judged = [_number(_plain(row), HELD_OUT) for row in rows]
    return Log(
        found,
        source,
        max(int(steps[1] - steps[0]), 1) if len(steps) > 1 else 1,
        held_out=next((accuracy for accuracy in reversed(judged) if accuracy is not None), None),
    )


def records(rows: Iterable[Mapping], source: Path) -> list[dict[str, float]]:
    """Rows by our names; those without a loss or rewards are left out, as evaluations are."""
    found = []
    for row in rows:
        plain = _plain(row)
        record = {name: _number(plain, names) for name, names in NAMES.items()}
        if not math.isfinite(record["step"] or 0.0):
            record["step"] = None
        if all(record[name] is not None for name in NEEDED):
            found.append({name: value for name, value in record.items() if value is not None})
    if not found:
        raise LogError(f"{source}: no record has a loss and the rewards of chosen and rejected")
    steps = [record["step"] for record in found if "step" in record]
    if back := [after for before, after in pairwise(steps) if after < before]:
        raise LogError(f"{source}: its steps go back to {back[0]:g}: a log is of one run")
    return found


def _plain(row: Mapping) -> dict:
    return {str(key).lower().replace("/", "_").removeprefix("train_"): value for key, value in row.items()}


def _object(held: dict, name: str) -> dict:
    found = held.get(name)
    return found if isinstance(found, dict) else {}


def _number(row: dict, names: tuple[str, ...]) -> float | None:
    for name in names:
        try:
            return float(row[name])
        except OverflowError:
            return math.inf
        except (KeyError, TypeError, ValueError):
            continue
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise LogError(f"{path}: is not UTF-8") from error
    except OSError as error:
        raise LogError(f"{path}: cannot be read: {error.strerror}") from error


def _json(path: Path) -> dict:
    try:
        found = read_json(_text(path))
    except ValueError as error:
        raise LogError(f"{path}: is not JSON: {one_line(error, 100)}") from error
    if not isinstance(found, dict):
        raise LogError(f"{path}: is not a JSON object")
    return found


def _json_lines(path: Path) -> list[dict]:
    found = [row for _, row in sources.records(path)]
    if problem := next((row for row in found if isinstance(row, Problem)), None):
        raise LogError(str(problem))
    return [row for row in found if isinstance(row, dict)]

"""What `inspect` wrote into a folder, read back: its summary, and the pairs to show."""

from pathlib import Path

from dpoq_lab.records import read_json
from dpoq_lab.runs.summary import Picked
from dpoq_lab.runs.token_file import ScoredRow, read_rows

NEEDED = {"policy", "beta", "facts", "plane", "along", "half_reach", "pair_accuracy"}


class InspectedError(ValueError):
    """A folder that does not hold what `inspect` writes; the text is one line that names the file."""


def read_summary(folder: Path) -> dict:
    """The summary. Raises InspectedError."""
    path = folder / "summary.json"
    try:
        found = read_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InspectedError(f"{path}: no summary that can be read: run inspect into {folder}") from error
    if not (isinstance(found, dict) and found.keys() >= NEEDED and _has_numbers(found)):
        raise InspectedError(f"{path}: was written by an earlier version: run inspect again")
    return found


def _has_numbers(summary: dict) -> bool:
    facts, accuracy = summary["facts"], summary["pair_accuracy"]
    if not (
        isinstance(facts, dict) and isinstance(accuracy, dict) and accuracy.get("pairs") == facts.get("pairs")
    ):
        return False
    return all(isinstance(v, float | int) for v in [summary["beta"], *facts.values()]) and summary["beta"] > 0


def shown_pairs(folder: Path, summary: dict) -> list[tuple[int, ScoredRow]]:
    """The pairs that the page of a summary shows, by number. Raises InspectedError."""
    picked, path, number = Picked(summary["beta"]), folder / "tokens.jsonl", -1
    try:
        with path.open(encoding="utf-8") as stream:
            for number, row in enumerate(read_rows(stream)):
                picked.add(number, row)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InspectedError(f"{path}: cannot be read: run inspect into {folder} again") from error
    if number + 1 != summary["pair_accuracy"]["pairs"]:
        raise InspectedError(f"{path}: holds {number + 1} pairs, other than summary.json: run inspect again")
    return picked.shown()

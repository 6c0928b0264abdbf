"""The folder of a training run: whose it is, and whether a run may begin or go on there."""

import json
from pathlib import Path
from typing import Any

from dpoq_lab.checkpoints import remove_checkpoints
from dpoq_lab.commands.claim import strangers
from dpoq_lab.preferences import Pair, write_pairs
from dpoq_lab.records import read_json, write_json


class RunError(RuntimeError):
    """A run folder that cannot be used; the text is one line that says why."""


def held_record(out: Path, resume: bool) -> dict | None:
    """The record of the unfinished run to go on with, None for an empty folder. Raises RunError otherwise."""
    path = out / "run.json"
    if not path.is_file():
        if resume:
            raise RunError(f"{out}: holds no run to resume")
        if strangers(out):
            raise RunError(f"{out}: is not empty and holds no run: choose another folder")
        return None
    try:
        held = read_json(path.read_text(encoding="utf-8"))
        complete = isinstance(held, dict) and {"request", "settings", "finished"} <= held.keys()
    except ValueError as error:
        raise RunError(f"{path}: is not JSON: choose another folder") from error
    if not complete:
        raise RunError(f"{path}: is no record of a run: choose another folder")
    if held["finished"]:
        if resume:  # a kill may have come before they were gone
            remove_checkpoints(out)
        raise RunError(f"{out}: holds a finished run: choose another folder")
    if not resume:
        raise RunError(f"{out}: holds an unfinished run: add --resume or choose another folder")
    return held


def same_run(out: Path, held: dict, asked: dict) -> dict:
    """The record that the folder holds, if the same run is asked for. Raises RunError if it is another."""
    asked, different = json.loads(json.dumps(asked, default=str)), []
    for part, what in (("request", ""), ("settings", ""), ("content", "content of ")):
        here, there = _flat(asked[part]), _flat(held.get(part))
        names = [name for name in here if not isinstance(there, dict) or there.get(name) != here[name]]
        different += [f"{what}{name}" for name in names if name not in ("out", "how", *different)]
    if different:
        raise RunError(f"{out}: its run was started with another {', '.join(different)}")
    return held


def _flat(part: Any) -> Any:
    """A part of a record with what is nested in it: how the pairs are read."""
    return part | part["how"] if isinstance(part, dict) and isinstance(part.get("how"), dict) else part


def write_claim(out: Path, record: dict, held_out: list[Pair]) -> None:
    """The record first: a folder with a run.json can be gone on with, whatever else is there."""
    write_json(out / "run.json", {**record, "finished": False})
    write_pairs(held_out, out / "held_out.jsonl")

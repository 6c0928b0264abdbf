"""A job in chunks that a kill does not undo: each lies whole in `OUT/unfinished` until all are there."""

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dpoq_lab.commands.claim import strangers
from dpoq_lab.records import read_json, write_lines, write_text

FOLDER, SETTINGS = "unfinished", "settings.json"


class UnfinishedError(RuntimeError):
    """A folder that holds another unfinished job; the text is one line that says what differs."""


def stopped(out: Path) -> bool:
    """Whether the folder holds a job that was stopped, at the latest while its settings were written."""
    folder = out / FOLDER
    return folder.is_dir() and ((folder / SETTINGS).is_file() or not strangers(folder))


class Unfinished:
    """The chunks of a job with `settings`, a JSON-ready dict; the same job goes on where it stopped."""

    def __init__(self, out: Path, settings: dict[str, Any]) -> None:
        self.out, self.folder = out, out / FOLDER
        self.settings = json.loads(json.dumps(settings))

    def claim(self) -> None:
        """Make the folder. Raises UnfinishedError if it holds another job, OSError if it cannot be made."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / SETTINGS
        try:
            held = read_json(path.read_text(encoding="utf-8")) if self._begun() else self.settings
        except (OSError, ValueError) as error:
            raise UnfinishedError(f"{path}: cannot be read: delete {self.folder}") from error
        if not isinstance(held, dict):
            raise UnfinishedError(f"{path}: is not a JSON object: delete {self.folder}")
        if different := [name for name, value in self.settings.items() if held.get(name) != value]:
            raise UnfinishedError(
                f"{self.folder}: holds unfinished work with another {', '.join(different)}: "
                "delete it, or choose another folder"
            )
        write_text(path, json.dumps(self.settings))

    def _begun(self) -> bool:
        return any(self.folder.glob("chunk-*.jsonl"))

    @contextmanager
    def kept_if_begun(self) -> Iterator[None]:
        """Remove the folder where the work fails before its first chunk is done."""
        try:
            yield
        except BaseException:
            if not self._begun():
                self.discard()
            raise

    def has(self, number: int) -> bool:
        """Whether chunk `number` is done."""
        return self.chunk(number).is_file()

    def chunk(self, number: int) -> Path:
        """Where chunk `number` lies."""
        return self.folder / f"chunk-{number:06}.jsonl"

    def write(self, number: int, lines: Iterable[str]) -> None:
        """Put a chunk in place whole."""
        write_lines(self.chunk(number), lines)

    def finish(self, names: Iterable[str]) -> None:
        """Move the finished files `names` from the folder to where they belong, and remove it."""
        for name in names:
            (self.folder / name).replace(self.out / name)
        self.discard()

    def discard(self) -> None:
        """Remove the folder and what is in it, the settings last: they tell whose the folder is."""
        for chunk in self.folder.glob("chunk-*"):
            chunk.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

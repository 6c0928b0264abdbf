"""What a lesson says to its lecturer: objectives, minutes, what to project, what to skip, what to ask."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from dpoq_lab.paths import kit_folder


@dataclass(frozen=True)
class Lecture:
    """The `lecture.toml` of a lesson's `folder`; `name` and `title` are its notebook's.

    Planned minutes: `brief` for the picture, its question and what to project of it, `lecture` for the whole
    lesson, `exercises` for these in class. `runs` is seconds, the measured median of all cells. A plan that
    cannot hold everything takes a lower `priority` first.
    """

    name: str
    folder: str
    title: str
    question: str
    objectives: list[str]
    brief: int
    lecture: int
    exercises: int
    runs: float
    priority: int
    project: list[str]
    skip: list[str]
    ask: str
    wrong_answer: str


def lectures() -> list[Lecture]:
    """Every lesson's, in order."""
    return [read_lecture(path) for path in sorted((kit_folder() / "notebooks").glob("*.ipynb"))]


def read_lecture(notebook: Path) -> Lecture:
    """The lecturer's data of one notebook."""
    folder = next(Path(__file__).parent.glob(f"l{notebook.stem[:2]}_*"))
    with (folder / "lecture.toml").open("rb") as file:
        return Lecture(notebook.stem, folder.name, _title(notebook), **tomllib.load(file))


def _title(notebook: Path) -> str:
    """The first heading of the notebook, without its number."""
    import nbformat

    first = nbformat.read(notebook, as_version=4).cells[0].source
    heading = next(line for line in first.splitlines() if line.startswith("# "))
    return heading.removeprefix(f"# {notebook.stem[:2]} ")

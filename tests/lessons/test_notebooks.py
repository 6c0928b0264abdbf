"""Lessons keep their promises: stripped, compared somewhere, with exercises whose solutions pass."""

import contextlib
import io
import re
from importlib import import_module

import nbformat
import pytest

from dpoq_lab.lessons.check import CORRECT
from dpoq_lab.lessons.lecture import read_lecture
from dpoq_lab.paths import kit_folder

LESSONS = sorted((kit_folder() / "notebooks").glob("*.ipynb"))
IDS = [path.stem for path in LESSONS]
pytestmark = pytest.mark.parametrize("path", LESSONS, ids=IDS)

SETUP = """
import torch
import torch.nn.functional as F
import numpy as np
from math import log
"""
FORBIDDEN = (
    "!pip",
    "%pip",
    "login(",
    "requests.get",
    "urlopen",
    "wget",
    "/home/",
    "/tmp/",
    "os._exit",
    "os.kill",
)


def cells(path, kind="code"):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def kept(cell):
    return "keep_output" in cell.metadata.get("tags", [])


def test_it_is_stripped_but_for_the_cells_that_are_compared(path):
    notebook = nbformat.read(path, as_version=4)
    assert "widgets" not in notebook.metadata
    for cell in cells(path):
        assert kept(cell) or (cell.outputs == [] and cell.execution_count is None)
    assert path.stat().st_size < 100_000


def test_nbval_compares_at_least_one_cell(path):
    """nbval compares a cell only if it has an execution count, and only what it printed as text."""
    compared = [
        cell
        for cell in cells(path)
        if cell.execution_count is not None
        and any(
            output.output_type == "stream" or "text/plain" in output.get("data", {})
            for output in cell.outputs
        )
    ]
    assert compared
    assert all(kept(cell) for cell in compared)
    for cell in compared:
        text = str(cell.outputs)
        assert not re.search(r"\d\.\d{5,}|0x[0-9a-f]{6}", text), "compared text must be short and rounded"
        assert "text/html" not in text, "a picture changes with the theme: show it in a cell of its own"


def test_it_has_the_parts_of_a_lesson(path):
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    for part in (
        "**You will**",
        "| Prerequisites |",
        "| Time |",
        "| Hardware |",
        "## What this does not show",
    ):
        assert part in text


def test_no_cell_installs_downloads_or_names_a_place(path):
    for cell in cells(path):
        assert not any(word in cell.source for word in FORBIDDEN)
        assert len(cell.source.splitlines()) <= 40


def exercises(path):
    """The stub cell and the folded solution of each exercise, by id."""
    notebook = nbformat.read(path, as_version=4)
    stubs = {
        c.metadata.exercise: c for c in notebook.cells if "exercise" in c.metadata and c.cell_type == "code"
    }
    solutions = {c.metadata.exercise: c for c in notebook.cells if c.metadata.get("role") == "solution"}
    return stubs, solutions


def test_every_exercise_has_hints_and_a_folded_solution(path):
    stubs, solutions = exercises(path)
    assert set(stubs) == set(solutions)
    assert len(stubs) >= (0 if path.stem.startswith("00") else 3)
    for name, cell in solutions.items():
        assert "<details><summary>Solution</summary>" in cell.source
        assert "<details><summary>Hint 1</summary>" in cell.source
        assert f'check("{name}", ' in stubs[name].source


def test_the_solutions_pass_their_checks_and_the_stubs_do_not(path):
    """The solved notebook's exercise cells: the solution in place of the stub, then the check."""
    stubs, solutions = exercises(path)
    scope = {}
    exec(SETUP, scope)
    if stubs:
        scope["check"] = check_of(path)
    for name, stub in stubs.items():
        solution = re.search(r"```python\n(.*?)\n```", solutions[name].source, re.DOTALL).group(1)
        last = stub.source.splitlines()[-1]
        assert verdict(stub.source, dict(scope)).startswith(f"Exercise {name}: not attempted")
        assert verdict(f"{solution}\n{last}", dict(scope)) == f"Exercise {name}: {CORRECT}\n"


def check_of(path):
    """The check that the lesson itself imports."""
    source = "\n".join(cell.source for cell in cells(path))
    home = re.search(r"from (dpoq_lab\.lessons\.l\d\d_\w+\.exercises) import check", source).group(1)
    assert home.split(".")[2][1:3] == path.stem[:2]
    return import_module(home).check


def verdict(source, scope):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(source, scope)
    return out.getvalue()


# The second edition: question and picture first, predictions, the idea written by the student


def test_question_and_picture_stand_on_the_first_screen(path):
    notebook = nbformat.read(path, as_version=4)
    first = notebook.cells[0].source
    assert first.startswith(f"# {path.stem[:2]} ")
    assert "**The question.**" in first
    assert len(first) < 900
    assert "picture" in notebook.cells[1].metadata.get("tags", [])
    assert notebook.cells[1].metadata.jupyter.source_hidden


def test_it_links_to_its_neighbours_and_to_the_card_of_conventions(path):
    first, last = cells(path, "markdown")[0].source, cells(path, "markdown")[-1].source
    at = LESSONS.index(path)
    if at:
        assert f"]({LESSONS[at - 1].name})" in first
        assert "](00_start_here.ipynb#Card-of-conventions)" in first
    if at + 1 < len(LESSONS):
        assert f"]({LESSONS[at + 1].name})" in first
        assert f"]({LESSONS[at + 1].name})" in last
    for target in re.findall(r"\]\((\d\d_\w+\.ipynb)", first + last):
        assert (path.parent / target).is_file()


def test_its_header_says_what_its_lecturer_is_told(path):
    lecture = read_lecture(path)
    head = cells(path, "markdown")[1].source
    for number, objective in enumerate(lecture.objectives, 1):
        assert f"\n{number}. {objective}".replace("*", "") in head.replace("$", "").replace("*", "")
    minutes = f"lecture {lecture.lecture} min, exercises {lecture.exercises} min"
    assert f"| Time | {minutes}; the cells run in {lecture.runs:g} s |" in head


def test_the_student_predicts_before_every_explorer(path):
    source = "\n".join(cell.source for cell in cells(path))
    shown = [
        re.search(r"^(\w+) = \w*(?:Explorer|Viewer)\([^`]*\n\1$", c.source, re.MULTILINE) for c in cells(path)
    ]
    explorers = sum(found is not None for found in shown)
    predictions = [source.index("Prediction(\n"), *(m.start() for m in re.finditer(r"\.judge_by\(", source))]
    assert explorers
    assert len(predictions) - 1 == explorers
    assert predictions == sorted(predictions)


def test_the_student_writes_the_lessons_central_idea(path):
    _, solutions = exercises(path)
    if not path.stem.startswith("00"):
        lines = [
            len(re.search(r"```python\n(.*?)\n```", cell.source, re.DOTALL).group(1).splitlines())
            for cell in solutions.values()
        ]
        assert 10 <= max(lines) <= 22

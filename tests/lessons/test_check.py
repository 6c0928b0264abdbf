"""Every check: the solution passes, the stub is unattempted, each known mistake is named."""

from importlib import import_module
from pathlib import Path

import pytest
import torch

from dpoq_lab import lessons
from dpoq_lab.lessons.check import CORRECT, NOT_ATTEMPTED, OTHER, checker, judge

FOLDERS = sorted(path.parent.name for path in Path(lessons.__path__[0]).glob("l*/exercises.py"))
TABLES = {name: import_module(f"dpoq_lab.lessons.{name}.exercises") for name in FOLDERS}
EXERCISES = {name: exercise for table in TABLES.values() for name, exercise in table.EXERCISES.items()}
check = checker(EXERCISES)

MISTAKES = [
    (name, message, wrong) for name, exercise in EXERCISES.items() for message, wrong in exercise.mistakes
]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_lessons_check_knows_its_own_exercises_and_no_others(folder, capsys):
    table = TABLES[folder]
    assert {name[:2] for name in table.EXERCISES} == {folder[1:3]}
    name = next(iter(table.EXERCISES))
    assert table.check(name, table.EXERCISES[name].solution) is table.EXERCISES[name].solution
    with pytest.raises(KeyError):
        table.check("99.1", 0)


@pytest.mark.parametrize("name", EXERCISES)
def test_the_solution_is_correct(name):
    assert judge(EXERCISES[name], EXERCISES[name].solution) == CORRECT


@pytest.mark.parametrize("name", EXERCISES)
def test_the_untouched_stub_says_so_and_the_lesson_goes_on(name, capsys):
    solution = EXERCISES[name].solution
    stub = (lambda *arguments: None) if callable(solution) else ...
    assert check(name, stub) is solution
    assert capsys.readouterr().out == f"Exercise {name}: {NOT_ATTEMPTED}\n"


@pytest.mark.parametrize(("name", "message", "wrong"), MISTAKES, ids=[f"{n}: {m}" for n, m, _ in MISTAKES])
def test_a_known_mistake_is_named_and_not_used(name, message, wrong):
    assert judge(EXERCISES[name], wrong) == f"not correct: {message}"
    assert check(name, wrong) is EXERCISES[name].solution


@pytest.mark.parametrize("name", EXERCISES)
def test_any_other_wrong_answer_is_refused(name):
    wrong = (lambda *arguments: torch.tensor(123.0)) if callable(EXERCISES[name].solution) else 123.0
    assert judge(EXERCISES[name], wrong) == OTHER


def test_an_answer_that_raises_or_is_no_function_is_told():
    assert "ZeroDivisionError" in judge(EXERCISES["05.1"], lambda *arguments: 1 / 0)
    assert "not a function" in judge(EXERCISES["05.1"], 3)
    assert judge(EXERCISES["05.2"], "ln 2") == OTHER


def test_a_right_answer_written_otherwise_is_used(capsys):
    def mine(w, x, beta):
        return torch.log(1 + torch.exp(-beta * (w.sum(1) - x.sum(1))))

    assert check("05.1", mine) is mine
    assert "correct" in capsys.readouterr().out

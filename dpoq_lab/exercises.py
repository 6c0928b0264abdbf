"""Answer checks that name the student's mistake.

`check(id, answer)` prints one line and returns the answer if it is right, else the package's own
solution, so that the lesson goes on. A check compares with the right value on several cases and
with the values of known mistakes; an answer that is wrong in another way is still refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

Case = tuple[Any, ...]


@dataclass(frozen=True)
class Exercise:
    """The solution, the cases it is tried on, and the mistakes it is compared with."""

    solution: Any
    cases: list[Case]
    mistakes: list[tuple[str, Any]]


def check(name: str, answer: Any) -> Any:
    """Print a verdict on `answer` and return it if right, else the solution. KeyError: no such exercise."""
    exercise = all_exercises()[name]
    verdict = judge(exercise, answer)
    print(f"Exercise {name}: {verdict}")
    return answer if verdict == CORRECT else exercise.solution


def all_exercises() -> dict[str, Exercise]:
    """Every exercise of the course by its id, lesson.number."""
    from dpoq_lab import exercises_01_02, exercises_03_04, exercises_05_06, exercises_07_09

    tables = (exercises_01_02, exercises_03_04, exercises_05_06, exercises_07_09)
    return {name: exercise for table in tables for name, exercise in table.EXERCISES.items()}


CORRECT = "correct."
NOT_ATTEMPTED = "not attempted yet; the lesson goes on with the package's own answer."


def judge(exercise: Exercise, answer: Any) -> str:
    """CORRECT, NOT_ATTEMPTED, or a line that names the mistake."""
    if not callable(exercise.solution):
        return _judge_value(exercise, answer)
    if not callable(answer):
        return "not correct: it is not a function."
    agreed = True
    for case in exercise.cases:
        try:
            given = answer(*case)
        except Exception as error:
            return f"not correct: it stopped with {type(error).__name__}: {error}"
        if given is None:
            return NOT_ATTEMPTED
        agreed = agreed and _same(given, exercise.solution(*case))
    return CORRECT if agreed else _name_mistake(exercise, answer)


def _judge_value(exercise: Exercise, answer: Any) -> str:
    if answer is None or answer is ...:
        return NOT_ATTEMPTED
    if _same(answer, exercise.solution):
        return CORRECT
    return next(
        (f"not correct: {message}" for message, value in exercise.mistakes if _same(answer, value)), OTHER
    )


OTHER = "not correct, and not by one of the usual mistakes: try it on a case small enough to do by hand."


def _name_mistake(exercise: Exercise, answer: Callable) -> str:
    for message, mistake in exercise.mistakes:
        if all(_same(answer(*case), mistake(*case)) for case in exercise.cases):
            return f"not correct: {message}"
    return OTHER


def _same(given: Any, wanted: Any) -> bool:
    try:
        given, wanted = torch.as_tensor(given), torch.as_tensor(wanted)
    except (TypeError, ValueError, RuntimeError):
        return False
    if given.shape != wanted.shape:
        return False
    return bool(torch.allclose(given.double(), wanted.double(), rtol=1e-4, atol=1e-6))

"""Answer checks that name the student's mistake.

A lesson's `check(id, answer)`, from `checker`, prints one line and returns the answer if it is right, else
the package's own solution, so that the lesson goes on. A check compares with the right value on several
cases and with the values of known mistakes; an answer that is wrong in another way is still refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Case = tuple[Any, ...]


@dataclass(frozen=True)
class Exercise:
    """The solution, the cases it is tried on, and the mistakes it is compared with."""

    solution: Any
    cases: list[Case]
    mistakes: list[tuple[str, Any]]


def checker(exercises: dict[str, Exercise]) -> Callable[[str, Any], Any]:
    """The `check` of a lesson, for its exercises by id, lesson.number."""

    def check(name: str, answer: Any) -> Any:
        """Print a verdict on `answer`; return it if right, else the solution. KeyError: no such exercise."""
        verdict = judge(exercises[name], answer)
        print(f"Exercise {name}: {verdict}")
        return answer if verdict == CORRECT else exercises[name].solution

    return check


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
        given, wanted = _array(given), _array(wanted)
    except (TypeError, ValueError):
        return False
    return given.shape == wanted.shape and np.allclose(given, wanted, rtol=1e-4, atol=1e-6)


def _array(value: Any) -> np.ndarray:
    """Numbers of any kind as float64; a tensor of torch without its gradient."""
    return np.asarray(value.detach() if hasattr(value, "detach") else value, dtype=np.float64)

"""Answer checks that name the student's mistake and show where it fails.

A lesson's `check(id, answer)`, from `checker`, prints a verdict and returns the answer if it is right, else
the package's own solution, so that the lesson goes on. A check compares with the right value on several
cases, smallest first, and with the values of known mistakes; an answer that is wrong in another way is still
refused. Numbers may be rounded to three decimals by a function, to two where they are typed in; such an
answer is right, but the lesson goes on with the solution, for its identities hold to more decimals.
"""

import dis
import inspect
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np

Case = tuple[Any, ...]
Close = tuple[float, float]  # absolute, relative
RETURNED: Close = (6e-4, 6e-4)  # by a function, which may round to three decimals
TYPED: Close = (5e-3, 0.0)  # two decimals
EXACT: Close = (1e-9, 1e-9)  # nearer than that an answer is used; in float32 the next
EXACT_32: Close = (1e-6, 1e-6)


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
ROUNDED = "correct; the lesson goes on with more decimals than yours."
NO_RETURN = "not correct: it gives back nothing; a `return` is missing."
NOTHING_HERE = "not correct: in some cases it gives back nothing."
TEXT = "not correct: that is a text, in quotes; a number is wanted."
OTHER = "not correct, and not by one of the usual mistakes."


def judge(exercise: Exercise, answer: Any) -> str:
    """CORRECT, ROUNDED, NOT_ATTEMPTED, NO_RETURN, or a line that names the mistake, and a failing case."""
    if not callable(exercise.solution):
        return _judge_value(exercise, answer)
    if not callable(answer):
        return "not correct: it is not a function."
    if _is_stub(answer):
        return NOT_ATTEMPTED
    answers = [_answered(answer, case) for case in exercise.cases]
    if all(given is None for given in answers):
        return NO_RETURN
    stopped_first = sorted(
        zip(exercise.cases, answers, strict=True), key=lambda both: not isinstance(both[1], Exception)
    )
    exact = True
    for case, given in stopped_first:
        wanted = exercise.solution(*deepcopy(case))
        if not _same(given, wanted, RETURNED):
            inputs = zip(inspect.signature(exercise.solution).parameters, case, strict=False)
            where = ", ".join(f"{name} = {_short(value)}" for name, value in inputs)
            shown = f"\n  {where}:\n  yours {_short(given)}, expected {_short(wanted)}"
            return _name_mistake(exercise, answers, wanted) + shown
        exact &= _same(given, wanted, EXACT_32 if _is_float32(wanted) else EXACT)
    return CORRECT if exact else ROUNDED


def _is_stub(answer: Callable) -> bool:
    """Does its body hold nothing but `...`, `pass` or a comment?"""
    code = getattr(answer, "__code__", None)
    idle = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "COPY_FREE_VARS"}
    return code is not None and all(
        step.opname in idle and (step.opname not in ("LOAD_CONST", "RETURN_CONST") or step.argval is None)
        for step in dis.get_instructions(code)
    )


def _answered(answer: Callable, case: Case) -> Any:
    """What it returns on a copy of the case, or the exception that it raised."""
    try:
        return answer(*deepcopy(case))
    except Exception as error:
        return error


def _judge_value(exercise: Exercise, answer: Any) -> str:
    if answer is None or answer is ...:
        return NOT_ATTEMPTED
    if _same(answer, exercise.solution, TYPED):
        return CORRECT if _same(answer, exercise.solution, EXACT) else ROUNDED
    if _is_text(answer, exercise.solution):
        return TEXT
    found = (message for message, value in exercise.mistakes if _same(answer, value, TYPED))
    return next((f"not correct: {message}" for message in found), OTHER + _entries(answer, exercise.solution))


def _entries(answer: Any, solution: Any) -> str:
    """Of a list typed in: how many entries are wanted, or which of them are right, as a second line."""
    if not isinstance(answer, list | tuple) or not isinstance(solution, list | tuple):
        return ""
    if len(answer) != len(solution):
        return f"\n  yours has {len(answer)} entries, {len(solution)} are wanted"
    right = [k for k, both in enumerate(zip(answer, solution, strict=True), 1) if _same(*both, TYPED)]
    return f"\n  right are the entries {', '.join(map(str, right)) or 'none'} of {len(solution)}"


def _name_mistake(exercise: Exercise, answers: list[Any], wanted: Any) -> str:
    """What went wrong, from the answers to all cases; `wanted` is the right answer to one of them."""
    error = next((given for given in answers if isinstance(given, Exception)), None)
    if error is not None:
        return f"not correct: it stopped with {type(error).__name__}: {error}"
    if any(given is None for given in answers):
        return NOTHING_HERE
    if any(_is_text(given, wanted) for given in answers):
        return TEXT
    for message, mistake in exercise.mistakes:
        both = zip(answers, exercise.cases, strict=True)
        if all(_same(given, mistake(*deepcopy(case)), RETURNED) for given, case in both):
            return f"not correct: {message}"
    return OTHER


def _is_text(given: Any, wanted: Any) -> bool:
    """Is it a text where a number is wanted?"""
    return isinstance(given, str) and isinstance(wanted, Number)


def _is_float32(value: Any) -> bool:
    """Is it a tensor or an array of single precision?"""
    return str(getattr(value, "dtype", "")).endswith("float32")


def _same(given: Any, wanted: Any, close: Close) -> bool:
    """Equal up to `close`, nan like nan; texts up to their case, collections part by part."""
    if isinstance(wanted, str):
        return isinstance(given, str) and given.strip().casefold() == wanted.casefold()
    if isinstance(wanted, dict):
        return (
            isinstance(given, dict)
            and given.keys() == wanted.keys()
            and all(_same(given[key], wanted[key], close) for key in wanted)
        )
    if isinstance(wanted, list | tuple) and not all(isinstance(part, Number) for part in wanted):
        return (
            isinstance(given, list | tuple | np.ndarray)
            and len(given) == len(wanted)
            and all(_same(*parts, close) for parts in zip(given, wanted, strict=True))
        )
    try:
        given, wanted = _array(given), _array(wanted)
    except (TypeError, ValueError):
        return False
    absolute, relative = close
    return given.shape == wanted.shape and np.allclose(
        given, wanted, atol=absolute, rtol=relative, equal_nan=True
    )


def _array(value: Any) -> np.ndarray:
    """Numbers of any kind as float64 without leading axes of length 1; a tensor without its gradient.

    A column is not a row: where it is used the two would broadcast to a square. TypeError: it holds a text.
    """
    found = np.asarray(value.detach() if hasattr(value, "detach") else value)
    if found.dtype.kind == "U":
        raise TypeError("a text is no number")
    found = found.astype(np.float64)
    while found.ndim and found.shape[0] == 1:
        found = found[0]
    return found


def _short(value: Any) -> str:
    """A value in a line of at most 200 characters."""
    if isinstance(value, Exception):
        return type(value).__name__
    if hasattr(value, "detach"):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, dict):
        text = "{" + ", ".join(f"{key}: {_short(part)}" for key, part in value.items()) + "}"
    elif isinstance(value, list | tuple):
        text = "[" + ", ".join(_short(part) for part in value) + "]"
    else:
        text = str(round(value, 4) if isinstance(value, float) else value)
    return text if len(text) <= 200 else text[:199] + "\u2026"

"""Every check: the solution passes, the stub is unattempted, each known mistake is named."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from dpoq_lab import lessons
from dpoq_lab.lessons.check import (
    CORRECT,
    NO_RETURN,
    NOT_ATTEMPTED,
    NOTHING_HERE,
    OTHER,
    ROUNDED,
    TEXT,
    Exercise,
    checker,
    judge,
)

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
    assert judge(EXERCISES[name], wrong).splitlines()[0] == f"not correct: {message}"
    assert check(name, wrong) is EXERCISES[name].solution


@pytest.mark.parametrize("name", EXERCISES)
def test_any_other_wrong_answer_is_refused(name):
    wrong = (lambda *arguments: torch.tensor(123.0)) if callable(EXERCISES[name].solution) else 123.0
    assert judge(EXERCISES[name], wrong).splitlines()[0] == OTHER


def test_a_column_is_not_a_row_but_one_number_in_brackets_is_one_number():
    row = Exercise(lambda x: np.array([1.0, 2.0]) * x, [(2.0,)], [])
    assert judge(row, lambda x: [[x, 2 * x]]) == CORRECT
    assert judge(row, lambda x: np.array([[x], [2 * x]])).splitlines()[0] == OTHER
    assert judge(Exercise(lambda x: 2 * x, [(2.0,)], []), lambda x: [2 * x]) == CORRECT


def test_where_an_answer_stops_is_the_case_that_is_shown():
    def half(x):
        return x / 3 if x < 3 else x[0]

    verdict = judge(Exercise(lambda x: x / 2, [(2.0,), (4.0,)], []), half)
    assert "it stopped with TypeError" in verdict
    assert "x = 4.0" in verdict


def test_of_numbers_typed_in_it_says_which_are_right():
    typed = Exercise([-0.5, 0.3, 0.2, 0.0], [], [])
    assert judge(typed, [-0.5, 0.3, -0.2, 0.0]) == f"{OTHER}\n  right are the entries 1, 2, 4 of 4"
    assert judge(typed, [9, 9, 9, 9]).endswith("right are the entries none of 4")
    assert judge(typed, [-0.5, 0.3]).endswith("yours has 2 entries, 4 are wanted")


def rounded(value, digits):
    """Every number of a nested answer as it is displayed, arrays and tensors as lists."""
    if isinstance(value, dict):
        return {key: rounded(part, digits) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(part, digits) for part in value]
    if isinstance(value, str):
        return f" {value.upper()} "
    return np.asarray(value, dtype=float).round(digits).tolist()


def has_floats(value):
    """Are there numbers in it that are not whole?"""
    if isinstance(value, dict):
        return has_floats(list(value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(has_floats, value))
    return not isinstance(value, str) and bool(np.any(np.asarray(value, dtype=float) % 1))


@pytest.mark.parametrize("name", EXERCISES)
def test_a_right_answer_rounded_as_displayed_is_correct(name):
    solution = EXERCISES[name].solution
    answer = (lambda *case: rounded(solution(*case), 3)) if callable(solution) else rounded(solution, 2)
    verdict = judge(EXERCISES[name], answer)
    assert verdict in (CORRECT, ROUNDED)
    if callable(solution) and has_floats([solution(*case) for case in EXERCISES[name].cases]):
        assert verdict == ROUNDED  # one of the cases at least has more than three decimals
    assert check(name, answer) in (answer, solution)


def test_of_a_rounded_answer_the_lesson_goes_on_with_more_decimals(capsys):
    third = Exercise(lambda x: x / 3, [(3.0,), (1.0,)], [])
    use = checker({"third": third, "ln 2": Exercise(np.log(2), [], [])})

    def mine(x):
        return round(x / 3, 3)

    assert use("third", mine) is third.solution
    assert use("ln 2", 0.69) == np.log(2)
    assert capsys.readouterr().out == f"Exercise third: {ROUNDED}\nExercise ln 2: {ROUNDED}\n"
    assert judge(third, lambda x: np.float64(x) * (1 / 3)) == CORRECT
    single = Exercise(lambda x: torch.tensor(x).exp(), [(2.0,)], [])
    assert judge(single, lambda x: torch.tensor(x / 2).exp() ** 2) == CORRECT
    assert judge(single, lambda x: torch.tensor(x).exp().round(decimals=3)) == ROUNDED


def a_hundredth_more(value):
    """Every float of an answer times 1.01; counts and texts as they are."""
    if isinstance(value, dict):
        return {key: a_hundredth_more(part) for key, part in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(a_hundredth_more, value))
    if isinstance(value, (list, tuple)):
        return type(value)(map(a_hundredth_more, value))
    is_float = value.is_floating_point() if torch.is_tensor(value) else np.asarray(value).dtype.kind == "f"
    return value * 1.01 if is_float else value


@pytest.mark.parametrize("name", EXERCISES)
def test_an_answer_that_is_off_by_a_hundredth_is_refused(name):
    solution = EXERCISES[name].solution
    if callable(solution):
        found = judge(EXERCISES[name], lambda *case: a_hundredth_more(solution(*case)))
        kept = [
            str(solution(*case)) == str(a_hundredth_more(solution(*case))) for case in EXERCISES[name].cases
        ]
    else:
        found, kept = (
            judge(EXERCISES[name], a_hundredth_more(solution)),
            [a_hundredth_more(solution) == solution],
        )
    assert (found == CORRECT) == all(kept)


def test_most_exercises_have_a_hundredth_to_be_off_by():
    def moves(exercise):
        answers = [exercise.solution(*case) for case in exercise.cases] or [exercise.solution]
        return any(str(a_hundredth_more(answer)) != str(answer) for answer in answers)

    assert sum(map(moves, EXERCISES.values())) >= 0.75 * len(EXERCISES)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_lesson_has_an_exercise_that_names_four_mistakes_or_more(folder):
    assert max(len(exercise.mistakes) for exercise in TABLES[folder].EXERCISES.values()) >= 4


def double(x, levels):
    return x * np.array([2.0, 4.0]) + len(levels)


DOUBLE = Exercise(
    double,
    [(1.0, [np.zeros(2)]), (3.0, [np.ones((2, 2)), np.zeros(1)])],
    [("the levels are not counted.", lambda x, levels: x * np.array([2.0, 4.0]))],
)


def test_a_failing_case_is_shown_with_yours_and_the_expected_value():
    wrong = "not correct: the levels are not counted."
    first = "  x = 1.0, levels = [[0.0, 0.0]]:\n  yours [2.0, 4.0], expected [3.0, 5.0]"
    assert judge(DOUBLE, DOUBLE.mistakes[0][1]) == f"{wrong}\n{first}"

    def right_but_in_the_second_case(x, levels):
        return double(x, levels) + (x > 2)

    second = (
        "  x = 3.0, levels = [[[1.0, 1.0], [1.0, 1.0]], [0.0]]:\n  yours [9.0, 15.0], expected [8.0, 14.0]"
    )
    assert judge(DOUBLE, right_but_in_the_second_case) == f"{OTHER}\n{second}"


def test_a_missing_return_is_told_from_a_stub():
    def stub(x, levels):
        """Nothing yet."""
        # your lines

    def forgotten(x, levels):
        levels.append(double(x, levels))

    assert judge(DOUBLE, stub) == NOT_ATTEMPTED
    assert judge(DOUBLE, forgotten) == NO_RETURN
    verdict = judge(DOUBLE, lambda x, levels: double(x, levels) if x < 2 else None)
    assert verdict.splitlines()[0] == NOTHING_HERE
    assert verdict.endswith("yours None, expected [8.0, 14.0]")


def test_an_answer_that_spoils_its_input_is_judged_on_fresh_ones():
    def spoils(x, levels):
        answer = double(x, levels)
        levels.append(None)
        return answer

    assert judge(DOUBLE, spoils) == judge(DOUBLE, spoils) == CORRECT


def test_words_and_collections_are_compared_part_by_part():
    runs = Exercise({"a": "healthy", "b": ["x", "y"]}, [], [])
    assert judge(runs, {"a": "Healthy ", "b": ("X", "y")}) == CORRECT
    assert judge(runs, {"a": "ill", "b": ["x", "y"]}) == OTHER
    assert judge(runs, {"a": "healthy"}) == OTHER
    assert judge(runs, {"a": "healthy", "b": ["x"]}) == OTHER


def test_an_answer_that_raises_or_is_no_function_is_told():
    assert "ZeroDivisionError" in judge(EXERCISES["05.1"], lambda *arguments: 1 / 0)
    assert "not a function" in judge(EXERCISES["05.1"], 3)


def test_a_text_is_no_number():
    assert judge(EXERCISES["05.2"], "ln 2") == judge(EXERCISES["05.2"], "0.693") == TEXT
    half = Exercise(lambda x: x / 2, [(1.0,), (np.inf,)], [])
    assert judge(half, lambda x: str(x / 2)).splitlines()[0] == TEXT
    assert judge(half, lambda x: x / 2 if x < 2 else "inf").splitlines()[0] == TEXT
    assert judge(DOUBLE, lambda *case: [str(x) for x in double(*case)]).splitlines()[0] == OTHER


def test_a_right_answer_written_otherwise_is_used(capsys):
    def mine(w, x, beta):
        return torch.log(1 + torch.exp(-beta * (w.sum(1) - x.sum(1))))

    assert check("05.1", mine) is mine
    assert "correct" in capsys.readouterr().out

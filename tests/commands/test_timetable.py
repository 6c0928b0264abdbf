"""A plan holds as much as fits, by priority: pictures, then whole lessons, then exercises."""

from dataclasses import replace

import pytest

from dpoq_lab.commands import cli
from dpoq_lab.commands.timetable import plan, plan_text
from dpoq_lab.lessons.lecture import Lecture, lectures

ONE = Lecture(
    name="01_one",
    folder="l01_one",
    title="One",
    question="Why?",
    objectives=["see"],
    lecture=20,
    exercises=10,
    runs=3,
    project=["the picture", "the table"],
    skip=["the proof"],
    ask="Which?",
    wrong_answer="both",
    brief=5,
    priority=2,
)
TWO = replace(ONE, name="02_two", title="Two", lecture=30, exercises=0, brief=8, priority=1)


@pytest.mark.parametrize(
    ("minutes", "parts"),
    [
        (4, []),
        (7, [("01_one", "picture and question", 5)]),
        (12, [("02_two", "picture and question", 8)]),
        (13, [("01_one", "picture and question", 5), ("02_two", "picture and question", 8)]),
        (25, [("01_one", "picture and question", 5), ("02_two", "picture and question", 8)]),
        (28, [("01_one", "whole", 20), ("02_two", "picture and question", 8)]),
        (35, [("01_one", "picture and question", 5), ("02_two", "whole", 30)]),
        (59, [("01_one", "whole", 20), ("02_two", "whole", 30)]),
        (60, [("01_one", "whole, with exercises", 30), ("02_two", "whole", 30)]),
    ],
)
def test_a_plan_takes_what_fits_by_priority_in_the_order_of_the_lessons(minutes, parts):
    slots = plan([ONE, TWO], minutes)
    assert [(slot.lesson.name, slot.part, slot.minutes) for slot in slots] == parts


@pytest.mark.parametrize(
    ("minutes", "done"), [(59, []), (60, ["02_two"]), (69, ["02_two"]), (70, ["01_one", "02_two"])]
)
def test_exercises_are_done_by_priority_as_far_as_the_minutes_go(minutes, done):
    slots = plan([ONE, replace(TWO, exercises=10)], minutes)
    assert [slot.lesson.name for slot in slots if slot.exercises] == done


def test_the_text_says_when_what_to_project_what_to_ask_and_what_is_left():
    text = plan_text(plan([ONE, TWO], 40), 40)
    rows = [line.split() for line in text.splitlines()[2:6]]
    assert [row[:2] for row in rows] == [
        ["minutes", "lesson"],
        ["0-5", "01_one"],
        ["5-35", "02_two"],
        ["35-40", "questions"],
    ]
    one, two = text.split("02_two: Two")
    assert "the table" not in one
    assert "project: the table" in two
    assert "ask: Which?" in one
    assert "often heard: both" in one
    assert "skip: the proof" in two
    assert "For home, the exercises of: 01_one (10 min)." in text


@pytest.mark.parametrize("minutes", [50, 90, 180])
def test_the_course_fits_into_the_class_that_is_asked_for(minutes, capsys):
    assert cli.main(["timetable", str(minutes)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"A class of {minutes} minutes")
    assert sum(slot.minutes for slot in plan(lectures(), minutes)) <= minutes
    assert sum(slot.minutes for slot in plan(lectures(), minutes)) > minutes - 15


def test_a_class_that_is_too_short_is_one_clear_line(capsys):
    assert cli.main(["timetable", "1"]) == 2
    assert capsys.readouterr().err == "dpoq-lab: error: no lesson fits into 1 minutes\n"


@pytest.mark.parametrize("wrong", ["0", "-5", "soon"])
def test_minutes_are_a_whole_number_above_0(wrong, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["timetable", wrong])
    assert "minutes" in capsys.readouterr().err


def test_a_class_that_is_full_has_no_time_for_questions():
    slots = plan([ONE, TWO], 50)
    full = sum(slot.minutes for slot in slots)
    assert "questions" not in plan_text(slots, full)
    assert f"{full}-{full + 1}" in plan_text(slots, full + 1)

"""A plan for a class of so many minutes: which lessons, how much of each, what to project and to ask."""

from dataclasses import dataclass

from dpoq_lab.lessons.lecture import Lecture
from dpoq_lab.views.tables import text_table


@dataclass
class Slot:
    """A lesson in the plan: whole or only its picture, and whether its exercises are done in class."""

    lesson: Lecture
    whole: bool = False
    exercises: bool = False

    @property
    def minutes(self) -> int:
        """How long it takes."""
        taken = self.lesson.lecture if self.whole else self.lesson.brief
        return taken + (self.lesson.exercises if self.exercises else 0)

    @property
    def part(self) -> str:
        """What is done of the lesson."""
        if not self.whole:
            return "picture and question"
        return "whole, with exercises" if self.exercises and self.lesson.exercises else "whole"


def plan(lessons: list[Lecture], minutes: int) -> list[Slot]:
    """Pictures first, then whole lessons, then exercises, each by priority as far as the minutes go."""
    slots: list[Slot] = []
    left = minutes
    for lesson in sorted(lessons, key=lambda lesson: lesson.priority):
        if lesson.brief <= left:
            slots.append(Slot(lesson))
            left -= lesson.brief
    for slot in slots:
        if slot.lesson.lecture - slot.lesson.brief <= left:
            slot.whole = True
            left -= slot.lesson.lecture - slot.lesson.brief
    for slot in slots:
        if slot.whole and slot.lesson.exercises <= left:
            slot.exercises = True
            left -= slot.lesson.exercises
    return sorted(slots, key=lambda slot: slot.lesson.name)


def plan_text(slots: list[Slot], minutes: int) -> str:
    """The plan as a table, then what to do in each slot, then what is left for home."""
    rows, at = [("minutes", "lesson", "part")], 0
    for slot in slots:
        rows.append((f"{at}-{at + slot.minutes}", slot.lesson.name, slot.part))
        at += slot.minutes
    if at < minutes:
        rows.append((f"{at}-{minutes}", "questions", ""))
    home = [
        f"{slot.lesson.name} ({slot.lesson.exercises} min)"
        for slot in slots
        if slot.lesson.exercises and not slot.exercises
    ]
    parts = [f"A class of {minutes} minutes", text_table(rows, left=3), *map(_details, slots)]
    parts += [f"For home, the exercises of: {', '.join(home)}."] if home else []
    return "\n\n".join(parts)


def _details(slot: Slot) -> str:
    """What to project, to ask and to skip."""
    lesson = slot.lesson
    lines = [f"{lesson.name}: {lesson.title} ({slot.minutes} min)", f"  question: {lesson.question}"]
    lines += [f"  project: {what}" for what in (lesson.project if slot.whole else lesson.project[:1])]
    lines += [f"  ask: {lesson.ask}", f"  often heard: {lesson.wrong_answer}"]
    lines += [f"  skip: {what}" for what in lesson.skip if slot.whole]
    return "\n".join([*lines, f"  run its cells before the class: {lesson.runs:g} s"])

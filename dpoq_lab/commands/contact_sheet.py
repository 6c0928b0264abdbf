"""The contact sheet of the README: each lesson's picture and title, as one SVG.

`python -m dpoq_lab.commands.contact_sheet` writes it again from the lessons' own pictures.
"""

from importlib import import_module

from dpoq_lab.lessons.lecture import Lecture, lectures
from dpoq_lab.paths import kit_folder
from dpoq_lab.views.figures import Figure, sheet


def still(lesson: Lecture) -> Figure:
    """The frame that stands for a lesson: its last, but the first of lesson 00, which opens on it."""
    frames = import_module(f"dpoq_lab.lessons.{lesson.folder}.picture").frames()
    return frames[0] if lesson.name.startswith("00") else frames[-1]


def contact_sheet() -> str:
    """The SVG."""
    return sheet([(f"{lesson.name[:2]} {lesson.title}", still(lesson)) for lesson in lectures()])


if __name__ == "__main__":
    (kit_folder() / "notebooks" / "pictures" / "contact_sheet.svg").write_text(contact_sheet(), "utf-8")

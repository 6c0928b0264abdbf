"""A screenshot of every explorer, light and dark, on a projector of 1280 x 800 and on a phone.

For maintainers, who then look at them: `python tests/shoot_explorers.py FOLDER [LESSON ...]`.
"""

import argparse
import tempfile
from itertools import product
from pathlib import Path

from drive_explorers import EXPLORERS, explorers
from lab_browser import SCREEN, opened, running_browser, running_lab, settle

SIZES = {"wide": SCREEN, "narrow": {"width": 390, "height": 800}}
THEMES = ("Light", "Dark")
LOOK = """theme => Promise.all([
    jupyterapp.commands.execute('apputils:change-theme', {theme: `JupyterLab ${theme}`}),
    jupyterapp.shell.collapseLeft(),
])"""


def shoot(lesson, folder):
    """Take the pictures of one open lesson."""
    settle(lesson.page)
    for theme, size in product(THEMES, SIZES):
        lesson.page.set_viewport_size(SIZES[size])
        lesson.page.evaluate(LOOK, theme)
        for name, box in explorers(lesson):
            lesson.page.wait_for_timeout(1000)  # the theme's sheet is fetched
            box.evaluate("box => box.scrollIntoView()")
            lesson.page.screenshot(path=folder / f"{lesson.name[:2]}_{name}_{theme.lower()}_{size}.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("lessons", nargs="*", default=list(EXPLORERS), metavar="LESSON")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, running_lab(Path(home)) as lab, running_browser() as browser:
        for name in options.lessons:
            with opened(browser, lab, name) as lesson:
                shoot(lesson, options.folder)


if __name__ == "__main__":
    main()

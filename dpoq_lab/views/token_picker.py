"""A widget to choose one token of a strip, by click or arrow keys.

The page tells the kernel through a hidden number box, so that a slow page loses nothing.
"""

from collections.abc import Callable

import ipywidgets as widgets

from dpoq_lab.views.theme import box
from dpoq_lab.views.token_view import Cell, strip


class TokenPicker(widgets.VBox):
    """A strip whose tokens can be chosen: `selected` is the token's index, or -1 for none."""

    def __init__(self) -> None:
        self.cells: list[Cell] = []
        self.label = ""
        self._drawn = 0
        self._strip = widgets.HTML()
        self.box = widgets.IntText(-1, layout={"display": "none"})
        super().__init__([self._strip, self.box])
        self.add_class("dpoq-picker")

    @property
    def selected(self) -> int:
        """The index of the token chosen, -1 for none."""
        return self.box.value

    @selected.setter
    def selected(self, index: int) -> None:
        self.box.value = index
        self._draw()

    def on_choose(self, call: Callable[[int], None]) -> None:
        """Call with the index whenever another token, or none, is chosen."""
        self.box.observe(lambda change: call(change["new"]), "value")

    def show(self, cells: list[Cell], label: str) -> None:
        """Show other tokens; a choice beyond their end is dropped."""
        self.cells, self.label = cells, label
        if self.selected >= len(cells):
            self.box.value = -1
        self._draw()

    def _draw(self) -> None:
        """Draw anew, also what the kernel thinks is drawn: the page has its own idea of what is chosen."""
        self._drawn += 1
        turn = f"<!-- {self._drawn} -->"
        self._strip.value = box(strip(self.cells, self.label, self.selected)) + turn

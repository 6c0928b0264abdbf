"""A widget to choose one token of a heat map by click or arrow keys."""

from dataclasses import asdict
from pathlib import Path

import anywidget
import traitlets

from dpoq_lab.views.token_view import Cell


class TokenPicker(anywidget.AnyWidget):
    """A heat map whose tokens can be chosen: `selected` is the token's index, or -1 for none."""

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_suffix(".css")
    cells = traitlets.List([]).tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    selected = traitlets.Int(-1).tag(sync=True)

    def show(self, cells: list[Cell], label: str) -> None:
        """Show other tokens; a choice beyond their end is dropped."""
        with self.hold_sync():
            self.label = label
            self.cells = [asdict(cell) for cell in cells]
            if self.selected >= len(cells):
                self.selected = -1

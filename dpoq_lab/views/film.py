"""A picture in which time is the point: figures one after another, played or stepped through by hand."""

from collections.abc import Sequence

import ipywidgets as widgets

from dpoq_lab.views.controls import LiveFigure, Styled, on_change, row
from dpoq_lab.views.figures import Figure

A_FRAME = 1200  # milliseconds


class Film(Styled):
    """`frames`, the first of them shown: the player runs through them, the slider `step` goes to any.

    The slider says the value `at` which a frame is, by default its number. `picture` holds the frame that is
    shown. ValueError: there is none, or not a value for each.
    """

    def __init__(
        self, frames: Sequence[Figure], name: str = "step", at: Sequence[float] | None = None
    ) -> None:
        if not frames:
            raise ValueError("a film needs a frame")
        self.frames, self.picture = list(frames), LiveFigure()
        numbers = range(len(self.frames))
        said = [f"{value:g}" for value in (numbers if at is None else at)]
        self.player = widgets.Play(min=0, max=numbers[-1], interval=A_FRAME, show_repeat=False)
        self.step = widgets.SelectionSlider(
            options=list(zip(said, numbers, strict=True)),
            description=name,
            style={"description_width": "initial"},
        )
        widgets.jslink((self.player, "value"), (self.step, "index"))
        on_change([self.step], self._render)
        super().__init__([row(self.player, self.step), self.picture])
        self._render()

    def _render(self) -> None:
        self.picture.draw(self.frames[self.step.value])

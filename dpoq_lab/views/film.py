"""A picture in which time is the point: figures one after another, played or stepped through by hand."""

from collections.abc import Sequence

import ipywidgets as widgets

from dpoq_lab.views.controls import Styled, row
from dpoq_lab.views.figures import Figure

A_FRAME = 1200  # milliseconds


class Film(Styled):
    """`frames`, the first of them shown: the player runs through them, the slider `step` goes to any.

    The slider says the value `at` which a frame is, by default its number. The page itself turns the frames,
    so that a film plays while a cell is at work. ValueError: there is none, or not a value for each.
    """

    def __init__(
        self, frames: Sequence[Figure], name: str = "step", at: Sequence[float] | None = None
    ) -> None:
        if not frames:
            raise ValueError("a film needs a frame")
        self.frames = list(frames)
        numbers = range(len(self.frames))
        said = [f"{value:g}" for value in (numbers if at is None else at)]
        self.player = widgets.Play(min=0, max=numbers[-1], interval=A_FRAME, show_repeat=False)
        self.step = widgets.SelectionSlider(
            options=list(zip(said, numbers, strict=True)),
            description=name,
            style={"description_width": "initial"},
        )
        pictures = [widgets.HTML(frame.html()) for frame in self.frames]
        self.screen = widgets.Stack(pictures, selected_index=0)
        widgets.jslink((self.player, "value"), (self.step, "index"))
        widgets.jslink((self.step, "index"), (self.screen, "selected_index"))
        super().__init__([row(self.player, self.step), self.screen])

    @property
    def picture(self) -> Figure:
        """The frame that is shown."""
        return self.frames[self.step.index]

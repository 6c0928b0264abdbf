"""Controls that explorers share: sliders, rows, a figure that is redrawn, the choice of a pair."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from dpoq_lab.messages import who_said_what
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.theme import STYLE

if TYPE_CHECKING:
    from dpoq_lab.encoding import EncodedPair
    from dpoq_lab.preferences import Message

COLUMN = {"flex": "1 1 22em", "padding": "0 .5em"}  # half a page, or a whole narrow one
WIDE_CHOICE = {"width": "40em", "max_width": "98%"}


def slider(name: str, value: float, low: float, high: float, step: float) -> widgets.FloatSlider:
    """A slider with its name in full."""
    look = {"style": {"description_width": "initial"}, "layout": {"width": "24em"}}
    return widgets.FloatSlider(value, min=low, max=high, step=step, description=name, **look)


def stands_at(control: widgets.Widget, value: float) -> bool:
    """Does a slider stand there? 0.1 comes back from a browser as 0.09999999999999999."""
    return abs(control.value - value) < 1e-6


def row(*controls: widgets.Widget) -> widgets.HBox:
    """Controls side by side, or below one another where the page is narrow or enlarged."""
    return widgets.HBox(controls, layout={"flex_flow": "row wrap"})


class Styled(widgets.VBox):
    """Widgets below one another, and once for them all the style of what they show."""

    def __init__(self, children: Iterable[widgets.Widget]) -> None:
        super().__init__([widgets.HTML(STYLE, layout={"display": "none"}), *children])


class LiveFigure(widgets.HTML):
    """A figure in a page that `draw` replaces; `figure` stands there, `reading` and `data` are its."""

    figure: Figure

    def draw(self, figure: Figure) -> None:
        """Show another figure."""
        self.figure = figure
        self.value = figure.html()

    @property
    def reading(self) -> str:
        """What the figure shows, in a line."""
        return self.figure.reading

    @property
    def data(self) -> dict[str, Any]:
        """What is drawn."""
        return self.figure.data


def on_change(controls: Iterable[widgets.Widget], render: Callable[[], None]) -> None:
    """Call `render` whenever the value of one of `controls` changes."""
    for control in controls:
        control.observe(lambda _: render(), "value")


def pair_dropdown(pairs: "list[EncodedPair]") -> widgets.Dropdown:
    """A choice of a pair, by number, named by the start of its prompt."""
    names = [(f"{i}: {_last(pair.pair.prompt)[:60]}", i) for i, pair in enumerate(pairs)]
    return widgets.Dropdown(options=names, description="pair", layout=WIDE_CHOICE)


def prompt_text(pair: "EncodedPair") -> str:
    """The prompt; of a chat its one message, or who said what."""
    prompt = pair.pair.prompt
    return _last(prompt) if isinstance(prompt, str) or len(prompt) == 1 else who_said_what(prompt)


def _last(prompt: "str | list[Message]") -> str:
    return prompt if isinstance(prompt, str) else prompt[-1]["content"]

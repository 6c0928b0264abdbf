"""Widgets that explorers share."""

from dpoq_lab.views.controls import LiveFigure, Styled
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.theme import STYLE


def test_the_style_comes_once_and_a_redraw_sends_the_picture_alone():
    live = LiveFigure()
    column = Styled([live])
    assert column.children[0].value == STYLE
    live.draw(Figure("<path/>", 10, 10, "alt", "first"))
    assert live.reading == "first"
    live.draw(Figure("<path/>", 10, 10, "alt", "second", {"x": 1}))
    assert (live.reading, live.data) == ("second", {"x": 1})
    assert live.value == live.figure.html()
    assert "<style>" not in live.value

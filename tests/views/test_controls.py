"""Widgets that explorers share."""

from dpoq_lab.encoding import EncodedPair
from dpoq_lab.preferences import Pair
from dpoq_lab.views.controls import LiveFigure, Styled, on_change, pair_dropdown, prompt_text, row, slider
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


def pair(prompt):
    return EncodedPair(None, None, Pair(prompt, "a", "b"))


def test_a_prompt_is_its_text_its_one_message_or_who_said_what():
    one, two = {"role": "user", "content": "Sky?"}, {"role": "assistant", "content": "Blue."}
    assert prompt_text(pair("Sky?")) == prompt_text(pair([one])) == "Sky?"
    assert prompt_text(pair([one, two])) == "user: Sky?\nassistant: Blue."


def test_pairs_are_chosen_by_number_and_the_start_of_the_last_that_was_said():
    last = [{"role": "user", "content": "no"}, {"role": "user", "content": "x" * 70}]
    choice = pair_dropdown([pair("Sky?"), pair(last)])
    assert choice.options == (("0: Sky?", 0), (f"1: {'x' * 60}", 1))
    assert (choice.description, choice.value) == ("pair", 0)


def test_a_slider_has_its_ends_and_steps_and_on_change_hears_values_alone():
    control = slider("beta", 0.3, 0.1, 0.9, 0.2)
    assert (control.value, control.min, control.max, control.step) == (0.3, 0.1, 0.9, 0.2)
    assert control.description == "beta"
    heard = []
    on_change([control], lambda: heard.append(control.value))
    control.value = 0.5
    control.max = 2.0
    assert heard == [0.5]
    assert row(control).children == (control,)
    assert row(control).layout.flex_flow == "row wrap"

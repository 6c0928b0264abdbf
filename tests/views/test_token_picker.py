"""Choosing a token: by the page, through a hidden number box, and by code, which the page then shows."""

import re

import pytest

from dpoq_lab.views.token_picker import TokenPicker
from dpoq_lab.views.token_view import cells


@pytest.fixture
def picker():
    shown = TokenPicker()
    shown.show(cells(["a", "b", "c"], [0.1, -0.2, 0.3], 1.0), "three")
    return shown


def marked(picker):
    """Which tokens of the strip that was sent are marked as chosen."""
    return re.findall(r'aria-selected="(\w+)"', picker.children[0].value)


def test_a_choice_by_code_is_drawn_and_told(picker):
    told = []
    picker.on_choose(told.append)
    picker.selected = 1
    assert marked(picker) == ["false", "true", "false"]
    assert told == [1]


def test_a_choice_by_the_page_is_told_and_not_sent_back(picker):
    """The page has marked the token itself and holds the focus there."""
    told, before = [], picker.children[0].value
    picker.on_choose(told.append)
    picker.box.value = 2
    assert (told, picker.selected) == ([2], 2)
    assert picker.children[0].value == before


def test_dropping_a_choice_reaches_a_page_that_made_it_itself(picker):
    """What is sent must differ from what was sent before, or the page would keep its own mark."""
    before = picker.children[0].value
    picker.box.value = 2
    picker.selected = -1
    assert marked(picker) == ["false"] * 3
    assert picker.children[0].value != before


@pytest.mark.parametrize(("n", "stays"), [(1, False), (2, False), (3, True)])
def test_a_choice_beyond_the_end_of_other_tokens_is_dropped(picker, n, stays):
    picker.selected = 2
    picker.show(cells(["a"] * n, [0.1] * n, 1.0), "others")
    assert picker.selected == (2 if stays else -1)
    assert marked(picker) == ["false", "false", "true"][:n] if stays else ["false"] * n


def test_before_anything_is_shown_no_token_is_drawn():
    picker = TokenPicker()
    assert (picker.cells, picker.selected, picker.box.layout.display) == ([], -1, "none")
    picker.selected = -1
    assert marked(picker) == []
    assert 'aria-label=""' in picker.children[0].value
    assert picker.children[0].value.endswith("<!-- 1 -->")
    assert "dpoq-picker" in picker._dom_classes

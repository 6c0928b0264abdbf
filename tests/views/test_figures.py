"""A figure leaves the house with its alt text and its reading, or not at all."""

import re

import pytest
from hand_made import elements

from dpoq_lab.views.figures import Figure, beside, sheet, show
from dpoq_lab.views.tables import Table


def test_a_figure_without_alt_text_or_reading_cannot_be_made():
    for alt, reading in (("", "a reading"), ("alt", "  ")):
        with pytest.raises(ValueError, match="alt text and a reading"):
            Figure("", 10, 10, alt, reading)


def test_it_shows_its_reading_above_the_picture_with_alt_text():
    page = Figure("<path/>", 30, 20, 'says "x" < y', "a < b").html()
    assert page.index("a &lt; b</figcaption>") < page.index("<svg")
    [svg] = [Figure("", 30, 20, 'says "x" < y', "r")]
    assert 'role="img" aria-label="says &quot;x&quot; &lt; y"' in svg.svg()
    assert 'viewBox="0 0 30 20"' in svg.svg()


def test_figures_beside_one_another_keep_their_data_and_do_not_overlap():
    one, two = (Figure(f'<path class="{n}"/>', 100, h, n, n, {n: 1}) for n, h in (("a", 40), ("b", 60)))
    both = beside(one, two, alt="seen", reading="told", gap=20)
    assert (both.width, both.height, both.data) == (220, 60, {"a": 1, "b": 1})
    assert (both.alt, both.reading) == ("seen", "told")
    assert [g.get("transform") for g in elements(both, "g")] == ["translate(0,0)", "translate(120,0)"]


def test_show_gives_html_to_people_and_the_reading_to_a_console(capsys):
    show(Figure("", 10, 10, "alt", "the reading"), Table([("a", "b"), ("x", "1")]))
    assert capsys.readouterr().out == "the reading\na  b\nx  1\n"


def test_a_sheet_puts_each_picture_below_the_shortest_column():
    """Columns of 620 with 24 about them; titles take 34. The first is twice as wide as drawn: 200 high."""
    sizes = [("one", 310, 100), ("two", 620, 50), ("three", 620, 62)]
    page = sheet([(name, Figure(f"<{name}/>", w, h, "alt", "reading")) for name, w, h in sizes])
    assert re.findall(r'x="(\d+)" y="([\d.]+)">(\w+)</text>', page) == [
        ("24", "46.0", "one"),
        ("668", "46.0", "two"),
        ("668", "154.0", "three"),  # 24 + 34 + 50 + 24, and 22 for the letters
    ]
    assert re.findall(
        r'<svg x="(\d+)" y="([\d.]+)" width="(\d+)" height="([\d.]+)" viewBox="(.*?)">', page
    ) == [
        ("24", "58.0", "620", "200.0", "0 0 310 100"),
        ("668", "58.0", "620", "50.0", "0 0 620 50"),
        ("668", "166.0", "620", "62.0", "0 0 620 62"),
    ]
    assert 'viewBox="0 0 1312 282" width="1312" height="282"' in page  # 3 * 24 + 2 * 620; 24 + 34 + 200 + 24
    assert '<rect width="1312" height="282" fill="white"/>' in page


def test_beside_one_another_is_20_pixels_apart_if_nothing_else_is_said():
    figures = [Figure("", 100, 40, "a", "a")] * 2
    assert beside(*figures, alt="a", reading="b").width == 220


def test_show_gives_people_the_style_too_and_takes_html(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    show(Figure("<path/>", 10, 10, "alt", "the reading"), "<p>x</p>")
    figure, text = (each._repr_html_() for each in shown)
    assert figure.startswith("<style>")
    assert figure.count("<path/>") == 1
    assert text.endswith("<p>x</p>")
    assert [repr(each) for each in shown] == ["the reading", ""]

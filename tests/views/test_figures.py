"""A figure leaves the house with its alt text and its reading, or not at all."""

import pytest
from hand_made import elements

from dpoq_lab.views.figures import Figure, beside, show
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
    both = beside(one, two, alt="both", reading="both", gap=20)
    assert (both.width, both.height, both.data) == (220, 60, {"a": 1, "b": 1})
    assert [g.get("transform") for g in elements(both, "g")] == ["translate(0,0)", "translate(120,0)"]


def test_show_gives_html_to_people_and_the_reading_to_a_console(capsys):
    show(Figure("", 10, 10, "alt", "the reading"), Table([("a", "b"), ("x", "1")]))
    assert capsys.readouterr().out == "the reading\na  b\nx  1\n"

"""Charts: a point stands where its numbers say, and no name lies on another."""

import math

import pytest
from hand_made import elements, texts

from dpoq_lab.views.charts import (
    GREY,
    LESS,
    LOOKS,
    MORE,
    Axis,
    Series,
    axis,
    chart,
    named_axis,
    spread,
)


def plot(*series, x=None, y=None, **size):
    return chart(series, x or Axis("x", 0, 10), y or Axis("y", 0, 100), "alt", "reading", **size)


def places(figure):
    """Pixels of the points drawn."""
    dots = elements(figure, "path", "dpoq-dot")
    return [tuple(float(v) for v in dot.get("transform")[10:-1].split(",")) for dot in dots]


def test_points_by_hand():
    """The plane is 74 pixels from the left and 40 from the top, below a row of names; 588 by 264 pixels."""
    figure = plot(Series("p", [0, 10], [0, 100], marks="dots"), width=684, height=360)
    (left, bottom), (right, top) = places(figure)[:-1]  # the last is the key's
    assert (left, bottom) == (74, 304)
    assert (right, top) == (pytest.approx(684 - 22), 40)


def test_a_logarithmic_axis_has_equal_steps_for_equal_ratios():
    x = Axis("x", 1, 100, log=True)
    assert [x.share(v) for v in (1, 10, 100)] == pytest.approx([0, 0.5, 1])
    assert [text for _, text in x.ticks()] == ["1", "10", "100"]
    assert [text for _, text in Axis("beta", 0.2, 5, log=True).ticks()] == ["0.3", "1", "3"]


def test_ticks_are_round_and_within_the_axis():
    assert [text for _, text in Axis("", -0.7, 1.2).ticks()] == ["\u22120.5", "0", "0.5", "1"]
    assert [text for _, text in Axis("", 0, 1200).ticks()][-1] == "1,000"
    for low, high in ((0.0, 1e-3), (-5.0, 5.0), (99.0, 101.0)):
        ticks = [value for value, _ in Axis("", low, high).ticks()]
        assert 3 <= len(ticks) <= 7
        assert low <= min(ticks) < max(ticks) <= high


def test_the_numbers_of_values_nearly_alike_stay_short():
    ticks = [text for _, text in axis("share", [0.9991, 0.9998]).ticks()]
    assert len(ticks) >= 3
    assert max(map(len, ticks)) <= 5


def test_an_axis_holds_what_is_known_and_what_it_must_include():
    found = axis("x", [2.0, None, math.nan, 3.0], include=[0.0])
    assert found.low < 0 < 3 < found.high
    flat = axis("x", [1.0, 1.0])
    assert flat.low < 1 < flat.high
    assert axis("x", []).high > axis("x", []).low


def test_what_stands_beside_a_point_has_room_and_takes_the_place_of_the_name():
    """The right edge is the plane's: no name stands there. A tag at the edge turns to the left."""
    ends = Series("run", [0, 10, 10], [0, 100, 99], tags=["starts", "ends", ""])
    tags = [e for e in elements(plot(ends, width=684), "text") if "fill" in e.get("class", "")]
    assert [(e.text, e.get("text-anchor")) for e in tags] == [("ends", "end"), ("starts", "start")]
    assert [float(e.get("x")) for e in tags] == [684 - 22 - 8, 74 + 8]


def test_a_key_wider_than_the_figure_takes_two_rows():
    series = [Series(name, [5], [50], marks="dots") for name in ("one", "two", "three")]
    (_, wide), (_, narrow) = (places(plot(*series, width=width))[0] for width in (684, 260))
    assert narrow > wide


def test_the_zero_of_x_is_marked_where_it_is_asked_for():
    series = Series("p", [-1, 1], [-1, 1])
    for zero, marked in ((True, 2), (False, 1)):
        figure = plot(series, x=Axis("x", -1, 1, zero=zero), y=Axis("y", -1, 1))
        assert len(elements(figure, "path", "dpoq-zero")) == marked


def test_categories_stand_at_their_names():
    figure = plot(
        Series("p", [0, 1], [1, 2], marks="dots"), x=named_axis("width", [5, 20]), y=Axis("y", 0, 3)
    )
    names = {e.text: float(e.get("x")) for e in elements(figure, "text")}
    (five, _), (twenty, _) = places(figure)[:-1]
    assert (names["5"], names["20"]) == (pytest.approx(five, abs=0.1), pytest.approx(twenty, abs=0.1))


def test_a_line_is_broken_where_nothing_is_known():
    [curve] = elements(plot(Series("c", [0, 1, 2, 3], [1, None, math.nan, 4])), "path", "dpoq-line")
    assert curve.get("d").count("M") == 2
    assert "L" not in curve.get("d")


def test_lines_are_named_at_their_ends_apart_and_points_in_a_row_above():
    lines = [Series(name, [0, 10], [0, 50], look) for name, look in zip("abcd", LOOKS, strict=True)]
    figure = plot(*lines, Series("dots", [5], [5], GREY, "dots"))
    names = {e.text: float(e.get("y")) for e in elements(figure, "text")}
    ends = sorted(names[name] for name in "abcd")
    assert all(b - a >= 18.9 for a, b in zip(ends[:-1], ends[1:], strict=True))
    assert names["dots"] == 20


def test_names_too_near_the_border_are_moved_inwards():
    assert spread([0, 1, 2], 10, 0, 100) == [0, 10, 20]
    assert spread([98, 99], 10, 0, 100) == [90, 100]


def test_looks_differ_without_colour():
    assert len({look.dash for look in LOOKS}) == len({look.symbol for look in LOOKS}) == len(LOOKS)


def test_whiskers_reach_as_far_as_the_half_width_and_seeds_stand_at_their_values():
    series = Series("p", [5], [50], MORE, "both", half=[20], seeds=[[40, 65]])
    figure = plot(series, y=Axis("y", 0, 100), height=352)  # 282 pixels high, below 14
    [whisker] = elements(figure, "path", "dpoq-whisker")
    assert whisker.get("d").endswith("211.4V98.6")  # 14 + 282 * 0.7 and 14 + 282 * 0.3
    seeds = elements(figure, "path", "dpoq-seed")
    found = [float(seed.get("transform")[10:-1].split(",")[1]) for seed in seeds]
    assert found == pytest.approx([14 + 282 * 0.6, 14 + 282 * 0.35], abs=0.1)


def test_an_unknown_half_width_has_no_whisker():
    assert not elements(plot(Series("p", [5], [50], LESS, "both", half=[math.nan])), "path", "dpoq-whisker")


def test_names_titles_and_hovers_stay_text():
    hostile = "<script>alert(1)</script>"
    figure = plot(
        Series(hostile, [0, 1], [0, 1]),
        Series("p", [1], [1], marks="dots", hovers=[hostile]),
        x=Axis(hostile, 0, 10),
    )
    assert not elements(figure, "script")
    assert texts(figure).count(hostile) == 2
    assert [e.text for e in elements(figure, "title")] == [hostile]

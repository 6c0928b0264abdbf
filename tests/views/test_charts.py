"""Charts: a point stands where its numbers say, and no name lies on another."""

import math

import pytest
from hand_made import drawing, elements, texts

from dpoq_lab.views.charts import (
    GREY,
    LESS,
    LINE,
    LOOKS,
    MORE,
    Axis,
    Look,
    Series,
    _rows,
    axis,
    bar,
    chart,
    exact_ticks,
    key,
    named_axis,
    path,
    spread,
    symbol,
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


SERIES = [
    Series(
        *("ab", [0, 5, 10], [0, None, 100], MORE, "both"),
        half=[10, 0, math.nan],
        seeds=[[20, 30], [], [90]],
        hovers=["p", "q", "r"],
    ),
    Series("cd", [0, 5, 10], [100, 60, 90], LESS),
    Series("e", [5], [50], GREY, "dots"),
]
DRAWN = """
path dpoq-grid M74.0 40.0L74.0 140.0
text 74.0 160.0 middle quiet | 0
path dpoq-grid M94.0 40.0L94.0 140.0
text 94.0 160.0 middle quiet | 2
path dpoq-grid M114.0 40.0L114.0 140.0
text 114.0 160.0 middle quiet | 4
path dpoq-grid M134.0 40.0L134.0 140.0
text 134.0 160.0 middle quiet | 6
path dpoq-grid M154.0 40.0L154.0 140.0
text 154.0 160.0 middle quiet | 8
path dpoq-grid M174.0 40.0L174.0 140.0
text 174.0 160.0 middle quiet | 10
path dpoq-zero M74.0 140.0L174.0 140.0
text 66.0 145.0 end quiet | 0
path dpoq-grid M74.0 120.0L174.0 120.0
text 66.0 125.0 end quiet | 20
path dpoq-grid M74.0 100.0L174.0 100.0
text 66.0 105.0 end quiet | 40
path dpoq-grid M74.0 80.0L174.0 80.0
text 66.0 85.0 end quiet | 60
path dpoq-grid M74.0 60.0L174.0 60.0
text 66.0 65.0 end quiet | 80
path dpoq-grid M74.0 40.0L174.0 40.0
text 66.0 45.0 end quiet | 100
text 124.0 184.0 middle  | across
g translate(16,90) rotate(-90)
text 0.0 0.0 middle  | up
path dpoq-whisker more M69.0 150.0h10M69.0 130.0h10M74.0 150.0V130.0
path dpoq-line more M74.0 140.0M174.0 40.0
path dpoq-seed fill more translate(74.0,120.0) M-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0z
path dpoq-seed fill more translate(74.0,110.0) M-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0z
path dpoq-seed fill more translate(174.0,50.0) M-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0z
path dpoq-dot fill more translate(74.0,140.0) M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z
title | p
path dpoq-dot fill more translate(174.0,40.0) M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z
title | r
path dpoq-line less M74.0 40.0L124.0 80.0L174.0 50.0 8 5
path dpoq-dot fill grey translate(124.0,90.0) M-5 -5h10v10h-10z
text 182.0 45.0 start fill more | ab
text 182.0 64.0 start fill less | cd
g translate(0,0)
path dpoq-dot fill grey translate(82.0,15.0) M-5 -5h10v10h-10z
text 96.0 20.0 start fill grey | e
"""


def test_a_drawing_whole():
    """A plane of 100 by 100 pixels: x is 74 + 10 across, y is 140 - up. A whisker of 0 +- 10, none for NaN; a
    gap where nothing is known; names at the ends, 5 below their point and 19 apart at least."""
    figure = chart(SERIES, Axis("across", 0, 10), Axis("up", 0, 100), "alt", "reading", 212.4, 196)
    assert drawing(figure.svg()) == DRAWN.strip("\n").split("\n")


OF_CATEGORIES = """
text 99.0 134.0 middle quiet | u
text 149.0 134.0 middle quiet | v
path dpoq-grid M74.0 114.0L174.0 114.0
text 66.0 119.0 end quiet | −1
path dpoq-grid M74.0 89.0L174.0 89.0
text 66.0 94.0 end quiet | −0.5
path dpoq-zero M74.0 64.0L174.0 64.0
text 66.0 69.0 end quiet | 0
path dpoq-grid M74.0 39.0L174.0 39.0
text 66.0 44.0 end quiet | 0.5
path dpoq-grid M74.0 14.0L174.0 14.0
text 66.0 19.0 end quiet | 1
text 124.0 158.0 middle  | kind
g translate(16,64) rotate(-90)
text 0.0 0.0 middle  | up
path dpoq-line less M99.0 14.0L149.0 114.0 8 5
text 182.0 119.0 start fill less | n
"""


def test_a_drawing_of_categories_has_no_grid_across_and_no_row_of_names():
    """Halves of 100 pixels for two categories; without points the plane begins at 14."""
    figure = chart(
        [Series("n", [0, 1], [1, -1], LESS)],
        named_axis("kind", ["u", "v"]),
        Axis("up", -1, 1),
        "alt",
        "reading",
        204.2,
        170,
    )
    assert drawing(figure.svg()) == OF_CATEGORIES.strip("\n").split("\n")


@pytest.mark.parametrize(
    ("name", "kind", "shape"),
    [
        ("circle", "dpoq-dot fill ink", "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z"),
        ("diamond", "dpoq-dot fill ink", "M0 -6.5L6.5 0L0 6.5L-6.5 0z"),
        ("square", "dpoq-dot fill ink", "M-5 -5h10v10h-10z"),
        ("cross", "dpoq-dot ink", "M-5 -5L5 5M5 -5L-5 5"),
        ("star", "dpoq-dot fill ink", "M0 -9L2.75 -2.75L9 0L2.75 2.75L0 9L-2.75 2.75L-9 0L-2.75 -2.75z"),
        ("ring", "dpoq-dot ink", "M-9 0a9 9 0 1 0 18 0a9 9 0 1 0 -18 0z"),
    ],
)
def test_symbols_of_radius_5(name, kind, shape):
    """A diamond reaches 1.3, a ring and a star 1.8 times as far; lines and rings are not filled."""
    assert drawing(symbol(1, 2, Look("ink", symbol=name))) == [f"path {kind} translate(1.0,2.0) {shape}"]


def test_bars_lines_and_the_row_of_names():
    """A bar is half a pixel wide at least; names stand 46 pixels and their letters of 8.2 apart."""
    assert drawing(bar(1, 2, 3, 4, "more")) == ["rect dpoq-bar fill more 1.0 2.0 3.0 4"]
    assert drawing(bar(1, 2, 0.1, 4, "more")) == ["rect dpoq-bar fill more 1.0 2.0 0.5 4"]
    assert drawing(path("M0 0", MORE)) == ["path dpoq-line more M0 0"]
    assert drawing(path("M0 0", LESS, 3)) == ["path stroke-width:3px dpoq-line less M0 0 8 5"]
    row = drawing(key([Series("abc", [], []), Series("d", [], [], GREY)], 10))
    assert [" ".join(line.split()[:6]) for line in row if line.startswith("text")] == [
        "text 32.0 20.0 start fill more",
        "text 102.6 20.0 start fill grey",  # 32 + 46 + 3 * 8.2
    ]


def test_the_room_at_the_ends_of_an_axis_by_hand():
    """6% of the range at each end; half a unit about one value; of values alike 2.5% of their size and 6%."""
    ends = {
        (1.0, 3.0): (0.88, 3.12),
        (5.0,): (4.5, 5.5),
        (): (-0.06, 1.06),
        (10.0, 10.2): (10.1 - 0.255 * 1.12, 10.1 + 0.255 * 1.12),
        (9.5, 10.0): (9.47, 10.03),  # 5% apart is not alike
        (-10.0, -10.2): (-10.1 - 0.25 * 1.12, -10.1 + 0.25 * 1.12),
    }
    for values, (low, high) in ends.items():
        found = axis("t", values)
        assert (found.title, found.log) == ("t", False)
        assert (found.low, found.high) == pytest.approx((low, high))
    found = axis("t", [1.0, 100.0], log=True)
    assert found.log
    assert (found.low, found.high) == pytest.approx((100**-0.04 / 1.02, 100**1.04 * 1.02))


@pytest.mark.parametrize(
    ("low", "high", "log", "ticks"),
    [
        (1, 1000, True, "1 10 100 1,000"),
        (1, 30, True, "1 3 10 30"),
        (1, 8, True, "1 2 5"),
        (2, 40, True, "3 10 30"),
        (0.5, 1.5, True, "0.5 1"),
        (0, 1, False, "0 0.2 0.4 0.6 0.8 1"),
        (0, 2, False, "0 0.5 1 1.5 2"),
        (0, 12, False, "0 2.5 5 7.5 10"),
        (-1000, 1500, False, "\u22121,000 \u2212500 0 500 1,000 1,500"),
        (0.15, 0.9, False, "0.2 0.4 0.6 0.8"),
    ],
)
def test_ticks_by_hand(low, high, log, ticks):
    """Steps of 1, 2, 2.5, 5 or 10, the least of which five fill the axis; decades, then 1 3, then 1 2 5."""
    assert " ".join(text for _, text in Axis("", low, high, log).ticks()) == ticks


def test_names_are_moved_apart_and_then_back_from_the_border():
    assert spread([5, 50, 52], 10, 8, 55) == [8, 45, 55]


def test_a_figure_is_as_large_as_asked_and_holds_its_series():
    series = [Series("p", [1], [2], marks="dots"), Series("q", [1, 2], [2, 3])]
    assert (plot(*series).width, plot(*series).height) == (760, 360)
    figure = plot(*series, width=300, height=200)
    assert (figure.width, figure.height, figure.alt, figure.reading) == (300, 200, "alt", "reading")
    assert figure.data == {"p": series[0], "q": series[1]}


def test_a_row_of_names_takes_what_fits_to_the_pixel():
    """A name of five letters takes 46 + 5 * 8.2 = 87 pixels; the plane begins at 74; a row is 26 high."""
    names = [Series(name, [5], [50], marks="dots") for name in ("fives", "fifth", "other")]
    rows = {
        (width, n): _rows(names[:n], width) for width, n in ((174, 2), (173.9, 2), (261, 3), (174, 3), (9, 3))
    }
    assert {asked: [len(row) for row in found] for asked, found in rows.items()} == {
        **{(174, 2): [2], (173.9, 2): [1, 1], (261, 3): [3], (174, 3): [2, 1], (9, 3): [1, 1, 1]}
    }
    assert rows[174, 3] == [names[:2], names[2:]]
    for width, top in ((74 + 261, 40), (74 + 174, 66), (74 + 90, 92)):
        figure = plot(*names, width=width, height=300)
        grid = elements(figure, "path", "dpoq-grid")[0].get("d")
        assert grid == f"M74.0 {top:.1f}L74.0 244.0"
        moved = [e.get("transform") for e in elements(figure, "g")][1:]
        assert moved == [f"translate(0,{26 * k})" for k in range((top - 14) // 26)]


def test_a_tag_turns_to_the_left_only_where_it_would_leave_the_plane():
    """The plane ends at 178, 10.4 pixels a unit; ten letters are 82 and stand 8 beside their point."""
    for x, anchor, at in ((0.6, "start", 88.24), (1.4, "end", 80.56), (1.3, "start", 95.52)):
        figure = plot(Series("s", [x], [50], tags=["0123456789"]), x=Axis("x", 0, 10), width=200)
        [tag] = [e for e in elements(figure, "text") if e.text == "0123456789"]
        assert (tag.get("text-anchor"), float(tag.get("x"))) == (anchor, pytest.approx(at, abs=0.06))
        assert tag.get("class") == "fill more"


def test_tags_keep_within_the_plane_and_apart():
    """It reaches from 14 to 304 pixels: baselines from 28 to 298, 19 below their points and 18 apart."""
    ends = Series("s", [2, 5, 5], [100, 0, 1], tags=["top", "low", "lower"])
    tags = {e.text: float(e.get("y")) for e in elements(plot(ends, height=360), "text")}
    assert [tags[name] for name in ("top", "lower", "low")] == [33, 298 - LINE, 298]


def test_exact_ticks_by_hand():
    """The first from 13 to 2 pixels above, the second from 2 to 13 below."""
    first, second = "path dpoq-whisker ink M7.0 37.0L7.0 48.0", "path dpoq-whisker less M9.0 52.0L9.0 63.0"
    assert drawing(exact_ticks([7, 9], 50)) == [first, second]
    assert drawing(exact_ticks([7], 50)) == [first]


def test_what_is_no_number_is_left_out_of_an_axis_and_of_a_lines_end():
    """The name of a line stands at the last point that is there; a line without any has none."""
    figure = plot(Series("ab", [0, 5, 10], [0, 100, math.nan]), Series("none", [0, 1], [None, math.inf]))
    assert [e.text for e in elements(figure, "text") if "fill" in e.get("class")] == ["ab"]
    [name] = [e for e in elements(figure, "text") if e.text == "ab"]
    assert float(name.get("y")) == 14 + 5  # at 100, the top
    assert named_axis("t", [3, "b"]) == Axis("t", -0.5, 1.5, names=["3", "b"])
    assert named_axis("t", [3, "b"]).ticks() == [(0, "3"), (1, "b")]


def test_names_at_the_bottom_of_a_wide_plane_stay_above_its_edge():
    """The plane ends at 304 pixels; the lower name stands there, the other one a line above."""
    figure = plot(Series("p", [0, 10], [5, 0]), Series("q", [0, 10], [9, 0]))
    at = {e.text: float(e.get("y")) for e in elements(figure, "text") if e.text in ("p", "q")}
    assert at == {"p": 304 + 5 - LINE, "q": 304 + 5}

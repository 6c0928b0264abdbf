"""Results over seeds: means, intervals and seeds stand where their numbers say."""

import pytest
from hand_made import drawing, elements, texts

from dpoq_lab.views.whiskers import PANEL, whisker_figure, with_exact, with_interval

ROWS = [
    ("a kind", {}),
    ("x", {"score": {"mean": 0.5, "half_95": 0.25, "values": [0.4, 0.6]}}),
    ("yy", {"score": {"mean": 1.0, "half_95": float("nan"), "values": [1.0]}, "other": with_interval(
        {"auroc": -1.0, "auroc_interval_95": [-2.0, 0.5]}, "auroc")}),
]  # fmt: skip
FIGURE = whisker_figure(ROWS, {"score": "Score", "other": "Other"}, "alt", "reading")


def across(element):
    return float(element.get("transform")[10:-1].split(",")[0])


def test_means_and_seeds_lie_on_one_scale():
    """The axis of `score` holds 0.25 to 1 with 6% to spare: 0.205 to 1.045."""
    x, yy, other = elements(FIGURE, "path", "dpoq-dot")
    assert across(yy) - across(x) == pytest.approx(PANEL * 0.5 / 0.84, abs=0.2)
    one, two, last = elements(FIGURE, "path", "dpoq-seed")
    assert across(two) - across(one) == pytest.approx(PANEL * 0.2 / 0.84, abs=0.2)
    assert across(last) == across(yy)
    assert across(other) > across(yy) + 50  # in a panel of its own


def test_a_row_says_its_name_and_its_mean_and_a_heading_only_its_name():
    shown = texts(FIGURE)
    assert shown[:3] == ["a kind", "x", "yy"]
    assert {"0.50", "1.00", "\u22121.00"} <= set(shown)
    assert len(elements(FIGURE, "path", "dpoq-whisker")) == 3


def test_an_interval_that_is_not_symmetric_is_drawn_as_it_is():
    *_, whisker = elements(FIGURE, "path", "dpoq-whisker")
    low, high = (float(part) for part in (whisker.get("d")[1:].split()[0], whisker.get("d").split("H")[1]))
    [*_, dot] = elements(FIGURE, "path", "dpoq-dot")
    assert (across(dot) - low) / (high - low) == pytest.approx(1 / 2.5, abs=0.01)


def test_exact_values_are_ticks_within_the_axis_and_are_named():
    """Of one panel 0 to 4 and 6%: 4 lies 0.06 / 1.12 from its end, 2 in the middle."""
    row = with_exact(
        {"m": {"mean": 0.0, "half_95": 0.0}}, {"best": {"m": 4.0, "k": 1.0}, "limit": {"m": 2.0}}
    )
    assert row == {"m": {"mean": 0.0, "half_95": 0.0, "exact": {"best": 4.0, "limit": 2.0}}}
    figure = whisker_figure([("head", {}), ("one", row)], {"m": "measure"}, "alt", "reading")
    ticks = [line for line in drawing(figure.svg()) if "whisker ink" in line or "whisker less" in line]
    left, end = 48.8, 48.8 + PANEL * 1.06 / 1.12
    assert ticks == [
        f"path dpoq-whisker ink M{end:.1f} 58.0L{end:.1f} 69.0",
        f"path dpoq-whisker less M{left + PANEL / 2:.1f} 73.0L{left + PANEL / 2:.1f} 84.0",
    ]
    said = drawing(figure.svg())[-1]
    assert said == "text 48.8 126.0 start small | upper tick: best; lower tick: limit"
    assert figure.height == 30 + 2 * 27 + 26 + 24


def test_what_is_heard_and_what_is_read_and_its_minus():
    figure = whisker_figure(ROWS, {"score": "Score"}, "rows of means", "x-1 is -0.25, y 3-4")
    assert (figure.alt, figure.reading) == ("rows of means", "x-1 is \u22120.25, y 3-4")
    assert figure.data == dict(ROWS)


TWO = [
    ("head", {}),
    ("one", {"m": {"mean": 1.0, "half_95": 1.0, "values": [0.5, 1.5]}}),
    (
        "two",
        {
            "m": {"mean": 3.0, "interval_95": [2.0, 5.0]},
            "k": {"mean": -1.0, "half_95": float("nan"), "values": [-1.0]},
        },
    ),
]
DRAWN = """
text 0.0 49.0 start word | head
text 0.0 76.0 start  | one
text 0.0 103.0 start  | two
text 48.8 18.0 start  | measure
path dpoq-zero M60.0 28.0L60.0 111.0
text 60.0 129.0 middle quiet small | 0
path dpoq-grid M135.1 28.0L135.1 111.0
text 135.1 129.0 middle quiet small | 2
path dpoq-grid M210.1 28.0L210.1 111.0
text 210.1 129.0 middle quiet small | 4
path dpoq-seed fill more translate(78.8,71.0) M-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0z
path dpoq-seed fill more translate(116.3,71.0) M-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0z
path dpoq-whisker more M60.0 66.0v10M135.1 66.0v10M60.0 71.0H135.1
path dpoq-dot fill more translate(97.6,71.0) M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z
text 266.8 76.0 start small | 1.00
path dpoq-whisker more M135.1 93.0v10M247.6 93.0v10M135.1 98.0H247.6
path dpoq-dot fill more translate(172.6,98.0) M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z
text 266.8 103.0 start small | 3.00
text 336.8 18.0 start  | other
path dpoq-grid M357.8 28.0L357.8 111.0
text 357.8 129.0 middle quiet small | −1.4
path dpoq-grid M399.8 28.0L399.8 111.0
text 399.8 129.0 middle quiet small | −1.2
path dpoq-grid M441.8 28.0L441.8 111.0
text 441.8 129.0 middle quiet small | −1
path dpoq-grid M483.8 28.0L483.8 111.0
text 483.8 129.0 middle quiet small | −0.8
path dpoq-grid M525.8 28.0L525.8 111.0
text 525.8 129.0 middle quiet small | −0.6
path dpoq-seed fill more translate(441.8,98.0) M-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0z
path dpoq-whisker more M441.8 93.0v10M441.8 93.0v10M441.8 98.0H441.8
path dpoq-dot fill more translate(441.8,98.0) M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z
text 554.8 103.0 start small | −1.00
"""


def test_two_panels_whole():
    """Rows of 27 pixels below 30; panels of 210 with 78 between them, the first from 16 + 4 letters of 8.2.
    That of `m` holds 0 to 5 and 6%: a mean of 1 stands at 97.6, which is 48.8 + 210 * 1.3 / 5.6."""
    figure = whisker_figure(TWO, {"m": "measure", "k": "other"}, "alt", "reading")
    assert (figure.width, figure.height) == (pytest.approx(48.8 + 2 * 288), 30 + 3 * 27 + 26)
    assert drawing(figure.svg()) == DRAWN.strip("\n").split("\n")

"""Results over seeds: means, intervals and seeds stand where their numbers say."""

import pytest
from hand_made import elements, texts

from dpoq_lab.views.whiskers import PANEL, whisker_figure, with_interval

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

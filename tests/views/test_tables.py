"""Tables: columns that line up, and text that stays text."""

import numpy as np

from dpoq_lab.views.tables import terms_table, text_table


def test_columns_line_up_and_a_heading_widens_none():
    rows = [("", "one", "long head"), ("a heading that is long",), ("x", "12.5", "3"), ("yy", "1", "22")]
    assert text_table(rows).splitlines() == [
        "     one  long head",
        "a heading that is long",
        "x   12.5          3",
        "yy     1         22",
    ]


def test_two_columns_can_stand_to_the_left():
    assert text_table([("a", "bb", "1"), ("ccc", "d", "22")], left=2) == "a    bb   1\nccc  d   22"


def test_names_are_escaped_and_numbers_signed():
    page = terms_table("<b>", ["<i>", "EOS"], {"r": np.array([1.0, -0.5])}, np.array([0.25, 0.75]))
    assert "<i>" not in page
    assert "&lt;i&gt;</td><td>+1.00</td><td>0.25</td>" in page
    assert "EOS</td><td>\u22120.50</td><td>0.75</td>" in page

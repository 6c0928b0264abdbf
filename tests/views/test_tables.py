"""Tables: columns that line up, and text that stays text."""

import numpy as np

from dpoq_lab.views.tables import Table, terms_table, text_table


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


def test_a_meaning_is_told_once_a_table():
    page = Table([("truth", "n"), ("side", "1"), ("side", "2")], meanings={"side": "said once"}).html()
    assert page.count("said once") == page.count('tabindex="0"') * 2 == 2  # for the mouse, and for Tab


def test_a_meaning_stays_within_its_attribute():
    rows = [("side", "n"), ("<s>", "1")]
    page = Table(rows, meanings={"<s>": 'as "said" <b>'}).html()
    what = "as &quot;said&quot; &lt;b&gt;"
    assert f'title="{what}" data-means="{what}">&lt;s&gt;</abbr>' in page


def test_one_table_is_text_for_a_comparison_and_html_for_people():
    table = Table([("", "R"), ("a kind",), ("<b>", "+1.00")], caption="a < b")
    assert str(table) == table.reading == text_table(table.rows)
    page = table.html()
    assert "<caption>a &lt; b</caption>" in page
    assert '<tr><th class="left"></th><th>R</th></tr>' in page
    assert page.count("<tr>") == 3
    assert '<tr><th class="left" colspan="2">a kind</th></tr>' in page
    assert '<tr><td class="left">&lt;b&gt;</td><td>+1.00</td></tr>' in page

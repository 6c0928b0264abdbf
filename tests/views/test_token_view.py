"""The heat map: escaped, its white space shown, centred on 0, its sign readable without colour."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpoq_lab.views.theme import STYLE
from dpoq_lab.views.token_view import cells, colour_share, exact, heat_map, legend, signed, strip, visible

HOSTILE = '</script><img src=x onerror="alert(1)"><b>&amp;'


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def parsed(html):
    parser = Tags()
    parser.feed(html)
    return parser


def test_hostile_tokens_stay_text():
    page = parsed(heat_map([HOSTILE], [0.0], 1.0, caption=HOSTILE))
    assert set(page.tags) == {"div", "span"}
    assert page.text.count(HOSTILE.replace(" ", "\u00b7")) == 1
    assert HOSTILE in page.text  # the caption


@given(st.text(), st.floats(-9, 9))
def test_any_token_makes_only_divs_and_spans(token, value):
    assert set(parsed(heat_map([token], [value], 1.0)).tags) == {"div", "span"}


def test_white_space_and_eos_are_visible():
    assert visible(" a\n\tb") == "\u00b7a\u21b5\u21e5b"
    assert visible("\u27e8EOS\u27e9") == "\u27e8EOS\u27e9"
    assert visible("") == "\u2205"
    assert visible("\x00\u202e") == "\\x00\\x202e"  # control and direction marks cannot act


def test_numbers_always_carry_their_sign():
    assert [signed(v) for v in (0.0, -0.0, 0.004, -0.004, 1.5, -1.5)] == [
        "+0.00", "+0.00", "+0.00", "+0.00", "+1.50", "\u22121.50",
    ]  # fmt: skip


def test_what_rounds_to_zero_keeps_two_digits_where_its_sign_counts():
    assert [exact(v) for v in (0.0, -0.0023, 0.0023, -1e-6, -0.0051, float("nan"))] == [
        "+0.00", "\u22120.0023", "+0.0023", "\u22121e-06", "\u22120.01", "+nan",
    ]  # fmt: skip


def test_the_scale_is_centred_on_0_clipped_and_symmetric():
    assert [colour_share(v, 2.0) for v in (0.0, 1.0, 2.0, 99.0)] == [0.0, 0.5, 1.0, 1.0]
    assert [colour_share(v, 2.0) for v in (-1.0, -2.0, -99.0)] == [-0.5, -1.0, -1.0]
    assert colour_share(float("nan"), 2.0) == 0.0
    with pytest.raises(ValueError, match="above 0"):
        colour_share(1.0, 0.0)


def test_blue_is_more_and_orange_less_by_their_share():
    page = heat_map(["a", "b", "c"], [1.0, -0.5, 0.0], 2.0)
    assert re.findall(r'class="dpoq-token (\w+)".*?--share:(\d+%)', page) == [
        ("more", "50%"),
        ("less", "25%"),
        ("less", "0%"),
    ]


def test_a_strip_is_a_list_to_walk_through_that_names_flaws_and_observations():
    page = strip(
        cells(["a", "b", "c"], [1.0, -1.0, 0.0], 2.0, [False, True, False], [True, True, False]), "x", 1
    )
    names = re.findall(r'role="option" aria-selected="(\w+)" aria-label="(.*?)" tabindex="(-?\d)"', page)
    assert names == [
        ("false", "a +1.00", "-1"),
        ("true", "b \u22121.00, a marked flaw", "0"),
        ("false", "c , read, not the policy&#x27;s own", "-1"),
    ]
    assert 'role="listbox" aria-label="x"' in page


def test_flaws_are_underlined_and_lengths_must_agree():
    assert [cell.flaw for cell in cells(["a", "b"], [0.0, 1.0], 1.0, [False, True])] == [False, True]
    assert heat_map(["a", "b"], [0.0, 1.0], 1.0, flaws=[False, True]).count("dpoq-token more flaw") == 1
    with pytest.raises(ValueError, match="zip"):
        cells(["a"], [0.0, 1.0], 1.0)


def test_what_the_policy_did_not_choose_is_grey_framed_and_has_no_number():
    own, seen = cells(["a", "b"], [0.5, 0.0], 1.0, actions=[True, False])
    assert (own.seen, own.value) == (False, "+0.50")
    assert (seen.seen, seen.value) == (True, "")
    page = heat_map(["a", "b"], [0.5, 0.0], 1.0, actions=[True, False])
    assert page.count('class="dpoq-token seen"') == 1


def test_the_legend_names_its_limits():
    assert "\u22120.50" in legend(0.5)
    assert "+0.50" in legend(0.5)


def test_the_legend_has_the_switch_to_the_size_for_presenting():
    page = legend(0.5)
    assert "dpoq-large" in re.search(r'<button type="button".*?</button>', page).group()
    assert ".dpoq-large .dpoq,.dpoq-large.dpoq{--dpoq-type:24px" in STYLE


def test_a_strip_carries_its_moves_and_none_of_their_comments():
    """`strip.js` without its comments; Tab reaches the first token."""
    page = strip(cells(["a", "b"], [1.0, -1.0], 2.0), "x")
    assert "ArrowRight" in page
    assert 'onkeydown="this.onclick(event)"' in page
    assert "\n//" not in page
    assert re.findall(r'aria-selected="(\w+)".*?tabindex="(-?\d)"', page) == [("false", "0"), ("false", "-1")]


def test_a_heat_map_names_itself_by_its_caption_tokens_and_sum():
    page = heat_map(["a", "b"], [1.0, -0.25], 2.0, "chosen <1>")
    assert '<div class="dpoq-caption">chosen &lt;1&gt;</div>' in page
    assert 'aria-label="chosen &lt;1&gt;: 2 tokens, sum +0.75"' in page
    assert "dpoq-caption" not in heat_map(["a"], [1.0], 2.0)


def test_every_sign_of_white_space():
    assert visible(" \n\t\r\u00a0x\x07") == "\u00b7\u21b5\u21e5\u240d\u237dx\\x07"


def test_the_legend_is_read_from_the_lower_to_the_upper_limit():
    text = parsed(legend(0.25, "a < b")).text
    assert text.split()[:5] == ["\u22120.25", "+0.25", "a", "<", "blarger,"]
    assert text.index("\u22120.25") < text.index("+0.25")

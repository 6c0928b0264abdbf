"""Words with what they were paid, and bars of how often something is done."""

import re

from hand_made import drawing

from dpoq_lab.views.words import LEFT, WIDE, share_bars, word_row


def test_a_bar_is_as_long_as_its_share_and_says_it():
    drawn = share_bars({"optimum": 0.25, "DPO": 0.75}, {"DPO": ", earns 0.31"}, 0.4, 10)
    widths = [float(width) for width in re.findall(r'width="([\d.]+)"', drawn)]
    assert widths == [0.25 * WIDE, 0.75 * WIDE]
    assert ">0.25<" in drawn
    assert ">0.75, earns 0.31<" in drawn
    assert ">pi_ref 0.40<" in drawn
    assert f"M{LEFT + 0.4 * WIDE:.1f}" in drawn


def test_a_word_of_the_model_has_its_number_and_an_observation_a_note():
    drawn = word_row(
        "DPO", [[("call", 0.4), ("name", -3.0)], [("busy", None), ("five", None)]], 0, {"five": "luck"}
    )
    assert ">+0.40<" in drawn
    assert ">−3.00<" in drawn
    assert 'fill more" fill-opacity="0.09"' in drawn
    assert 'fill less" fill-opacity="0.45"' in drawn  # beyond the limit: the end colour
    assert drawn.count("stroke-dasharray") == 2
    assert ">not scored<" in drawn
    assert ">luck<" in drawn


def test_model_text_is_escaped():
    assert "<b>" not in word_row("a <b>", [[("<b>", 0.1), ("<i>", None)]], 0)
    assert "<b>" not in share_bars({"<b>": 0.1}, {"<b>": "<i>"}, 0.4, 0)


BARS = """
text 174.0 117.0 end word | optimum
rect dpoq-bar fill ink 184.0 103.0 210.0 18
text 404.0 117.0 start  | 0.50
text 174.0 151.0 end word | policy
rect dpoq-bar fill more 184.0 137.0 105.0 18
text 362.0 151.0 start  | 0.25 !
path dpoq-zero M352.0 96.0L352.0 168.0
text 352.0 181.0 middle small quiet | pi_ref 0.40
"""


def test_bars_whole():
    """A row of 34 a policy from 100 on; bars of 420 pixels a whole; what they say 10 behind the longer of bar
    and line; the line of pi_ref from 4 above to the end of the rows."""
    drawn = share_bars({"optimum": 0.5, "policy": 0.25}, {"policy": " !"}, 0.4, 100)
    assert drawing(drawn) == BARS.strip("\n").split("\n")


def test_exact_shares_are_ticks_on_every_bar_and_the_number_clears_them():
    """The first above the middle of the bar, in ink, the second below."""
    plain, drawn = (
        drawing(share_bars({"optimum": 0.5, "policy": 0.25}, {}, 0.4, 100, exact))
        for exact in ((), (0.9, 0.45))
    )
    assert [line for line in drawn if "whisker" in line] == [
        "path dpoq-whisker ink M562.0 99.0L562.0 110.0",
        "path dpoq-whisker less M373.0 114.0L373.0 125.0",
        "path dpoq-whisker ink M562.0 133.0L562.0 144.0",
        "path dpoq-whisker less M373.0 148.0L373.0 159.0",
    ]
    assert "text 404.0 117.0 start  | 0.50" in drawn  # behind its bar: the tick at 562 is far
    assert "text 383.0 151.0 start  | 0.25" in drawn  # and here behind the tick
    near = drawing(share_bars({"policy": 0.25}, {}, 0.4, 100, (0.47, 0.41)))
    assert "text 391.4 117.0 start  | 0.25" in near  # behind both
    assert len(drawn) == len(plain) + 4


WORDS = """
text 174.0 38.0 end word | name
rect fill more 0.11 184.0 10.0 96 46
text 232.0 30.0 middle word | a
text 232.0 48.0 middle small  | +0.50
rect fill less 0.45 284.0 10.0 96 46
text 332.0 30.0 middle word | b
text 332.0 48.0 middle small  | −2.50
rect grey none 2 3 404.0 10.0 96 46
text 452.0 30.0 middle  | c
text 452.0 48.0 middle small quiet | said
rect grey none 2 3 504.0 10.0 96 46
text 552.0 30.0 middle  | d
text 552.0 48.0 middle small quiet | not scored
"""


def test_words_whole():
    """Cells of 96 by 46 with gaps of 4, and 20 more between runs; 0.45 of a full colour at 2 nats."""
    drawn = word_row("name", [[("a", 0.5), ("b", -2.5)], [("c", None), ("d", None)]], 10, {"c": "said"})
    assert drawing(drawn) == WORDS.strip("\n").split("\n")

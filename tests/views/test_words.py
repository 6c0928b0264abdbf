"""Words with what they were paid, and bars of how often something is done."""

import re

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

"""The colours of both themes: text of 4.5 to 1 on every ground, drawings of 3 to 1."""

import pytest

from dpoq_lab.views.theme import DARK, LIGHT, STYLE, box


def channels(colour):
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def luminance(rgb):
    parts = [c / 255 for c in rgb]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one, two):
    """The WCAG ratio of two colours."""
    a, b = luminance(one), luminance(two)
    return (max(a, b) + 0.05) / (min(a, b) + 0.05)


def mixed(theme, fill, share):
    """What CSS makes of color-mix(in srgb, fill share, paper)."""
    ends = zip(channels(theme[fill]), channels(theme["paper"]), strict=True)
    return [share * end + (1 - share) * paper for end, paper in ends]


def test_black_on_white_is_21_to_1():
    assert contrast([0, 0, 0], [255, 255, 255]) == pytest.approx(21)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_contrast_on_its_ground(theme):
    for name in ("ink", "quiet", "more", "less", "grey"):  # the last three name lines at their ends
        assert contrast(channels(theme[name]), channels(theme["paper"])) >= 4.5, name
    assert contrast(channels(theme["ink"]), channels(theme["seen-fill"])) >= 4.5


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("fill", ["more-fill", "less-fill"])
def test_a_token_is_legible_however_strong_its_colour(theme, fill):
    for k in range(21):
        assert contrast(channels(theme["ink"]), mixed(theme, fill, k / 20)) >= 4.5


def test_both_themes_name_the_same_colours_and_every_colour_used_is_named():
    assert LIGHT.keys() == DARK.keys()
    used = {part.split(")")[0].split(",")[0] for part in STYLE.split("var(--dpoq-")[1:]}
    assert used <= {*LIGHT, "type"}
    assert set(LIGHT) <= used


def test_the_sheet_follows_jupyterlab_and_on_a_page_of_its_own_the_system():
    assert f'[data-jp-theme-light="false"] .dpoq{{--dpoq-paper:{DARK["paper"]}' in STYLE
    assert "@media screen and (prefers-color-scheme:dark){.dpoq-page" in STYLE


def test_paper_keeps_the_colours_that_mean_something():
    printed = STYLE.partition("@media print{.dpoq-controls")[2]
    assert ".dpoq-token,.dpoq-scale{print-color-adjust:exact" in printed


def test_no_text_is_smaller_than_13_pixels():
    sizes = [float(part.split("px")[0].rsplit(":", 1)[-1]) for part in STYLE.split("font-size:")[1:]
             if part[:4].strip("0123456789.") .startswith("px")]  # fmt: skip
    assert min(sizes) >= 13


def test_sizes_that_drawings_are_made_for():
    """Letters of figures are 15 pixels, for which `charts.LETTER` is 8.2; those of tokens 16."""
    assert ".dpoq-figure svg{display:block;font:15px system-ui" in STYLE
    assert "--dpoq-type:16px" in STYLE


def test_a_box_has_the_themes_class_and_one_more():
    assert box("<b>x</b>", "kind") == '<div class="dpoq kind"><b>x</b></div>'
    assert box("x") == '<div class="dpoq ">x</div>'

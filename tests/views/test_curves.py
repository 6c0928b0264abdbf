"""The curves of a run: chosen, rejected and their difference by step."""

import re

from hand_made import elements, texts

from dpoq_lab.views.curves import pair_curves


def test_chosen_rejected_and_their_margin_by_step_are_told_apart_without_colour():
    figure = pair_curves("nats", [1.0, 3.0], [0.5, -1.0], steps=[0, 10])
    assert {name: s.y for name, s in figure.data.items()} == {
        "chosen": [1.0, 3.0],
        "rejected": [0.5, -1.0],
        "margin": [0.5, 4.0],
    }
    assert figure.data["chosen"].x == [0, 10]
    assert len({s.look.dash for s in figure.data.values()}) == 3


def test_the_difference_of_two_kls_is_no_margin():
    figure = pair_curves("KL", [1.0], [2.0], [0], "chosen less rejected")
    assert list(figure.data) == ["chosen", "rejected", "chosen less rejected"]
    assert "margin" not in figure.svg() + figure.reading


def test_what_is_read_from_the_curves():
    figure = pair_curves("reward", [1.0, 3.0], [0.5, -1.0], steps=[5, 10])
    assert figure.reading == (
        "Step 5 to 10, reward: chosen +1.00 to +3.00, rejected +0.50 to \u22121.00, margin +0.50 to +4.00."
    )
    assert figure.alt == "reward of chosen and rejected replies, and their margin, by optimiser step"
    assert pair_curves("reward", [], []).reading == "reward: no step yet."
    assert list(pair_curves("reward", [1.0, 2.0, 3.0], [0.0] * 3).data["margin"].x) == [0, 1, 2]
    assert [s.look.colour for s in figure.data.values()] == ["more", "less", "grey"]


def test_every_curve_is_within_its_axes_and_so_is_0():
    """Chosen 5 to 6, rejected -7 to -6, so margins 11 to 13: ticks from -5 to 10."""
    figure = pair_curves("reward", [5.0, 6.0], [-6.0, -7.0], steps=[3, 4])
    assert {"\u22125", "0", "5", "10", "3", "4"} <= set(texts(figure))
    inside = [
        float(y) for e in elements(figure, "path", "dpoq-line") for y in re.findall(r" ([\d.]+)", e.get("d"))
    ]
    assert 14 < min(inside) < max(inside) < 340 - 56
    assert (figure.height, {"reward", "optimiser step"} <= set(texts(figure))) == (340, True)


def test_curves_are_760_pixels_wide_if_nothing_is_said():
    assert pair_curves("reward", [1.0], [0.0]).width == 760
    assert pair_curves("reward", [1.0], [0.0], width=380).width == 380

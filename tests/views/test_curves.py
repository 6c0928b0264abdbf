"""The curves of a run: chosen, rejected and their difference by step."""

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

"""Figures that several lessons draw."""

from dpoq_lab.views.figures import draw_curves, pair_curves


def test_chosen_rejected_and_their_margin_by_step_are_told_apart_without_colour():
    figure = pair_curves("nats")
    draw_curves(figure, [1.0, 3.0], [0.5, -1.0], steps=[0, 10])
    assert [trace.name for trace in figure.data] == ["chosen", "rejected", "margin"]
    assert [trace.y for trace in figure.data] == [(1.0, 3.0), (0.5, -1.0), (0.5, 4.0)]
    assert figure.data[0].x == (0, 10)
    assert len({trace.line.dash for trace in figure.data}) == 3


def test_the_figure_is_higher_than_its_margins():
    layout = pair_curves("nats").layout
    assert layout.height > layout.margin.t + layout.margin.b + 100

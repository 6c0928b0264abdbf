"""The picture of the next word: equation (14) of the stored log-probabilities, and what it shows."""

import json

import numpy as np
import pytest

from dpoq_lab.commands.cli import main
from dpoq_lab.lessons.l09_proxy_tuning.figures import distance_figure
from dpoq_lab.lessons.l09_proxy_tuning.picture import LAMBDAS, State, frames
from dpoq_lab.lessons.study import stored_record


def words(frame, what="mixture"):
    return dict(zip(frame.data["words"], frame.data[what], strict=True))


def test_the_command_measures_what_is_stored(tmp_path):
    """The three models as they are now, within the last digits of another processor."""
    main(["study", "next-word", "--out", str(tmp_path), "--seeds", "1"])
    now = json.loads((tmp_path / "next-word.json").read_text())
    stored = stored_record("order-notes-proxy", "next-word")
    assert now["right"] == stored["right"] == "35"
    assert "price : 35" in stored["prompt"]
    for name in ("base", "proxy", "reference"):
        assert now[f"log_{name}"] == pytest.approx(stored[f"log_{name}"], abs=1e-3)


def test_each_frame_is_equation_14():
    state = State()
    base, proxy, reference = (np.exp(log_pi) for log_pi in state.log_pis)
    for frame in frames():
        weight = base * (proxy / reference) ** frame.data["lambda"]
        expected = (weight / weight.sum())[state.shown]
        assert frame.data["mixture"] == pytest.approx(expected.tolist(), abs=1e-9)


def test_only_the_mixture_moves():
    film = frames()
    assert [frame.data["lambda"] for frame in film] == LAMBDAS.tolist()
    assert len({str(frame.data["words"] + frame.data["base"]) for frame in film}) == 1
    assert len({(frame.width, frame.height) for frame in film}) == 1
    assert words(film[0]) == pytest.approx(words(film[0], "base"), abs=1e-5)


def test_the_right_word_rises_and_falls_again_and_the_wrong_one_falls_at_every_step():
    film = frames()
    right, wrong = ([words(frame)[word] for frame in film] for word in ("35", "40"))
    assert (np.diff(wrong) < 0).all()
    assert LAMBDAS[np.argmax(right)] == pytest.approx(1.5, abs=0.25)
    assert right[-1] < right[0] < right[4]
    assert words(film[-1])["Friday"] > 5 * words(film[0])["Friday"]  # no price at all
    assert abs(State().log_pis[1][State().right] - State().log_pis[2][State().right]) < 0.02
    assert "0.34" in film[-1].reading


def test_the_distance_figure_says_how_many_dots_it_leaves_out():
    figure = distance_figure((0.5, 1.0), [[0.1, 0.3], [0.0, 0.0]], [[0.2, 0.4], [0.4, 9.0]])
    assert "0.00 nats at lambda 1" in figure.reading
    assert "median is 4.70" in figure.reading
    assert "not drawn, above: 0" in figure.reading
    crowded = distance_figure((1.0,), [[0.0] * 3], [[0.2, 0.4, 9.0]])
    assert "not drawn, above: 1" in crowded.reading

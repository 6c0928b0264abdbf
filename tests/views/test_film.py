"""A film shows its first frame, and any other that its slider names."""

import pytest

from dpoq_lab.views.figures import Figure
from dpoq_lab.views.film import Film

FRAMES = [
    Figure(f"<text>{word}</text>", 9, 9, f"alt {word}", f"reading {word}") for word in ("ab", "cd", "ef")
]


def test_the_first_frame_is_shown_and_the_slider_goes_to_any():
    film = Film(FRAMES, "level")
    assert (film.step.description, film.step.options[-1], film.player.max) == ("level", ("2", 2), 2)
    assert film.picture is FRAMES[0]
    film.step.value = 2
    assert film.picture is FRAMES[2]
    assert "reading ef" in film.screen.children[film.step.index].value
    film.step.value = 1
    assert film.picture.reading == "reading cd"


def test_the_slider_says_at_which_value_a_frame_is():
    film = Film(FRAMES, "busy", (0.0, 0.25, 1.0))
    assert film.step.options == (("0", 0), ("0.25", 1), ("1", 2))
    film.step.index = 1
    assert film.picture is FRAMES[1]
    with pytest.raises(ValueError, match="zip"):
        Film(FRAMES, "busy", (0.0, 0.25))


def test_a_film_without_frames_is_refused():
    with pytest.raises(ValueError, match="needs a frame"):
        Film([])


def test_the_page_itself_turns_the_frames(monkeypatch):
    links = []
    monkeypatch.setattr("ipywidgets.jslink", lambda *ends: links.append(ends))
    film = Film(FRAMES)
    assert links == [
        ((film.player, "value"), (film.step, "index")),
        ((film.step, "index"), (film.screen, "selected_index")),
    ]
    assert [shown.value for shown in film.screen.children] == [frame.html() for frame in FRAMES]
    assert (film.screen.selected_index, film.step.index) == (0, 0)


def test_the_player_takes_1200_milliseconds_a_frame():
    film = Film(FRAMES)
    assert (film.player.min, film.player.interval, film.player.show_repeat) == (0, 1200, False)
    assert (film.step.value, film.step.description) == (0, "step")
    assert film.children[1].children == (film.player, film.step)

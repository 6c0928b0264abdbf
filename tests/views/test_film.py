"""A film shows its first frame, and any other that its slider names."""

import pytest

from dpoq_lab.views.figures import Figure
from dpoq_lab.views.film import Film

FRAMES = [
    Figure(f"<text>{word}</text>", 9, 9, f"alt {word}", f"reading {word}") for word in ("ab", "cd", "ef")
]


def test_the_first_frame_is_shown_and_the_slider_goes_to_any():
    film = Film(FRAMES, "level")
    assert (film.step.description, film.step.max, film.player.max) == ("level", 2, 2)
    assert film.picture.figure is FRAMES[0]
    film.step.value = 2
    assert film.picture.figure is FRAMES[2]
    assert "reading ef" in film.picture.value
    film.step.value = 1
    assert film.picture.reading == "reading cd"


def test_a_film_without_frames_is_refused():
    with pytest.raises(ValueError, match="needs a frame"):
        Film([])

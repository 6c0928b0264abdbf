"""A pair as text: where its flaws are once it is written. `test_encoding` and `test_chat` read the rest."""

import pytest
from test_encoding import TEXT, TURNS

from dpoq_lab.chat import BoundaryError, Rendered
from dpoq_lab.texts import _placed


def test_a_flaw_moves_with_the_words_that_the_template_keeps():
    """Of "x hi" the template writes "hi" at 4, behind a prompt of 3: letters 2 to 4 are 1 to 3 behind it."""
    rendered = Rendered(TEXT, TURNS[:1], "")
    assert _placed(((2, 3), (2, 4)), "x hi", rendered, 3) == ((1, 2), (1, 3))
    for flaw in ((1, 3), (2, 5)):
        with pytest.raises(
            BoundaryError, match="^a flaw lies in a part of the reply that the chat template leaves out$"
        ):
            _placed((flaw,), "x hi.", rendered, 3)
    assert _placed((), [], rendered, 3) == ()

"""Where the prompt of two texts ends that begin alike. `test_preferences` reads pairs of every form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpoq_lab.forms import shared_length, shared_prefix_end


def test_implicit_prompt_without_turns_ends_before_a_white_space():
    assert shared_prefix_end("the cat sat", "the cab sat") == len("the")


@given(st.text(), st.text(), st.text())
def test_implicit_prompt_is_always_a_shared_prefix(prompt, chosen, rejected):
    cut = shared_prefix_end(prompt + chosen, prompt + rejected)
    assert (prompt + chosen)[:cut] == (prompt + rejected)[:cut]


@pytest.mark.parametrize(
    ("one", "other", "length", "end"),
    [
        ("a b cx", "a b cy", 5, 3),  # the last white space, not the first
        ("a b", "a c", 2, 1),
        (" ab", " ac", 2, 0),  # a prompt of no character is none
        ("ab ", "ab c", 3, 2),  # one text goes on where the other ends
        ("ab", "ab c", 2, 0),
        ("", "a", 0, 0),
        ("a b", "c b", 0, 0),
        ("\n\nAssistant:a b", "\n\nAssistant:a c", 14, 12),
        ("x\n\nAssistant: y\n\nAssistant:a b", "x\n\nAssistant: y\n\nAssistant:a c", 29, 27),
        ("x y\n\nAssistant", "x y\n\nAssistant:", 14, 4),  # a turn that is not whole is none
    ],
)
def test_what_two_texts_begin_with_and_where_their_prompt_ends(one, other, length, end):
    assert shared_length(one, other) == shared_length(other, one) == length
    assert shared_prefix_end(one, other) == shared_prefix_end(other, one) == end

"""What a name or a value can do to a terminal: nothing."""

import pytest

from dpoq_lab.commands.terminal import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("a\rb\x9b31m\x7f", r"a\rb\x9b31m\x7f"),
        ("gpj.\u202eexe\u2066", r"gpj.\u202eexe\u2066"),
        ("one\u2028two", r"one\u2028two"),
        ("\udcff", r"\udcff"),
        ("two\nlines\tand π, 好, 🙂", "two\nlines\tand π, 好, 🙂"),
    ],
)
def test_what_is_not_to_be_seen_is_escaped(text, shown):
    assert printable(text) == shown


def test_long_lines_are_cut_each():
    assert printable("abcdef\nabc", longest=4) == "abcd ... (6 characters)\nabc"


def test_a_line_has_2000_characters_at_most_as_it_is_shown():
    """Cut by what stands there and by what is shown: an escape takes four."""
    assert printable("x" * 2000) == "x" * 2000
    assert printable("x" * 2001) == "x" * 2000 + " ... (2,001 characters)"
    assert printable("\x1b" * 500) == r"\x1b" * 500
    assert printable("\x1b" * 501) == r"\x1b" * 500 + " ... (501 characters)"
    assert printable("ab\x1b", longest=6) == r"ab\x1b"
    assert printable("abc\x1b", longest=6) == r"abc\x1" + " ... (4 characters)"

"""Text for a terminal: nothing in it may move the cursor, turn the line round, or fill the screen."""

import sys
import unicodedata

LONGEST = 2000  # characters of a line
DIRECTIONS = "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def say(text: str) -> None:
    """Print it on stdout."""
    print(printable(text))


def fail(message: str, status: int = 1) -> int:
    """Print an error as one line on stderr, and give `status` back."""
    print(f"dpoq-lab: error: {printable(' '.join(message.split()), 500)}", file=sys.stderr)
    return status


def printable(text: str, longest: int = LONGEST) -> str:
    """`text` with control characters as escapes, and lines cut to `longest` characters."""
    return "\n".join(_line(line, longest) for line in text.split("\n"))


def _line(line: str, longest: int) -> str:
    shown = "".join(_escaped(c) for c in line[:longest])
    cut = len(line) > longest or len(shown) > longest
    return f"{shown[:longest]} ... ({len(line):,} characters)" if cut else shown


def _escaped(c: str) -> str:
    unsafe = c in DIRECTIONS or unicodedata.category(c) in ("Cc", "Cs") and c != "\t"
    return c.encode("unicode_escape").decode() if unsafe else c

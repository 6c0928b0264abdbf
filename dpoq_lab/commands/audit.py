"""What a preference file says against itself: pairs both ways, ties, repeats, lengths, what it shares."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import mean

from dpoq_lab.forms import Reply, shared_length
from dpoq_lab.preferences import Pair, written


def audit(pairs: Sequence[Pair], held_out: Sequence[Pair] = ()) -> list[str]:
    """One line for each thing that is there; nothing here makes a pair unusable."""
    found = Counter(_key(pair) for pair in pairs)
    twice = sum(n - 1 for n in found.values())
    both_ways = sum(n for key, n in found.items() if _turned(key) in found)
    rated = [pair.scores for pair in pairs if pair.scores]
    tied, inverted = sum(a == b for a, b in rated), sum(a < b for a, b in rated)
    known = {_prompt(pair) for pair in pairs}
    again = sum(_prompt(pair) in known for pair in held_out)
    lines = [
        (
            both_ways,
            f"of {len(pairs)} pairs stand in the file the other way round too: their labels contradict",
        ),
        (twice, f"of {len(pairs)} pairs are repeats of another one"),
        (tied, f"of {len(rated)} rated pairs have the same score on both sides"),
        (inverted, f"of {len(rated)} rated pairs have the higher score on the rejected side"),
        (again, f"of {len(held_out)} held-out pairs have a prompt that is in the file too"),
    ]
    return [f"{n} {text}" for n, text in lines if n] + _sizes(pairs)


SHOWN_PROBLEMS = 10


def left_out(problems: Sequence[str], notes: Mapping[str, int], pairs: int) -> list[str]:
    """Which pairs a run goes on without, the first by name, and what it has not read of the others."""
    lines = [str(problem) for problem in problems[:SHOWN_PROBLEMS]]
    lines += [f"{len(problems)} pairs left out"] if problems else []
    return lines + noted(notes, pairs)


def noted(notes: Mapping[str, int], pairs: int) -> list[str]:
    """What was done to pairs, or not read of them."""
    return [f"{note}: {n} of {pairs} pairs" for note, n in notes.items()]


def _sizes(pairs: Sequence[Pair]) -> list[str]:
    """Which side is longer, and how much of the replies both sides share."""
    both = [(_text(pair.chosen), _text(pair.rejected)) for pair in pairs]
    if not both:
        return []
    longer = mean((len(a) > len(b)) + 0.5 * (len(a) == len(b)) for a, b in both)
    shared = mean(shared_length(a, b) / max(len(a), len(b), 1) for a, b in both)
    return [
        f"chosen is the longer reply in {longer:.0%}; both begin alike for {shared:.0%} of their length",
    ]


def _key(pair: Pair) -> tuple[str, str, str]:
    return _prompt(pair), _text(pair.chosen), _text(pair.rejected)


def _turned(key: tuple[str, str, str]) -> tuple[str, str, str]:
    return key[0], key[2], key[1]


def _prompt(pair: Pair) -> str:
    return pair.prompt if isinstance(pair.prompt, str) else repr(pair.prompt)


def _text(reply: Reply) -> str:
    """A reply as text; of turns with calls of tools what they hold."""
    plain = isinstance(reply, str) or all(set(m) == {"role", "content"} for m in reply)
    return written(reply) if plain else repr(reply)

"""Walks on a ring: a language of checkable steps, with the exact outlook of every prefix.

A prompt `at 7 +3 -2 +1 -3 walk` says where a walk on a ring of ten places starts and its four moves. A reply
takes a step a move, `then +3 0 ,`: a connective, the move, the place stated, a mark; and ends `answer 9`.
Every place follows from the one *stated* before, so that an error is carried on; a step is wrong if it does
not. The writer slips the more often the longer the move, mostly to the next place; two slips can cancel.
"""

from dataclasses import dataclass
from functools import cache
from random import Random

import numpy as np
from transformers import PreTrainedTokenizerFast

from dpoq_lab.order_notes.language import word_tokenizer

RING, STEPS, STEP_TOKENS = 10, 4, 4
MOVES = [f"{sign}{size}" for sign in "+-" for size in (1, 2, 3)]
CONNECTIVES, MARKS = ("then", "next", "now", "so"), (",", ";", ".")
SLIPS = {1: 0.05, 2: 0.25, 3: 0.55}  # how often a step is wrong, by the size of its move
TO_THE_NEXT = 0.9  # how often a slip goes one place too far
LENGTH = STEPS * STEP_TOKENS + 3  # tokens of a reply: the steps, `answer`, a place, EOS
PLACES = np.arange(STEPS) * STEP_TOKENS + 2  # where a reply states its places


@dataclass(frozen=True)
class Walk:
    """A start and the moves from it."""

    start: int
    moves: tuple[str, ...]

    @property
    def prompt(self) -> str:
        """The walk as a prompt, with the space before the reply."""
        return f"at {self.start} {' '.join(self.moves)} walk "

    @property
    def end(self) -> int:
        """Where it ends."""
        return (self.start + sum(map(int, self.moves))) % RING


def random_walk(random: Random) -> Walk:
    """A start and four moves, each equally likely."""
    return Walk(random.randrange(RING), tuple(random.choice(MOVES) for _ in range(STEPS)))


def slip_law(move: str) -> np.ndarray:
    """The law of how far a stated place is off, (10,): 0 for right."""
    rate, law = SLIPS[abs(int(move))], np.zeros(RING)
    law[2:] = rate * (1 - TO_THE_NEXT) / (RING - 2)
    law[0], law[1] = 1 - rate, rate * TO_THE_NEXT
    return law


def write(walk: Walk, random: Random) -> str:
    """A reply by the writer whom the base model imitates."""
    words, at = [], walk.start
    for move in walk.moves:
        [off] = random.choices(range(RING), slip_law(move))
        at = (at + int(move) + off) % RING
        words += [random.choice(CONNECTIVES), move, str(at), random.choice(MARKS)]
    return " ".join([*words, "answer", str(at)])


def stated(reply: str) -> list[int] | None:
    """The places that a reply states, its answer last; None if it is not in the language.

    An answer that is not the last place stated is not in it: then every wrong answer has a wrong step.
    """
    words = reply.split()
    if len(words) != LENGTH - 1 or words[-2] != "answer":
        return None
    places = [words[k] for k in (*PLACES, -1)]
    follows = places[-1] == places[-2] and all(place.isdigit() for place in places)
    return [int(place) for place in places] if follows else None


def wrong_steps(walk: Walk, places: list[int]) -> list[bool]:
    """Which steps do not follow from the place stated before, for the places of `stated`."""
    before = [walk.start, *places[: STEPS - 1]]
    return [
        place != (at + int(move)) % RING for at, move, place in zip(before, walk.moves, places, strict=False)
    ]


def is_right(walk: Walk, reply: str) -> bool:
    """Whether a reply's answer is where the walk ends: all that a label ever sees."""
    places = stated(reply)
    return places is not None and places[-1] == walk.end


def outlooks(walk: Walk, pay: float, beta: float) -> np.ndarray:
    """What was paid plus V* before each step and after the last, by how far the place stated is off, (5, 10).

    By backward induction under the writer's law (6); a right answer pays `pay`, a wrong one nothing, and
    nothing is paid before.
    """
    line = np.zeros((STEPS + 1, RING))
    line[-1, 0] = pay
    for t in reversed(range(STEPS)):
        law = slip_law(walk.moves[t])
        gain = np.exp(line[t + 1] / beta)
        line[t] = [
            beta * np.log(sum(law[k] * gain[(off + k) % RING] for k in range(RING))) for off in range(RING)
        ]
    return line


def outlook(walk: Walk, places: list[int], pay: float, beta: float) -> np.ndarray:
    """The outlook of a reply before each step and after the last, (5,)."""
    line, at, off = outlooks(walk, pay, beta), walk.start, [0]
    for move, place in zip(walk.moves, places, strict=False):
        at = (at + int(move)) % RING
        off.append((place - at) % RING)
    return line[np.arange(len(off)), off]


def advantages(walk: Walk, places: list[int], pay: float, beta: float) -> np.ndarray:
    """A* of each step of a reply, (4,): the step of its outlook; wording has none."""
    return np.diff(outlook(walk, places, pay, beta))


@cache
def walk_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of walks."""
    return word_tokenizer(["at", "walk", "answer", *map(str, range(RING)), *MOVES, *CONNECTIVES, *MARKS])

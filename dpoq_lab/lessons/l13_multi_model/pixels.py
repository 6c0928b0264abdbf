"""Pixels: prompts, refined prompts and pictures of 8 x 8 pixels, and a judge that knows what is right.

A prompt `star at sunset` names a glyph and a time. The refiner turns it into three words, `star lower left`,
glyph and corner, and the generator draws what these say. At sunrise the right corner is lower right.
A prompt is (glyph, time), a refined prompt (glyph, row, column), all numbers; a batch is a tensor (B, 2) or
(B, 3) of them. A picture is (8, 8) of 0 and 1, or its 16 patches of 2 x 2 pixels, each a number below 16.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

GLYPHS = {
    "sun": (".##.", "#..#", "#..#", ".##."),
    "star": ("#..#", ".##.", ".##.", "#..#"),
    "moon": ("####", "##..", "##..", "####"),
}
TIMES = {"sunrise": (1, 1), "morning": (0, 1), "evening": (0, 0), "sunset": (1, 0)}  # row, column
NEXT = {(1, 1): (0, 1), (0, 1): (0, 0), (0, 0): (1, 0), (1, 0): (1, 1)}  # the corner of the next time
WORDS = (tuple(GLYPHS), ("upper", "lower"), ("left", "right"))
SIDE, PATCHES, PATTERNS = 8, 16, 16
CLOSE = 3  # pixels that may differ from the glyph as it should be
FLIPS = 0.01  # of the pixels in the generator's data
NAMED, CAPTIONED = 0.55, 0.625  # how often the refiner's data name the right corner, and captions do


def stream(seed: int, what: str) -> torch.Generator:
    """Random numbers for `what` alone: other things drawn with the same seed do not depend on them."""
    words = np.random.SeedSequence(seed, spawn_key=tuple(what.encode())).generate_state(2)
    return torch.Generator().manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)


def prompts(n: int, random: torch.Generator) -> Tensor:
    """n prompts, uniform, (n, 2)."""
    return torch.stack([torch.randint(k, (n,), generator=random) for k in (len(GLYPHS), len(TIMES))], dim=1)


def every_prompt() -> Tensor:
    """The 12 prompts, (12, 2)."""
    return torch.cartesian_prod(torch.arange(len(GLYPHS)), torch.arange(len(TIMES)))


def right_words(asked: Tensor) -> Tensor:
    """What a refiner should write, (B, 3)."""
    return torch.cat([asked[:, :1], torch.tensor(list(TIMES.values()))[asked[:, 1]]], dim=1)


def next_words(words: Tensor) -> Tensor:
    """The same glyphs, each in the next corner, (B, 3)."""
    corners = torch.tensor([[NEXT[row, column] for column in (0, 1)] for row in (0, 1)])
    return torch.cat([words[:, :1], corners[words[:, 1], words[:, 2]]], dim=1)


def often_right(words: Tensor, share: float, random: torch.Generator) -> Tensor:
    """The words with the corner kept with probability `share`, else one of the other three, (B, 3)."""
    kept = torch.rand(len(words), generator=random) < share
    turns = torch.randint(1, 4, (len(words),), generator=random) * ~kept
    for k in range(3):
        words = torch.where((turns > k)[:, None], next_words(words), words)
    return words


def picture(words: Tensor) -> Tensor:
    """The pictures that the words say, (B, 8, 8) of 0 and 1."""
    return _templates()[_index(words)]


def flipped(pixels: Tensor, share: float, random: torch.Generator) -> Tensor:
    """Pictures with each pixel turned over with probability `share`."""
    return pixels ^ (torch.rand(pixels.shape, generator=random) < share).long()


def to_patches(pixels: Tensor) -> Tensor:
    """(B, 8, 8) as (B, 16) numbers below 16, row by row; a patch's pixels are its bits."""
    bits = pixels.reshape(-1, 4, 2, 4, 2).transpose(2, 3).reshape(-1, PATCHES, 4)
    return (bits * torch.tensor([8, 4, 2, 1])).sum(dim=2)


def to_pixels(patches: Tensor) -> Tensor:
    """The inverse of `to_patches`, (B, 8, 8)."""
    bits = patches[:, :, None] >> torch.tensor([3, 2, 1, 0]) & 1
    return bits.reshape(-1, 4, 4, 2, 2).transpose(2, 3).reshape(-1, SIDE, SIDE)


def seen(pixels: Tensor) -> Tensor:
    """What a picture shows, as words (B, 3): the one glyph in a corner that it is within CLOSE pixels of;
    -1 where there is none."""
    apart = (pixels[:, None] != _templates()).sum(dim=(2, 3))  # (B, 12)
    least, which = apart.min(dim=1)
    return torch.where((least <= CLOSE)[:, None], _every_words()[which], -1)


@dataclass(frozen=True)
class Verdict:
    """Of each drawing, (B,) of bool: do the words name the right glyph and corner, does the picture show what
    they say, does it show one clean glyph, is it what the prompt asked for?"""

    named: Tensor
    obeyed: Tensor
    clean: Tensor
    right: Tensor


def judge(asked: Tensor, words: Tensor, pixels: Tensor) -> Verdict:
    """The exact judge. Labels see `right` alone."""
    shown, wanted = seen(pixels), right_words(asked)
    named = (words == wanted).all(dim=1)
    return Verdict(named, (shown == words).all(dim=1), shown[:, 0] >= 0, (shown == wanted).all(dim=1))


def text_of(words: Tensor) -> str:
    """Three numbers as three words."""
    return " ".join(names[k] for names, k in zip(WORDS, words.tolist(), strict=True))


def prompt_of(asked: Tensor) -> str:
    """Two numbers as a prompt."""
    return f"{list(GLYPHS)[asked[0]]} at {list(TIMES)[asked[1]]}"


def read_prompt(text: str) -> Tensor | None:
    """A prompt that somebody typed, (2,): its first glyph and time; None if one is missing."""
    words = text.casefold().split()
    found = [
        [k for word in words for k, name in enumerate(names) if word == name] for names in (GLYPHS, TIMES)
    ]
    return torch.tensor([some[0] for some in found]) if all(found) else None


def _every_words() -> Tensor:
    return torch.cartesian_prod(*(torch.arange(len(names)) for names in WORDS))


def _index(words: Tensor) -> Tensor:
    return (words * torch.tensor([4, 2, 1])).sum(dim=1)


def _templates() -> Tensor:
    """The 12 pictures without a flaw, (12, 8, 8), in the order of `_every_words`."""
    found = torch.zeros(12, SIDE, SIDE, dtype=torch.long)
    for k, (glyph, row, column) in enumerate(_every_words().tolist()):
        shape = [[int(dot == "#") for dot in line] for line in list(GLYPHS.values())[glyph]]
        found[k, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = torch.tensor(shape)
    return found

"""Lesson 13's picture: only pictures were judged; r_hat of words and drawing says who is blamed."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from dpoq_lab.lessons.l13_multi_model import pixels as world
from dpoq_lab.lessons.l13_multi_model import recipe
from dpoq_lab.lessons.l13_multi_model.figures import STEP, pixel_picture, r_hat_bars, tick
from dpoq_lab.lessons.l13_multi_model.generator import GROUPS, MASK, step_of
from dpoq_lab.lessons.l13_multi_model.pixels import stream
from dpoq_lab.lessons.l13_multi_model.recipe import Drawings, System
from dpoq_lab.paths import data_folder
from dpoq_lab.views.charts import label
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed

SHOWN = 373  # the seed of the drawings that are shown; r_hat is near the median of such failures
HIGH, LEFT, SIZE, BARS = 176, 4, 120, 330  # pixels
ALT = (
    "Two failed pictures of the base: the words, the picture as it is drawn, and r_hat of each move as a bar"
)


@cache
def stored(name: str) -> System:
    """A system that the study kept: base, joint, second-round, behind-a-wrong-refiner."""
    return recipe.load(data_folder() / "runs" / "pixels" / f"{name}.safetensors")


@dataclass(frozen=True)
class Failures:
    """Drawings that failed by one stage alone, whether it was the refiner (B,), and joint DPO's r_hat of each
    word (B, 3) and drawing step (B, 5)."""

    found: Drawings
    refiner_did_it: Tensor
    words: Tensor
    steps: Tensor


def failures(base: System, joint: System, seed: int, n: int = 240, any_picture: bool = False) -> Failures:
    """The failures with one culprit among n new drawings of the base; clean ones, or of `any_picture`."""
    asked = world.prompts(n, stream(seed, "prompts"))
    found = recipe.drawn(base, asked, stream(seed, "shown"))
    judged = recipe.verdict(base, found)
    some = ~judged.right & (judged.named != judged.obeyed) & (judged.clean | any_picture)
    found = found.take(some)
    return Failures(found, ~judged.named[some], *recipe.r_hat(joint, base, found))


def frames() -> list[Figure]:
    """The first failure of each kind, its words first, then its picture step by step."""
    some = failures(stored("base"), stored("joint"), SHOWN)
    rows = [int((some.refiner_did_it == who).nonzero()[0]) for who in (True, False)]
    return [_frame(some, rows, step) for step in range(len(GROUPS) + 1)]


def _frame(some: Failures, rows: list[int], step: int) -> Figure:
    """The failures after `step` drawing steps."""
    parts = [_failure(some, row, k * HIGH, step) for k, row in enumerate(rows)]
    sums = [(float(some.words[row].sum()), float(some.steps[row, :step].sum())) for row in rows]
    (above, drawn), (below, drawn_below) = ((signed(x), signed(y)) for x, y in sums)
    reading = f"r_hat above: words {above}, drawing {drawn}; below: words {below}, drawing {drawn_below}."
    if step == len(GROUPS):
        lower = ["refiner" if words < drawing else "generator" for words, drawing in sums]
        reading += f" Blamed: above the {lower[0]}, below the {lower[1]}."
    return Figure("".join(parts), 770, 2 * HIGH, ALT, reading, {"sums": sums, "rows": rows})


def _failure(some: Failures, row: int, top: float, step: int) -> str:
    """One drawing: what was asked, what was written, the picture so far, the bars."""
    asked, words = some.found.asked[row], some.found.words[row]
    named, done = not some.refiner_did_it[row], step == len(GROUPS)
    parts = [
        label(LEFT, top + 38, "prompt", kind="small quiet"),
        label(LEFT, top + 57, world.prompt_of(asked), kind="word"),
        label(LEFT, top + 84, "the refiner writes", kind="small quiet"),
        label(LEFT, top + 103, world.text_of(words), kind="word"),
        label(LEFT, top + 132, tick("named", named)),
        label(LEFT + 84, top + 132, tick("obeyed", not named) if done else ""),
        pixel_picture(so_far(some.found, row, step), 178, top + 24, SIZE),
    ]
    steps = [f"step {k + 1}" for k in range(len(GROUPS))]
    for who, names, values, x, shown in (
        ("refiner", ["glyph", "row", "column"], some.words[row].tolist(), BARS, 3),
        ("generator", steps, some.steps[row].tolist(), BARS + 3 * STEP + 26, step),
    ):
        told = f"{who}: {signed(sum(values[:shown]))}" if shown else who
        parts.append(label(x, top + 16, told, kind="word"))
        parts.append(r_hat_bars(names, values, x, top + 84, shown))
    return "".join(parts)


def so_far(found: Drawings, row: int, step: int) -> Tensor:
    """The picture of a drawing after some steps, (8, 8), -1 where nothing is drawn yet."""
    drawn = step_of(found.start[row : row + 1]) < step
    patches = found.drawing[row : row + 1].where(drawn, MASK)
    pixels = world.to_pixels(patches % MASK)[0]
    hidden = world.to_pixels((~drawn).long() * (MASK - 1))[0].bool()
    return torch.where(hidden, -1, pixels)


LINEUP_ALT = "Failed pictures in a row, each with its prompt, its refined prompt and the two sums of r_hat"


def lineup(some: Failures, n: int = 6) -> Figure:
    """The first n failures in a row: what was asked, what was written, the picture, r_hat of both stages."""
    parts = []
    for i in range(n):
        x = LEFT + i * 160
        images = so_far(some.found, i, len(GROUPS))
        sums = (
            f"{who} {signed(float(r[i].sum()))}" for who, r in (("words", some.words), ("steps", some.steps))
        )
        parts += [
            label(x, 18, f"{i + 1}: {world.prompt_of(some.found.asked[i])}", kind="small word"),
            label(x, 38, world.text_of(some.found.words[i]), kind="small"),
            pixel_picture(images, x, 48, 112),
            *(label(x, 182 + 20 * k, text, kind="small") for k, text in enumerate(sums)),
        ]
    reading = "Each is the fault of one stage: the words are wrong, or the picture does not obey."
    return Figure("".join(parts), 970, 212, LINEUP_ALT, reading)

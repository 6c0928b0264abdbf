"""The recipe of lesson 13: two bases, pairs judged by the picture alone, and DPO on one stage or on both."""

from collections.abc import Callable, Collection
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dpoq_lab.lessons.l13_multi_model import pixels as world
from dpoq_lab.lessons.l13_multi_model.gaussian import GaussianGenerator
from dpoq_lab.lessons.l13_multi_model.generator import MaskedGenerator
from dpoq_lab.lessons.l13_multi_model.pixels import Verdict, stream
from dpoq_lab.lessons.l13_multi_model.refiner import Refiner
from dpoq_lab.losses import dpo_loss

SCALE, BETA, GAMMA = 4.0, 0.5, 0.5
Stage = Literal["refiner", "generator"]
STAGES: tuple[Stage, Stage] = ("refiner", "generator")
Generator = MaskedGenerator | GaussianGenerator


@dataclass(frozen=True)
class Size:
    """Steps of the bases, pairs and steps of DPO, and held-out drawings."""

    refiner_steps: int = 300
    masked_steps: int = 1_500
    gaussian_steps: int = 3_000
    pairs: int = 12_000
    dpo_steps: int = 300
    held_out: int = 2_400


BATCH, BASE_LR = 128, 3e-3
DPO_BATCH, END = 64, 0.02
DPO_LR = {"refiner": 2e-3, "generator": 4e-4}
SIZES = {"ci": Size(20, 20, 20, 128, 4, 96), "laptop": Size()}


@dataclass(frozen=True)
class System:
    """A refiner and a generator behind it."""

    refiner: Refiner
    generator: Generator


@dataclass(frozen=True)
class Drawings:
    """What a system made of prompts: prompts (B, 2), refined prompts (B, 3), starts and drawings (B, ...)."""

    asked: Tensor
    words: Tensor
    start: Tensor
    drawing: Tensor

    def take(self, rows: Tensor) -> "Drawings":
        """Some of the rows, by number or by a mask."""
        return Drawings(self.asked[rows], self.words[rows], self.start[rows], self.drawing[rows])


@dataclass(frozen=True)
class Pairs:
    """Drawings to the same prompts from the same starts; `first_wins` (B,) is the label."""

    first: Drawings
    second: Drawings
    first_wins: Tensor


def train_refiner(size: Size, seed: int) -> Refiner:
    """A refiner that has read refined prompts, whose corner is right in NAMED."""
    torch.manual_seed(seed)
    model, random = Refiner(), stream(seed, "refiner data")

    def loss() -> Tensor:
        asked = world.prompts(BATCH, random)
        words = world.often_right(world.right_words(asked), world.NAMED, random)
        return -model.log_probs(asked, words).sum(dim=1).mean()

    return _trained(model, loss, size.refiner_steps)


def train_generator(kind: str, size: Size, seed: int) -> Generator:
    """A generator that has seen pictures with captions, whose corner is right in CAPTIONED."""
    torch.manual_seed(seed + 1)
    model, random = GENERATORS[kind](), stream(seed, "generator data")
    steps = size.masked_steps if kind == "masked" else size.gaussian_steps

    def loss() -> Tensor:
        shown = world.right_words(world.prompts(BATCH, random))
        image = world.flipped(world.picture(shown), world.FLIPS, random)
        drawing = world.to_patches(image) if kind == "masked" else image.flatten(1) * 2.0 - 1
        words = world.often_right(shown, world.CAPTIONED, random)
        return model.data_loss(words, drawing, random)

    return _trained(model, loss, steps)


GENERATORS = {"masked": MaskedGenerator, "Gaussian": GaussianGenerator}


def _trained(model: nn.Module, loss: Callable[[], Tensor], steps: int) -> nn.Module:
    optimizer = torch.optim.Adam(model.parameters(), lr=BASE_LR)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        falling.step()
    return model.requires_grad_(False)


def drawn(system: System, asked: Tensor, random: torch.Generator, words: Tensor | None = None) -> Drawings:
    """A drawing for each prompt; `words` are given or written by the refiner."""
    words = system.refiner.write(asked, random) if words is None else words
    start = system.generator.starts(len(asked), random)
    return Drawings(asked, words, start, system.generator.draw(words, start, random))


def redrawn(system: System, first: Drawings, random: torch.Generator, same_words: bool) -> Drawings:
    """Another drawing to the same prompts from the same starts, with the same or with new words."""
    words = first.words if same_words else system.refiner.write(first.asked, random)
    return replace(first, words=words, drawing=system.generator.draw(words, first.start, random))


def verdict(system: System, found: Drawings) -> Verdict:
    """The judge's view of drawings."""
    return world.judge(found.asked, found.words, system.generator.pixels(found.drawing))


def pairs_of(system: System, n: int, random: torch.Generator, same_words: bool = False) -> Pairs:
    """n pairs, labelled by a draw from Bradley-Terry with SCALE for a right picture and 0 for another."""
    first = drawn(system, world.prompts(n, random), random)
    return labelled(system, first, redrawn(system, first, random, same_words), random)


def labelled(system: System, first: Drawings, second: Drawings, random: torch.Generator) -> Pairs:
    """The pairs with their labels."""
    gap = SCALE * (verdict(system, first).right.float() - verdict(system, second).right.float())
    return Pairs(first, second, torch.rand(len(gap), generator=random) < gap.sigmoid())


def shuffled(pairs: Pairs, random: torch.Generator) -> Pairs:
    """The same pairs, the label of each by a fair coin: a control that can learn nothing."""
    return replace(pairs, first_wins=torch.rand(len(pairs.first_wins), generator=random) < 0.5)


def r_hat(system: System, reference: System, found: Drawings, noise: int = 0) -> tuple[Tensor, Tensor]:
    """beta log pi/pi_ref of each word, (B, 3), and gamma log pi/pi_ref of each drawing step, (B, steps).

    The two sums of equation 17. `noise` seeds the errors of a Gaussian generator."""
    words = [model.refiner.log_probs(found.asked, found.words) for model in (system, reference)]
    steps = [
        model.generator.log_probs(
            found.words, found.start, found.drawing, torch.Generator().manual_seed(noise)
        )
        for model in (system, reference)
    ]
    return BETA * (words[0] - words[1]), GAMMA * (steps[0] - steps[1])


def tuned(reference: System, pairs: Pairs, stages: Collection[Stage], size: Size, seed: int) -> System:
    """`reference` after DPO (18) on the `stages`; a stage left out stays, and its log-ratio is 0."""
    system = deepcopy(reference)
    groups = [
        {"params": getattr(system, stage).requires_grad_(True).parameters(), "lr": DPO_LR[stage]}
        for stage in stages
    ]
    optimizer, random = torch.optim.Adam(groups), stream(seed, "batches")
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, END, size.dpo_steps)
    for step in range(size.dpo_steps):
        rows = torch.randint(len(pairs.first_wins), (DPO_BATCH,), generator=random)
        sides = [
            torch.cat(r_hat(system, reference, side.take(rows), 2 * step + k), dim=1)
            for k, side in enumerate((pairs.first, pairs.second))
        ]
        wins = pairs.first_wins[rows, None]
        chosen, rejected = torch.where(wins, *sides), torch.where(wins, *reversed(sides))
        optimizer.zero_grad()
        dpo_loss(chosen, rejected, 1.0).mean().backward()
        optimizer.step()
        falling.step()
    for stage in stages:
        getattr(system, stage).requires_grad_(False)
    return system


def save(system: System, path: Path) -> None:
    """Both models in one file, in half precision."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = {stage: getattr(system, stage).state_dict() for stage in STAGES}
    save_file({f"{s}.{name}": x.half() for s, part in parts.items() for name, x in part.items()}, path)


def load(path: Path) -> System:
    """A masked system from a file."""
    found, system = load_file(path), System(Refiner(), MaskedGenerator())
    for stage in STAGES:
        part = {
            name.removeprefix(f"{stage}."): x.float() for name, x in found.items() if name.startswith(stage)
        }
        getattr(system, stage).requires_grad_(False).load_state_dict(part)
    return system

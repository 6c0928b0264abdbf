"""What DPO on the picture alone does for refiner and generator, tuned alone, apart, jointly, over seeds."""

from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from dpoq_lab.credit import auroc
from dpoq_lab.intervals import across_tables, plus_minus
from dpoq_lab.lessons.l13_multi_model import pixels as world
from dpoq_lab.lessons.l13_multi_model import recipe
from dpoq_lab.lessons.l13_multi_model.gaussian import T
from dpoq_lab.lessons.l13_multi_model.pixels import stream
from dpoq_lab.lessons.l13_multi_model.recipe import STAGES, Drawings, Pairs, Size, System
from dpoq_lab.lessons.study import Study
from dpoq_lab.views.tables import Table

FIRST_SEED = 20  # the settings were chosen on smaller ones
LEVELS = {"noisier half": (T // 2, T), "cleaner half": (0, T // 2)}  # of the Gaussian, in tables of their own
KEPT = {  # of the first seed
    "base": "base",
    "joint": "joint",
    "second round, fresh pairs": "second-round",
    "wrong": "behind-a-wrong-refiner",
}
ORDER = (
    "base",
    "refiner only",
    "generator only, different words",
    "generator only, same words",
    "tuned apart, joined",
    "joint",
    "second round, fresh pairs",
    "second round, old pairs",
    "shuffled labels",
)
MEASURES = ("right", "named", "obeyed", "clean")
Row = dict[str, float]


def train_all(reference: System, size: Size, seed: int, brief: bool = False) -> dict[str, System]:
    """Every system that is trained from `reference`, or a `brief` choice of them, by name."""
    different = recipe.pairs_of(reference, size.pairs, stream(seed, "different words"))
    same = recipe.pairs_of(reference, size.pairs, stream(seed, "same words"), same_words=True)

    def dpo(start: System, pairs: Pairs, *stages: recipe.Stage, turn: int = 0) -> System:
        return recipe.tuned(start, pairs, stages, size, 2 * seed + turn)

    found = {"base": reference}
    found["generator only, same words"] = dpo(reference, same, "generator")
    found["joint"] = dpo(reference, different, *STAGES)
    fresh = recipe.pairs_of(found["joint"], size.pairs, stream(seed, "fresh pairs"))
    found["second round, fresh pairs"] = dpo(found["joint"], fresh, *STAGES, turn=1)
    if brief:
        return found
    found["second round, old pairs"] = dpo(found["joint"], different, *STAGES, turn=1)
    found["refiner only"] = dpo(reference, different, "refiner")
    found["generator only, different words"] = dpo(reference, different, "generator")
    halves = found["refiner only"].refiner, found["generator only, same words"].generator
    found["tuned apart, joined"] = System(*halves)
    coins = recipe.shuffled(different, stream(seed, "coins"))
    found["shuffled labels"] = dpo(reference, coins, *STAGES)
    return {name: found[name] for name in ORDER}


def row_of(system: System, found: Drawings) -> Row:
    """Shares of drawings that are right, whose words are, that obey the words, that are clean."""
    verdict = recipe.verdict(system, found)
    return {measure: float(getattr(verdict, measure).float().mean()) for measure in MEASURES}


def held_out(system: System, size: Size, seed: int, words: Tensor | None = None) -> Drawings:
    """New drawings, each of the 12 prompts equally often; `words` are given or the refiner's."""
    asked = world.every_prompt().repeat(size.held_out // 12, 1)
    return recipe.drawn(system, asked, stream(seed, "held out"), words)


def blame(system: System, base: System, size: Size, seed: int) -> Row:
    """Of the base's failures with one culprit: how often the stage with the lower sum of r_hat is the one.

    Against the guess that is right most often, and the same for the reference's log-probability; an AUROC is
    of the difference between the stages, so that a threshold between them is free.
    """
    found = held_out(base, size, seed)
    judged = recipe.verdict(base, found)
    some = ~judged.right & (judged.named != judged.obeyed)
    found, refiner_did_it = found.take(some), ~judged.named[some]
    by_r_hat = _difference(*recipe.r_hat(system, base, found))
    words = base.refiner.log_probs(found.asked, found.words)
    by_log_prob = _difference(words, base.generator.log_probs(found.words, found.start, found.drawing))
    share = float(refiner_did_it.float().mean())
    return {
        "failures": float(some.sum()),
        "culprit found": float(((by_r_hat > 0) == refiner_did_it).float().mean()),
        "majority guess": max(share, 1 - share),
        "AUROC of r_hat": auroc(by_r_hat.numpy(), refiner_did_it.numpy()),
        "AUROC of log pi_ref": auroc(by_log_prob.numpy(), refiner_did_it.numpy()),
    }


def _difference(words: Tensor, steps: Tensor) -> Tensor:
    """The generator's sum less the refiner's, (B,): the higher, the more the refiner is to blame."""
    return steps.sum(dim=1) - words.sum(dim=1)


def wrong_refiner(base: System, size: Size, seed: int) -> tuple[System, dict[str, Row]]:
    """A refiner that always names the next corner, and the generator tuned behind it; rows by who writes."""
    random = stream(seed, "wrong refiner")
    asked = world.prompts(size.pairs, random)
    first = recipe.drawn(base, asked, random, world.next_words(world.right_words(asked)))
    second = recipe.redrawn(base, first, random, same_words=True)
    pairs = recipe.labelled(base, first, second, random)
    tuned = recipe.tuned(base, pairs, ["generator"], size, seed)
    right = world.right_words(world.every_prompt().repeat(size.held_out // 12, 1))
    rows = {}
    for name, system in (("base", base), ("generator tuned", tuned)):
        for who, words in (("wrong refiner", world.next_words(right)), ("right refiner", right)):
            rows[f"{who}, {name}"] = row_of(system, held_out(system, size, seed, words))
    return tuned, rows


def measure_seed(size: Size, seed: int, out: Path | None = None) -> dict[str, dict[str, Row]]:
    """The tables of one seed; with `out` the masked systems that the lesson shows are kept there."""

    def rows(found: dict[str, System]) -> dict[str, Row]:
        return {name: row_of(one, held_out(one, size, seed)) for name, one in found.items()}

    refiner = recipe.train_refiner(size, seed)
    base = System(refiner, recipe.train_generator("masked", size, seed))
    found = train_all(base, size, seed)
    tables = {"masked": rows(found), "who is to blame": {"joint": blame(found["joint"], base, size, seed)}}
    found["wrong"], tables["blaming the wrong one"] = wrong_refiner(base, size, seed)
    if out:
        for name, file in KEPT.items():
            recipe.save(found[name], out / f"{file}.safetensors")
    base = System(refiner, recipe.train_generator("Gaussian", size, seed))
    tables["Gaussian"] = rows(train_all(base, size, seed))
    for name, levels in LEVELS.items():
        base.generator.levels = levels
        tables[f"Gaussian, {name}"] = rows(train_all(base, size, seed, brief=True))
    return tables


def measure(size: Size, seeds: int, out: Path) -> tuple[dict, str]:
    """Tables over seeds; the systems of the first seed stay in `out`."""
    torch.set_num_threads(1)  # these networks are too small for more
    found = []
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        found.append(measure_seed(size, seed, out if seed == FIRST_SEED else None))
        print(f"seed {seed} done", flush=True)
    tables = {name: across_tables([tables[name] for tables in found]) for name in found[0]}
    shown = "\n\n".join(f"{name}\n{table(rows)}" for name, rows in tables.items())
    weights = {"beta": recipe.BETA, "gamma": recipe.GAMMA, "scale": recipe.SCALE}
    return {"size": asdict(size), **weights, "first seed": FIRST_SEED, "tables": tables}, shown


def table(rows: dict) -> Table:
    """Means and half-widths of the 95% intervals."""
    measures = list(next(iter(rows.values())))
    return Table(
        [("", *measures), *((name, *(plus_minus(row[m]) for m in measures)) for name, row in rows.items())]
    )


STUDY = Study(
    "two models judged by the picture: refiner and generator, alone, apart and jointly", measure, recipe.SIZES
)

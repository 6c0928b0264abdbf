"""Does DPO on whole conversations learn to ask? Three games, by labels, over seeds."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel

from dpoq_lab import models
from dpoq_lab.intervals import across_tables, plus_minus
from dpoq_lab.lessons.l11_multi_turn import recipe
from dpoq_lab.lessons.l11_multi_turn.language import Table, believed, policy_of, table_of, tokenizer
from dpoq_lab.lessons.l11_multi_turn.recipe import LABELS, SIZES, Size
from dpoq_lab.lessons.l11_multi_turn.theory import described
from dpoq_lab.lessons.study import Study
from dpoq_lab.views.tables import Table as Text

FIRST_SEED = 10  # the settings were chosen on smaller ones
GAMES = ("two bits", "harm", "noisy")
KEPT = ("SFT", "own user", "luck in the margin")  # of the game of harm, first seed


def train_all(table: Table, game: str, size: Size, seed: int) -> dict[str, PreTrainedModel]:
    """Every policy of one game and one seed, by its labels; in the noisy game, masked and unmasked."""
    base = recipe.train_base(table, size, seed)
    found = {"SFT": base}
    if game == "noisy":
        pairs = recipe.draw_pairs(table, "rated on average", size, seed)
        for name, masked in (("masked", True), ("unmasked", False)):
            found[name] = recipe.train_dpo(base, table, pairs, size, seed, masked)
        return found
    for labels in LABELS:
        pairs = recipe.draw_pairs(table, labels, size, seed)
        found[labels] = recipe.train_dpo(base, table, pairs, size, seed)
    return found


def rows_of(table: Table, game: str, found: dict[str, PreTrainedModel]) -> dict[str, dict[str, float]]:
    """What each policy does, a mean over prompts of equal rules; in the game of harm a row a prompt."""
    rows = {}
    for name, model in found.items():
        each = [
            described(talk, policy_of(model, table, k))
            | {"believes the likely reply": believed(model, table, k)[0]}
            for k, talk in enumerate(table.talks)
        ]
        if game == "harm":
            for talk, row in zip(table.talks, each, strict=True):
                rows[f"{name}, p {talk.rules.prior[0]}, h {-talk.rules.wrong:g}"] = row
        else:
            rows[name] = {measure: float(np.mean([row[measure] for row in each])) for measure in each[0]}
    return rows


def measure(size: Size, seeds: int, out: Path) -> tuple[dict, str]:
    """A table a game over seeds; the models of the game of harm that the lesson shows stay in `out`."""
    tables = {}
    for game in GAMES:
        table, rows = table_of(game), []
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            found = train_all(table, game, size, seed)
            rows.append(rows_of(table, game, found))
            print(f"{game}, seed {seed} done", flush=True)
            if game == "harm" and seed == FIRST_SEED:
                for name in KEPT:
                    models.save(found[name], tokenizer(), out / name.lower().replace(" ", "-"))
        tables[game] = across_tables(rows)
    record = {"size": asdict(size), "first seed": FIRST_SEED, "tables": tables}
    return record, "\n\n".join(f"{game}\n{as_text(rows)}" for game, rows in tables.items())


def as_text(rows: dict) -> Text:
    """Means and half-widths of the 95% intervals."""
    measures = list(next(iter(rows.values())))
    shown = [(name, *(plus_minus(row[m]) for m in measures)) for name, row in rows.items()]
    return Text([("", *measures), *shown])


STUDY = Study("DPO on conversations that may ask, by labels", measure, SIZES)

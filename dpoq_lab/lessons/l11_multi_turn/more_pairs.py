"""The game of two bits with twice the pairs, in all and in each step: how near to the exact values then?"""

from dataclasses import asdict
from pathlib import Path

from dpoq_lab.intervals import across_tables
from dpoq_lab.lessons.l11_multi_turn.language import table_of
from dpoq_lab.lessons.l11_multi_turn.recipe import SIZES, Size
from dpoq_lab.lessons.l11_multi_turn.study import FIRST_SEED, as_text, rows_of, train_all
from dpoq_lab.lessons.study import Study

TRIALS = {  # gain kept in trials by other code at the settings of the study `dialogue`, seeds 0 to 4
    "SFT": -0.025,
    "own user": 0.621,
    "rated on average": 0.855,
    "regret": 0.858,
    "luck in the margin": 0.776,
    "single turn": 0.074,
}


def measure(size: Size, seeds: int, out: Path) -> tuple[dict, str]:
    """The table of the game of two bits over the seeds of the study `dialogue`."""
    table, rows = table_of("two bits"), []
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        rows.append(rows_of(table, "two bits", train_all(table, "two bits", size, seed)))
        print(f"seed {seed} done", flush=True)
    found = across_tables(rows)
    return {"size": asdict(size), "first seed": FIRST_SEED, "table": found}, str(as_text(found))


STUDY = Study(
    "DPO on conversations that may ask, with twice the pairs",
    measure,
    {"ci": SIZES["ci"], "laptop": Size(pairs=40_000, batch=128)},
)

"""What freezing one stage costs on random trees, exactly: shares of the joint gain, a seed a tree."""

from pathlib import Path

from dpoq_lab.intervals import across, plus_minus
from dpoq_lab.lessons.l13_multi_model.theory import freezing, random_game, share_of_gain
from dpoq_lab.lessons.study import Study
from dpoq_lab.views.tables import Table

Weights = tuple[float, float]  # beta, gamma


def measure(size: tuple[Weights, ...], seeds: int, out: Path) -> tuple[dict, str]:
    """A row for each way of training and a column for each weights, over `seeds` trees."""
    tables = {}
    for beta, gamma in size:
        games = [random_game(beta, gamma, seed) for seed in range(seeds)]
        rows = [{name: share_of_gain(game, pi) for name, pi in freezing(game).items()} for game in games]
        tables[f"beta {beta}, gamma {gamma}"] = across(rows)
    names = next(iter(tables.values()))
    shown = [(name, *(plus_minus(found[name]) for found in tables.values())) for name in names]
    return {"tables": tables}, str(Table([("share of gain", *tables), *shown]))


STUDY = Study(
    "what freezing one of two stages costs, on random trees",
    measure,
    {"ci": ((0.5, 0.5), (0.3, 0.8)), "laptop": ((0.5, 0.5), (0.3, 0.8))},
)

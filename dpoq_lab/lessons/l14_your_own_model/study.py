"""How often the diagnosis is right: runs with a planted cause, their facts, and the verdicts by cause.

The record keeps each run's facts, not its verdict, so the rules of `diagnosis` are judged as they stand now.
They were chosen on the seeds below `FIRST_TEST_SEED`.
"""

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import torch

from dpoq_lab.intervals import wilson_interval
from dpoq_lab.lessons.l14_your_own_model.planted import PLANTS, WORLDS, plant
from dpoq_lab.lessons.study import Study
from dpoq_lab.rewards import score_pairs
from dpoq_lab.runs.diagnosis import diagnose
from dpoq_lab.runs.facts import Facts, log_facts, pair_facts
from dpoq_lab.runs.logs import Log, records
from dpoq_lab.runs.token_file import row_of
from dpoq_lab.views.tables import Table

FIRST_TEST_SEED = 2
CAUSES_SIZES = {"ci": (2, 8), "laptop": (60, 24)}  # DPO steps, pairs a step
IN_OPEN_ENDINGS = ("healthy, from SFT", "no EOS", "two EOS")


def run_facts(world: str, cause: str, seed: int, size: tuple[int, int]) -> dict[str, Facts]:
    """What the log of a planted run says, and what its training pairs say, scored."""
    run = plant(WORLDS[world], PLANTS[cause], seed, *size)
    scores = score_pairs(run.policy, run.reference, WORLDS[world].tokenizer(), run.pairs)
    log = Log(records(run.log, Path(cause)), Path(cause))
    pairs = pair_facts(map(row_of, run.pairs, scores), run.beta) | {"bf16_weights": float(PLANTS[cause].bf16)}
    found = {
        "curves": log_facts(log, run.beta),
        "averaged": log_facts(averaged(log, 10), run.beta),
        "pairs": pairs,
    }
    return {name: _rounded(facts) for name, facts in found.items()}


def averaged(log: Log, over: int) -> Log:
    """The log as a trainer keeps it that logs the mean of every `over` steps."""
    groups = [log.records[k : k + over] for k in range(0, len(log.records), over)]
    means = [{name: sum(r[name] for r in group) / len(group) for name in group[0]} for group in groups]
    return replace(log, records=[m | {"step": (k + 1.0) * over} for k, m in enumerate(means)], averaged=over)


def _rounded(facts: Facts) -> Facts:
    return {name: round(value, 5) for name, value in facts.items()}


def planted(world: str) -> list[str]:
    """The causes that a world is tried on."""
    return [
        name for name in PLANTS if (name in IN_OPEN_ENDINGS if world == "open endings" else name != "no EOS")
    ]


def _one_seed(task: tuple[str, int, tuple[int, int]]) -> list[dict]:
    world, seed, size = task
    torch.set_num_threads(1)
    return [
        {"world": world, "cause": cause, "seed": seed} | run_facts(world, cause, seed, size)
        for cause in planted(world)
    ]


def measure(size: tuple[int, int], seeds: int, out: Path) -> tuple[dict, str]:
    """Every cause in every world over `seeds` seeds, two processes at a time."""
    tasks = [(world, seed, size) for seed in range(seeds) for world in WORLDS]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        runs = [run for found in pool.map(_one_seed, tasks) for run in found]
    return {"runs": runs}, str(confusion(runs))


def verdict_of(run: dict, log: str = "curves", pairs: bool = True) -> str:
    """What the rules say of a stored run, by its log ("curves"; "averaged" over ten steps) and its pairs."""
    return diagnose(run[log] | (run["pairs"] if pairs else {})).verdict


WELL = {"healthy", "expected: the chosen reward falls with its reference", "nothing wrong in the curves"}


def right(run: dict, verdict: str) -> bool:
    """Whether a verdict names what was planted; of a healthy run, whether it finds no fault."""
    truth = PLANTS[run["cause"]].truth
    return verdict in WELL if truth == "healthy" else verdict == truth


def confusion(
    runs: list[dict], log: str = "curves", pairs: bool = True, first_seed: int = FIRST_TEST_SEED
) -> Table:
    """What the verdicts were by planted cause, over the seeds from `first_seed` on; else as `verdict_of`."""
    rows = []
    for cause in PLANTS:
        some = [run for run in runs if run["cause"] == cause and run["seed"] >= first_seed]
        verdicts = [verdict_of(run, log, pairs) for run in some]
        hits = sum(right(run, verdict) for run, verdict in zip(some, verdicts, strict=True))
        others = Counter(v for run, v in zip(some, verdicts, strict=True) if not right(run, v))
        told = ", ".join(f"{name} {n}" for name, n in others.most_common())
        low, high = wilson_interval(hits, len(some))
        rows.append((cause, f"{hits} of {len(some)}", f"{low:.2f} to {high:.2f}", told))
    return Table([("planted", "right", "95%", "else"), *rows], left=1)


STUDY = Study("how often the diagnosis is right", measure, CAUSES_SIZES)

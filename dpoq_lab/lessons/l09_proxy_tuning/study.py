"""A small DPO model steers larger bases of order notes: true score by lambda and by size of the base.

The proxies and their reference are the stored small models of seed 0; the bases are trained here, one a seed
and size.
"""

from dataclasses import replace
from pathlib import Path

from transformers import PreTrainedModel

from dpoq_lab import models
from dpoq_lab.encoding import EncodedPair
from dpoq_lab.intervals import across, plus_minus
from dpoq_lab.lessons.study import Study
from dpoq_lab.order_notes.language import held_out_seed, order_pairs
from dpoq_lab.order_notes.recipe import (
    SIZES,
    Size,
    encode,
    note_tokenizer,
    stored_policies,
    train_base,
    tuned,
)
from dpoq_lab.order_notes.scoring import best_of_n, mean_score, mean_true_score
from dpoq_lab.search.proxy_tuning import steer
from dpoq_lab.views.tables import Table

LAMBDAS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
PROXIES = ("DPO from base", "DPO from SFT")  # both against the small base
SMALL = SIZES["laptop"]
BASES = {"64 x 2": SMALL, "96 x 3": replace(SMALL, hidden_size=96, layers=3, initializer_range=0.08)}
TINY = {
    name: replace(size, notes=640, pairs=64, base_steps=3, sft_steps=2, dpo_steps=2)
    for name, size in BASES.items()
}
PROXY_SIZES = {"ci": (TINY, 4, LAMBDAS[:2]), "laptop": (BASES, 100, LAMBDAS)}  # bases, prompts, lambdas
N = 16


def score_base(
    base: PreTrainedModel,
    size: Size,
    small: dict[str, PreTrainedModel],
    pairs: list[EncodedPair],
    seed: int,
    lambdas: tuple[float, ...],
) -> dict[str, float]:
    """True scores at temperature 1: steered at each lambda, tuned itself, and best of N."""
    prompts, found, tokenizer = [pair.chosen.prompt_ids for pair in pairs], {}, note_tokenizer()
    pad_id = tokenizer.pad_token_id
    for name in PROXIES:
        for lam in lambdas:
            replies = steer(base, small[name], small["base"], lam, prompts, pad_id, seed=seed)
            found[f"{name}, lambda {lam:g}"] = mean_score(tokenizer, replies, pairs)
        kept = best_of_n(base, small[name], small["base"], tokenizer, pairs, N, seed)
        found[f"best of {N} by {name}"] = kept["implicit reward"]
    written = encode(order_pairs(size.pairs, seed))
    sft, _ = tuned(base, written, size.stage("sft", seed))
    own, _ = tuned(sft, written, size.stage("dpo", seed))  # what proxy tuning saves
    found["SFT and DPO of the base itself"] = mean_true_score(own, tokenizer, pairs, seed)
    return found


def measure(size: tuple[dict[str, Size], int, tuple[float, ...]], seeds: int, out: Path) -> tuple[dict, str]:
    """Every base over seeds; keeps the larger base of the first seed."""
    (bases, prompts, lambdas), small = size, stored_policies().models
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in bases}
    for seed in range(1, seeds + 1):  # the small base itself has seed 0
        pairs = encode(order_pairs(prompts, held_out_seed(seed)))
        for name, training in bases.items():
            base = train_base(training, seed)
            rows[name].append(score_base(base, training, small, pairs, seed, lambdas))
            if seed == 1 and name == "96 x 3":
                models.save(base, note_tokenizer(), out / "base-96x3")
        print(f"seed {seed} done", flush=True)
    table = {name: across(found) for name, found in rows.items()}
    return {"table": table}, str(proxy_table(table))


def proxy_table(table: dict) -> Table:
    """Bases by column; mean ± half-width of the 95% interval over seeds."""
    whats = next(iter(table.values()))
    rows = [(what, *(plus_minus(row[what]) for row in table.values())) for what in whats]
    return Table([("", *table), *rows])


STUDY = Study("proxy tuning on order notes", measure, PROXY_SIZES)

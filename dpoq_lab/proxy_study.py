"""A small DPO model steers larger bases of order notes: true score by lambda and by size of the base.

`python -m dpoq_lab.proxy_study --out FOLDER`. The proxies and their reference are the stored small models of
`language_study` (seed 0); the bases are trained here, one a seed and size.
"""

import time
from copy import deepcopy
from dataclasses import replace

from transformers import PreTrainedModel

from dpoq_lab import models
from dpoq_lab.best_of_n import best_of_n
from dpoq_lab.encoding import EncodedPair
from dpoq_lab.language_study import (
    DPO,
    PAD,
    SFT,
    SIZES,
    TOKENIZER,
    Size,
    encode,
    stored_study,
    train_base,
    train_stage,
)
from dpoq_lab.languages import held_out_seed, order_pairs
from dpoq_lab.proxy_tuning import steer
from dpoq_lab.rollouts import mean_score, mean_true_score
from dpoq_lab.studies import across, plus_minus, study_options, write_record

LAMBDAS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
PROXIES = ("DPO from base", "DPO from SFT")  # both against the small base
SMALL = SIZES["laptop"]
BASES = {"64 x 2": SMALL, "96 x 3": replace(SMALL, hidden_size=96, layers=3, initializer_range=0.08)}
TINY = {
    name: replace(size, notes=640, pairs=64, base_steps=3, sft_steps=2, dpo_steps=2)
    for name, size in BASES.items()
}
PRESETS = {"ci": (TINY, 4, LAMBDAS[:2]), "laptop": (BASES, 100, LAMBDAS)}  # bases, prompts, lambdas
N = 16


def tuned(base: PreTrainedModel, size: Size, seed: int) -> PreTrainedModel:
    """SFT and DPO of the base itself: what proxy tuning saves."""
    pairs, policy = encode(order_pairs(size.pairs, seed)), deepcopy(base)
    train_stage(policy, pairs, size.settings(SFT, size.sft_steps, seed))
    train_stage(policy, pairs, size.settings(DPO, size.dpo_steps, seed))
    return policy


def score_base(
    base: PreTrainedModel,
    size: Size,
    small: dict[str, PreTrainedModel],
    pairs: list[EncodedPair],
    seed: int,
    lambdas: tuple[float, ...],
) -> dict[str, float]:
    """True scores at temperature 1: steered at each lambda, tuned itself, and best of N."""
    prompts, found = [pair.chosen.prompt_ids for pair in pairs], {}
    for name in PROXIES:
        for lam in lambdas:
            replies = steer(base, small[name], small["base"], lam, prompts, PAD, seed=seed)
            found[f"{name}, lambda {lam:g}"] = mean_score(TOKENIZER, replies, pairs)
        kept = best_of_n(base, small[name], small["base"], TOKENIZER, pairs, N, seed)
        found[f"best of {N} by {name}"] = kept["implicit reward"]
    own = tuned(base, size, seed)
    found["SFT and DPO of the base itself"] = mean_true_score(own, TOKENIZER, pairs, seed)
    return found


def main(arguments: list[str] | None = None) -> None:
    """Measure over seeds of the base, write `proxy.json` and keep the larger base of the first seed."""
    options = study_options("proxy tuning on order notes", arguments, PRESETS)
    bases, prompts, lambdas = PRESETS[options.preset]
    small, started = stored_study()[0].policies, time.perf_counter()
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in bases}
    for seed in range(1, options.seeds + 1):  # the small base itself has seed 0
        pairs = encode(order_pairs(prompts, held_out_seed(seed)))
        for name, size in bases.items():
            base = train_base(size, seed)
            rows[name].append(score_base(base, size, small, pairs, seed, lambdas))
            if seed == 1 and name == "96 x 3":
                models.save(base, TOKENIZER, options.out / "base-96x3")
        print(f"seed {seed}: {time.perf_counter() - started:.0f} s", flush=True)
    table = {name: across(found) for name, found in rows.items()}
    write_record(options.out / "proxy.json", {"seeds": options.seeds, "table": table}, started)
    print(proxy_lines(table))


def proxy_lines(table: dict) -> str:
    """The table as text: bases by column; mean ± half-width of the 95% interval over seeds."""
    lines = [f"{'':<36}" + "".join(f"{name:>15}" for name in table)]
    for what in next(iter(table.values())):
        lines.append(f"{what:<36}" + "".join(f"{plus_minus(row[what]):>15}" for row in table.values()))
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""The paper's figure 2 on order notes: what wide beams do to SFT and to DPO, measured by the true score.

By seed an under-fitted base, SFT, and DPO at three betas are trained, and held-out prompts searched by beam
width and length penalty, by greedy and by sampling. Beams are transformers' batched ones:
`tests/search/test_beams.py` proves them equal to `search.beams`.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel

from dpoq_lab.encoding import EncodedPair
from dpoq_lab.intervals import across, across_tables, plus_minus
from dpoq_lab.lessons.study import Study
from dpoq_lab.objectives import DPO
from dpoq_lab.order_notes.language import held_out_seed, order_pairs, true_score
from dpoq_lab.order_notes.recipe import (
    SIZES,
    Size,
    encode,
    note_tokenizer,
    stored_policies,
    train_base,
    tuned,
)
from dpoq_lab.order_notes.scoring import best_of_n
from dpoq_lab.search.generate import continuations
from dpoq_lab.views.tables import Table

WIDTHS, PENALTIES, BETAS = (1, 2, 3, 5, 10, 20), (0.0, 1.0), (0.1, 0.5, 1.0)
MAX_TOKENS = 80
UNDERFITTED = replace(SIZES["laptop"], base_steps=200, sft_steps=40)  # fitted ones are perfect when greedy


@dataclass(frozen=True)
class SearchSize:
    """How the policies are trained, how many held-out prompts are searched at which widths, and the draws of
    best of n."""

    training: Size
    prompts: int
    widths: tuple[int, ...]
    draws: int


TINY = replace(UNDERFITTED, notes=640, pairs=64, base_steps=3, sft_steps=2, dpo_steps=2)
SEARCH_SIZES = {"ci": SearchSize(TINY, 6, (1, 2), 2), "laptop": SearchSize(UNDERFITTED, 60, WIDTHS, 16)}


def train_searched(size: Size, seed: int) -> dict[str, PreTrainedModel]:
    """SFT and DPO from it at each beta."""
    pairs = encode(order_pairs(size.pairs, seed))
    sft, _ = tuned(train_base(size, seed), pairs, size.stage("sft", seed))
    policies = {"SFT": sft}
    for beta in BETAS:
        stage = replace(size.stage("dpo", seed), objective=DPO(beta))
        policies[f"DPO, beta {beta}"], _ = tuned(sft, pairs, stage)
    return policies


def searches(widths: tuple[int, ...]) -> dict[str, dict]:
    """Every way to search, as settings of `generate`. Width 1 is greedy."""
    ways = {"sampling, T 1, top-k 50": {"do_sample": True, "top_k": 50}}
    for penalty in PENALTIES:
        for width in widths:
            settings = {"num_beams": width, "length_penalty": penalty} if width > 1 else {}
            ways[f"width {width}, penalty {penalty:.0f}"] = {"do_sample": False} | settings
    return ways


def reply_to(
    pi: PreTrainedModel, pairs: list[EncodedPair], settings: dict, seed: int = 0
) -> list[tuple[list[int], bool]]:
    """The best reply to each prompt, its token ids without EOS, and whether it ended by itself."""
    prompts, tokenizer = [pair.chosen.prompt_ids for pair in pairs], note_tokenizer()
    eos = tokenizer.eos_token_id
    rows = continuations(pi, prompts, [eos], tokenizer.pad_token_id, MAX_TOKENS, seed, **settings)
    return [(row[:-1], True) if row[-1] == eos else (row, False) for row in rows]


def describe(pairs: list[EncodedPair], replies: list[tuple[list[int], bool]]) -> dict[str, float]:
    """Means over prompts: true score, win rate against the chosen reply (a tie is half), words, and shares.

    `repeated` and `copied`: the share of a reply's four-word runs that it said before, of its three-word
    runs that stand in the prompt.
    """
    rows = []
    for pair, (ids, ended) in zip(pairs, replies, strict=True):
        text, prompt = note_tokenizer().decode(ids), pair.pair.prompt
        ours, theirs = true_score(prompt, text), true_score(prompt, pair.pair.chosen)
        row = {"score": ours, "win": (np.sign(ours - theirs) + 1) / 2, "words": len(ids)}
        row |= {"unfinished": not ended, "repeated": repeated(text.split(), 4)}
        rows.append(row | {"copied": shared(text.split(), prompt.split(), 3)})
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def word_runs(words: list[str], n: int) -> list[tuple[str, ...]]:
    """All runs of n words."""
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def repeated(words: list[str], n: int) -> float:
    """The share of runs of n words that occurred before; 0 where there is none."""
    found = word_runs(words, n)
    return 1 - len(set(found)) / len(found) if found else 0.0


def shared(words: list[str], source: list[str], n: int) -> float:
    """The share of runs of n words that stand in `source`."""
    found, there = word_runs(words, n), set(word_runs(source, n))
    return float(np.mean([run in there for run in found])) if found else 0.0


def search_table(
    policies: dict[str, PreTrainedModel], pairs: list[EncodedPair], widths: tuple[int, ...], seed: int
) -> dict[str, dict[str, dict[str, float]]]:
    """policy -> way to search -> measures."""
    return {
        name: {
            way: describe(pairs, reply_to(pi, pairs, settings, seed))
            for way, settings in searches(widths).items()
        }
        for name, pi in policies.items()
    }


def measure(size: SearchSize, seeds: int, out: Path) -> tuple[dict, str]:
    """Every policy and way to search over seeds, and once on the stored well-fitted models."""
    tables = []
    for seed in range(seeds):
        pairs = encode(order_pairs(size.prompts, held_out_seed(seed)))
        tables.append(search_table(train_searched(size.training, seed), pairs, size.widths, seed))
        print(f"seed {seed} done", flush=True)
    summary = {name: across_tables([table[name] for table in tables]) for name in tables[0]}
    stored = stored_policies().models
    fitted = {name: stored[name] for name in ("SFT", "DPO from SFT")}
    pairs = encode(order_pairs(size.prompts, held_out_seed(0)))
    record = {"prompts": size.prompts, "underfitted": summary, "draws": size.draws}
    record["fitted, seed 0"] = search_table(fitted, pairs, size.widths, 0)
    record["best of n"] = across([best_of_draws(size, seed) for seed in range(seeds)])
    return record, str(search_results(summary, "score"))


def best_of_draws(size: SearchSize, seed: int) -> dict[str, float]:
    """The stored SFT model draws, and one of its draws is kept by each ranking; prompts and draws by seed."""
    sft, dpo = (stored_policies().models[name] for name in ("SFT", "DPO from SFT"))
    pairs = encode(order_pairs(size.prompts, held_out_seed(seed)))
    return best_of_n(sft, dpo, sft, note_tokenizer(), pairs, size.draws, seed)


def drop(summary: dict, name: str) -> list[float]:
    """By seed, the true score that a policy loses from width 5 to 20 with plain sums."""
    five, twenty = (summary[name][f"width {width}, penalty 0"]["score"]["values"] for width in (5, 20))
    return [a - b for a, b in zip(five, twenty, strict=True)]


def search_results(summary: dict, measure: str) -> Table:
    """A measure: policies by column, ways to search by row; mean ± half-width over seeds."""
    heads = ["", *(name.replace("DPO, beta", "DPO") for name in summary)]
    ways = next(iter(summary.values()))
    rows = [
        (way.replace("top-k", "top"), *(plus_minus(row[way][measure]) for row in summary.values()))
        for way in ways
    ]
    return Table([heads, *rows])


STUDY = Study("beam search on order notes, by width", measure, SEARCH_SIZES)

"""Runs for exercise 08.3: four causes, each really at work, and what a user could have logged of each.

Every run starts from the stored SFT model and is DPO; only pairs and settings differ. Every `EVERY` steps the
mean change of log pi of held-out replies is measured, and KL(pi_ref, pi) of replies of the reference.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel

from dpoq_lab.intervals import across, plus_minus
from dpoq_lab.lessons.l08_reference_policy.pairs import minimal_edit_pairs
from dpoq_lab.lessons.l08_reference_policy.study import EVERY, both_log_pi, replies_of
from dpoq_lab.lessons.study import Study
from dpoq_lab.objectives import DPO
from dpoq_lab.order_notes.language import held_out_seed, order_pairs, true_score
from dpoq_lab.order_notes.recipe import BETA, STAGES, encode, note_tokenizer, shuffled, stored_policies
from dpoq_lab.preferences import Pair
from dpoq_lab.rewards import score_responses
from dpoq_lab.training import train
from dpoq_lab.views.tables import Table


@dataclass(frozen=True)
class Cause:
    """What is at work: `draw(n, seed)` draws pairs, held-out ones with their true labels by `held_out`."""

    draw: Callable[[int, int], list[Pair]]
    held_out: Callable[[int, int], list[Pair]]
    beta: float = BETA
    lr: float = STAGES["dpo"].lr


CAUSES = {
    "no room": Cause(order_pairs, order_pairs),
    "like pairs": Cause(minimal_edit_pairs, minimal_edit_pairs, beta=0.1, lr=3e-4),
    "no signal": Cause(lambda n, seed: shuffled(order_pairs(n, seed), seed), order_pairs),
    "rate too high": Cause(order_pairs, order_pairs, lr=3e-3),
}
ORDER = {"A": "like pairs", "B": "rate too high", "C": "no signal", "D": "no room"}  # of the figure
DIAGNOSIS_SIZES = {"ci": (64, 4, 12), "laptop": (2_000, 200, 120)}  # pairs, held-out prompts, DPO steps


def words_apart(pair: Pair) -> int:
    """At how many places the words of the two replies differ."""
    return sum(a != b for a, b in zip_longest(pair.chosen.split(), pair.rejected.split()))


def measure_run(cause: Cause, reference: PreTrainedModel, size: tuple[int, int, int], seed: int) -> dict:
    """One run: `chosen` and `rejected`, the change of log pi, and `kl`, at each of `steps`, all in nats."""
    n, prompts, steps = size
    pairs, pad_id = encode(cause.draw(n, seed)), note_tokenizer().pad_token_id
    held_out = encode(cause.held_out(prompts, held_out_seed(seed)))
    told, policy = [pair.pair.prompt for pair in held_out], deepcopy(reference).requires_grad_(True)
    drawn, log_ref = replies_of(reference, held_out), both_log_pi(reference, held_out)
    changes, kls, at = [np.zeros(2)], [0.0], [0]

    def watch(record: dict) -> None:
        if (record["step"] + 1) % EVERY == 0:
            changes.append((both_log_pi(policy, held_out) - log_ref).mean(axis=1))
            scored = score_responses(policy, reference, note_tokenizer(), drawn, batch_size=64, top=0)
            kls.append(float(np.mean([sum(s.kl_ref_pi) for s in scored])))
            at.append(record["step"] + 1)

    settings = replace(STAGES["dpo"], objective=DPO(cause.beta), lr=cause.lr, steps=steps, seed=seed)
    train(policy, pairs, pad_id, settings, on_log=watch, progress=False)
    chosen, rejected = np.array(changes).T.round(3).tolist()
    found = {"steps": at, "chosen": chosen, "rejected": rejected, "kl": np.round(kls, 3).tolist()}
    found["words_apart"] = round(float(np.mean([words_apart(pair.pair) for pair in held_out])), 2)
    for when, replies in (("before", drawn), ("after", replies_of(policy, held_out))):
        right = [true_score(prompt, reply.text) for prompt, reply in zip(told, replies, strict=True)]
        found[f"score_{when}"] = round(float(np.mean(right)), 3)
    return found


def measure(size: tuple[int, int, int], seeds: int, out: Path) -> tuple[dict, str]:
    """Every cause over seeds of the pairs; `runs` has a run a seed of each."""
    reference = stored_policies().models["SFT"]
    runs = {
        name: [measure_run(cause, reference, size, seed) for seed in range(seeds)]
        for name, cause in CAUSES.items()
    }
    return {"runs": runs}, str(diagnosis_table(runs))


def diagnosis_table(runs: dict[str, list[dict]]) -> Table:
    """Where the runs of each cause end, mean and 95% interval over seeds."""
    head, rows = ("chosen", "rejected", "KL(pi_ref, pi)", "words apart", "true score"), []
    for name, found in runs.items():
        ends = [{key: run[key][-1] for key in ("chosen", "rejected", "kl")} for run in found]
        scores = [{key: run[key] for key in ("words_apart", "score_before", "score_after")} for run in found]
        row = across([a | b for a, b in zip(ends, scores, strict=True)])
        cells = (plus_minus(row["chosen"], "+"), plus_minus(row["rejected"], "+"), plus_minus(row["kl"]))
        means = {key: f"{value['mean']:.1f}" for key, value in row.items()}
        told = f"{means['score_before']} to {means['score_after']}"
        rows.append((name, *cells, means["words_apart"], told))
    return Table([("", *head), *rows])


STUDY = Study("runs with a known cause", measure, DIAGNOSIS_SIZES)

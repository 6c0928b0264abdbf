"""Credit assignment, measured: train on order notes over seeds and score -r against the known truth."""

import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np

from dpoq_lab import models
from dpoq_lab.credit import chance_of_a_hit, detector_row
from dpoq_lab.encoding import EncodedPair, flaw_mask
from dpoq_lab.intervals import accuracy, across_tables, plus_minus
from dpoq_lab.lessons.l06_token_rewards.figures import hatted
from dpoq_lab.lessons.study import Study
from dpoq_lab.order_notes.language import held_out_seed, order_pairs, stitching_pairs
from dpoq_lab.order_notes.recipe import BETA, NAMES, SIZES, Policies, Size, encode, folder_of, train_policies
from dpoq_lab.rewards import TokenScores
from dpoq_lab.views.tables import Table


def credit_table(policies: Policies, size: Size, seed: int) -> dict[str, dict[str, float]]:
    """One seed's rows: for each detector, how well it finds the planted errors of held-out replies."""
    held_out = encode(order_pairs(size.held_out, held_out_seed(seed), facts=size.facts), policies.tokenizer)
    replies = [pair.rejected for pair in held_out]
    labels = [flaw_mask(reply) for reply in replies]
    rows = {"chance": {"auroc": 0.5, "precision_at_1": chance_of_a_hit(labels)}}
    for name in NAMES:
        scores = policies.scores(name, replies)
        rows[f"surprisal, {name}"] = detector_row([[-logp for logp in s.logp_policy] for s in scores], labels)
        if name in policies.references:
            rows[f"-r, {name}"] = detector_row([[-r for r in s.rewards(BETA)] for s in scores], labels)
            rows[f"-r, {name}"] |= pair_row(policies, name, held_out, scores)
    return rows


def pair_row(
    policies: Policies, name: str, held_out: list[EncodedPair], rejected: list[TokenScores]
) -> dict[str, float]:
    """Held-out pair accuracy, and the summed rewards of chosen and rejected replies, in nats."""
    chosen = policies.scores(name, [pair.chosen for pair in held_out])
    rewards = [[sum(s.rewards(BETA)) for s in side] for side in (chosen, rejected)]
    return {
        "accuracy": accuracy((np.array(rewards[0]) - np.array(rewards[1])).tolist()),
        "chosen_reward_sum": float(np.mean(rewards[0])),
        "rejected_reward_sum": float(np.mean(rewards[1])),
    }


def stitching_row(policies: Policies, name: str, size: Size, seed: int) -> dict[str, float]:
    """Replies with two errors: how often -r ranks the first, the second, and both above every other word."""
    pairs = stitching_pairs(size.held_out, held_out_seed(seed), 2, size.facts)
    replies = [pair.rejected for pair in encode(pairs, policies.tokenizer)]
    found = []
    for scores, reply in zip(policies.scores(name, replies), replies, strict=True):
        blame = -np.array(scores.rewards(BETA))
        planted = np.flatnonzero(flaw_mask(reply))
        found.append(blame[planted] > np.delete(blame, planted).max())
    first, second = np.array(found).T
    return {"first": first.mean(), "second": second.mean(), "both": (first & second).mean()}


def credit_over_seeds(credit: dict) -> Table:
    """A row a detector: mean and the half-width of the 95% interval over seeds."""
    measures = ("precision_at_1", "auroc")
    rows = [
        (name, *(plus_minus(row[measure]) for measure in measures)) for name, row in hatted(credit).items()
    ]
    return Table([("", "precision at 1", "AUROC"), *rows])


def measure_seed(size: Size, seed: int, out: Path | None = None) -> tuple[Policies, dict, dict]:
    """Train and score one seed: the policies, their credit rows and their stitching rows."""
    policies = train_policies(size, seed, out)
    stitching = {
        f"-r, {name}": stitching_row(policies, name, size, seed)
        for name in ("DPO from SFT", "one error a reply", "shuffled labels")
    }
    return policies, credit_table(policies, size, seed), stitching


def measure(size: Size, seeds: int, out: Path) -> tuple[dict, str]:
    """Both tables over seeds; keeps one model folder a policy of the first seed.

    A run that was cut off goes on from the checkpoints in `out/training-NOTES`, removed at the end.
    """
    training, found = out / f"training-{size.notes}", []
    for seed in range(seeds):
        policies, *tables = measure_seed(size, seed, training / str(seed))
        found.append(tables)
        shown = {name: round(row["precision_at_1"], 3) for name, row in tables[0].items()}
        print(f"seed {seed}: precision at 1", shown, flush=True)
        if seed == 0:
            for name, model in policies.models.items():
                models.save(model, policies.tokenizer, out / folder_of(name))
    credit, stitching = (across_tables(list(tables)) for tables in zip(*found, strict=True))
    shutil.rmtree(training)
    record = {"size": asdict(size), "beta": BETA, "credit": credit, "stitching": stitching}
    return record, str(credit_over_seeds(credit))


STUDY = Study("token credit on order notes, over seeds", measure, SIZES)

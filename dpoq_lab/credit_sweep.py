"""How credit sharpens: DPO on order notes by beta, number of pairs and steps, from the stored SFT model.

`python -m dpoq_lab.credit_sweep --out FOLDER` writes `sweep.json`. A seed draws other pairs in another
order; the SFT model is the same for all.
"""

import time
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
from transformers import PreTrainedModel

from dpoq_lab.encoding import EncodedPair, flaw_mask
from dpoq_lab.language_study import (
    DPO,
    Study,
    detector_row,
    encode,
    pair_row,
    scores_of,
    stored_study,
    train_stage,
)
from dpoq_lab.languages import held_out_seed, order_pairs
from dpoq_lab.studies import across, study_options, write_record


@dataclass(frozen=True)
class Point:
    """A DPO run: everything else is as in `language_study`."""

    beta: float = DPO.beta
    pairs: int = 2_000
    steps: int = DPO.steps


AXES = {
    "beta": [Point(beta=beta) for beta in (0.1, 0.25, 0.5, 1.0, 3.0)],
    "pairs": [Point(pairs=n) for n in (20, 100, 500, 2_000)],
    "steps": [Point(steps=n) for n in (1, 3, 10, 30, 120)],
}
POINTS = list(dict.fromkeys(point for points in AXES.values() for point in points))
HELD_OUT = 300
SHOWN = 3  # held-out replies whose token rewards are kept


def train_point(sft: PreTrainedModel, point: Point, seed: int) -> PreTrainedModel:
    """DPO from `sft` on `point.pairs` pairs of this seed."""
    policy = deepcopy(sft).requires_grad_(True)
    pairs = encode(order_pairs(point.pairs, seed))
    train_stage(policy, pairs, replace(DPO, beta=point.beta, steps=point.steps, seed=seed))
    return policy


def measure(sft: PreTrainedModel, policy: PreTrainedModel, point: Point, held_out: list[EncodedPair]) -> dict:
    """Credit, accuracy and KL(pi_ref||pi) a reply in nats on held-out replies; token rewards of the first.

    The KL is the exact one at each state that the rejected replies visit, summed over their tokens.
    """
    study = Study({"SFT": sft, "DPO from SFT": policy}, {})
    replies = [pair.rejected for pair in held_out]
    scores = scores_of(study, "DPO from SFT", replies)
    rewards = [s.rewards(point.beta) for s in scores]
    found = detector_row([[-r for r in row] for row in rewards], [flaw_mask(reply) for reply in replies])
    found["accuracy"] = pair_row(study, "DPO from SFT", held_out, scores)["accuracy"]
    found["kl_ref_pi_sum"] = float(np.mean([sum(s.kl_ref_pi) for s in scores]))
    return found | {"rewards": [[round(r, 4) for r in row] for row in rewards[:SHOWN]]}


def surprisal_row(sft: PreTrainedModel, held_out: list[EncodedPair]) -> dict[str, float]:
    """What the reference's surprisal finds, without any DPO."""
    replies = [pair.rejected for pair in held_out]
    scores = scores_of(Study({"SFT": sft}, {}), "SFT", replies)
    return detector_row([[-p for p in s.logp_policy] for s in scores], [flaw_mask(r) for r in replies])


def main(arguments: list[str] | None = None) -> None:
    """Train every point over seeds and write `sweep.json`."""
    options = study_options("token credit by beta, pairs and steps", arguments)
    started = time.perf_counter()
    sft = stored_study()[0].policies["SFT"]
    held_out = encode(order_pairs(HELD_OUT, held_out_seed(0)))
    points = []
    for point in POINTS:
        rows = [measure(sft, train_point(sft, point, s), point, held_out) for s in range(options.seeds)]
        rewards = [row.pop("rewards") for row in rows]
        table = across(rows)
        points.append({"point": vars(point), "table": table, "rewards": rewards[0]})
        print(point, {name: round(row["mean"], 3) for name, row in table.items()}, flush=True)
    record = {"seeds": options.seeds, "surprisal": surprisal_row(sft, held_out), "points": points}
    record |= {"tokens": [pair.rejected.tokens for pair in held_out[:SHOWN]]}
    record |= {"flaws": [flaw_mask(pair.rejected) for pair in held_out[:SHOWN]]}
    write_record(options.out / "sweep.json", record, started)


if __name__ == "__main__":
    main()

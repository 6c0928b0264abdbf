"""How credit sharpens: DPO on order notes by beta, number of pairs and steps, from the stored SFT model.

A seed draws other pairs in another order; the SFT model is the same for all.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel

from dpoq_lab.credit import detector_row
from dpoq_lab.encoding import EncodedPair, flaw_mask
from dpoq_lab.intervals import across, plus_minus
from dpoq_lab.lessons.l06_token_rewards.credit_study import pair_row
from dpoq_lab.lessons.study import Study
from dpoq_lab.objectives import DPO
from dpoq_lab.order_notes.language import held_out_seed, order_pairs
from dpoq_lab.order_notes.recipe import BETA, STAGES, Policies, encode, note_tokenizer, stored_policies, tuned
from dpoq_lab.views.tables import text_table


@dataclass(frozen=True)
class Point:
    """A DPO run: everything else is as in `order_notes.recipe`."""

    beta: float = BETA
    pairs: int = 2_000
    steps: int = STAGES["dpo"].steps


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
    pairs = encode(order_pairs(point.pairs, seed))
    settings = replace(STAGES["dpo"], objective=DPO(point.beta), steps=point.steps, seed=seed)
    return tuned(sft, pairs, settings)[0]


def measure_point(
    sft: PreTrainedModel, policy: PreTrainedModel, point: Point, held_out: list[EncodedPair]
) -> dict:
    """Credit, accuracy and KL(pi_ref||pi) a reply in nats on held-out replies; token rewards of the first.

    The KL is the exact one at each state that the rejected replies visit, summed over their tokens.
    """
    policies = Policies({"SFT": sft, "DPO from SFT": policy}, {}, note_tokenizer())
    replies = [pair.rejected for pair in held_out]
    scores = policies.scores("DPO from SFT", replies)
    rewards = [s.rewards(point.beta) for s in scores]
    found = detector_row([[-r for r in row] for row in rewards], [flaw_mask(reply) for reply in replies])
    found["accuracy"] = pair_row(policies, "DPO from SFT", held_out, scores)["accuracy"]
    found["kl_ref_pi_sum"] = float(np.mean([sum(s.kl_ref_pi) for s in scores]))
    return found | {"rewards": [[round(r, 4) for r in row] for row in rewards[:SHOWN]]}


def surprisal_row(sft: PreTrainedModel, held_out: list[EncodedPair]) -> dict[str, float]:
    """What the reference's surprisal finds, without any DPO."""
    replies = [pair.rejected for pair in held_out]
    scores = Policies({"SFT": sft}, {}, note_tokenizer()).scores("SFT", replies)
    return detector_row([[-p for p in s.logp_policy] for s in scores], [flaw_mask(r) for r in replies])


def measure(points: list[Point], seeds: int, out: Path) -> tuple[dict, str]:
    """Every point trained over seeds."""
    sft = stored_policies().models["SFT"]
    held_out = encode(order_pairs(HELD_OUT, held_out_seed(0)))
    found = []
    for point in points:
        rows = [measure_point(sft, train_point(sft, point, s), point, held_out) for s in range(seeds)]
        rewards = [row.pop("rewards") for row in rows]
        found.append({"point": vars(point), "table": across(rows), "rewards": rewards[0]})
        print(point, flush=True)
    record = {"surprisal": surprisal_row(sft, held_out), "points": found}
    record |= {"tokens": [pair.rejected.tokens for pair in held_out[:SHOWN]]}
    record |= {"flaws": [flaw_mask(pair.rejected) for pair in held_out[:SHOWN]]}
    return record, sweep_lines(found)


def sweep_lines(points: list[dict]) -> str:
    """A line a point: its settings, then mean ± half-width of every measure over seeds."""
    names = list(points[0]["table"])
    rows = [
        (*map(str, row["point"].values()), *(plus_minus(row["table"][name]) for name in names))
        for row in points
    ]
    return text_table([("beta", "pairs", "steps", *names), *rows])


STUDY = Study("token credit by beta, pairs and steps", measure, {"laptop": POINTS})

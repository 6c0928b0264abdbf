"""Credit assignment, measured: train on order notes over seeds and score -r against the known truth.

`python -m dpoq_lab.language_study --out FOLDER` makes the table of lesson 06; with `--preset ci` in seconds.
"""

import json
import shutil
import time
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab import models
from dpoq_lab.encoding import EncodedPair, encode_pairs, flaw_mask, pad_id
from dpoq_lab.evaluation import accuracy
from dpoq_lab.languages import (
    FACTS,
    LARGE_FACTS,
    Facts,
    held_out_seed,
    notes,
    order_pair,
    order_pairs,
    order_tokenizer,
    stitching_pairs,
    to_read,
)
from dpoq_lab.paths import data_folder
from dpoq_lab.preferences import Pair
from dpoq_lab.presets import bf16_is_fast
from dpoq_lab.rewards import TokenScores, auroc, precision_at_1, score_responses
from dpoq_lab.studies import across_tables, plus_minus, study_options, write_record
from dpoq_lab.training import Settings, train

TOKENIZER = order_tokenizer()
PAD = pad_id(TOKENIZER)
BETA = 0.5
BASE = Settings("sft", lr=3e-3, steps=300, batch_size=64, micro_batch=64, decay=True)
SFT = Settings("sft", lr=1e-3, steps=80, batch_size=64, micro_batch=64)
DPO = Settings("dpo", lr=1e-4, steps=120, batch_size=32, micro_batch=32, beta=BETA, decay=True)
NAMES = ("base", "SFT", "DPO from SFT", "DPO from base", "shuffled labels", "one error a reply")


@dataclass(frozen=True)
class Size:
    """How large a study is: notes for the base, preference pairs, held-out pairs, steps, and the model.

    `large` takes the larger language of twelve facts and trains in bfloat16 where that is fast.
    """

    notes: int
    pairs: int
    held_out: int
    base_steps: int
    sft_steps: int
    dpo_steps: int
    hidden_size: int = 64
    layers: int = 2
    # at the usual 0.02 a model this narrow does not learn to look a fact up in these steps
    initializer_range: float = 0.1
    base_lr: float = 3e-3
    large: bool = False

    @property
    def facts(self) -> Facts:
        """The facts of the language."""
        return LARGE_FACTS if self.large else FACTS

    def settings(self, stage: Settings, steps: int, seed: int) -> Settings:
        """A stage's settings at this size."""
        lr = self.base_lr if stage is BASE else stage.lr
        bf16 = self.large and bf16_is_fast()
        return replace(stage, steps=steps, seed=seed, lr=lr, bf16=bf16)


SIZES = {
    "ci": Size(notes=640, pairs=128, held_out=40, base_steps=10, sft_steps=4, dpo_steps=4),
    "laptop": Size(notes=16_000, pairs=2_000, held_out=300, base_steps=300, sft_steps=80, dpo_steps=120),
    "gpu": Size(
        notes=100_000,
        pairs=8_000,
        held_out=1_000,
        base_steps=3_000,
        sft_steps=160,
        dpo_steps=480,
        hidden_size=512,
        layers=8,
        initializer_range=0.035,
        base_lr=5e-4,
        large=True,
    ),
}


@dataclass(frozen=True)
class Study:
    """The six policies of one seed, and the DPO runs' metrics; `references` names each policy's pi_ref."""

    policies: dict[str, PreTrainedModel]
    logs: dict[str, list[dict]]
    tokenizer: PreTrainedTokenizerFast = TOKENIZER
    references = {"DPO from SFT": "SFT", "DPO from base": "base"} | dict.fromkeys(NAMES[4:], "SFT")


def stored_study(folder: Path | None = None) -> tuple[Study, dict]:
    """The policies of seed 0 and the record that `main` wrote (default: those in `data/runs/order-notes`)."""
    folder = folder or data_folder() / "runs" / "order-notes"
    policies = {name: models.load_frozen(str(folder / folder_of(name)))[0] for name in NAMES}
    tokenizer = models.load_tokenizer(str(folder / "base"))
    return Study(policies, {}, tokenizer), json.loads((folder / "credit.json").read_text(encoding="utf-8"))


def folder_of(name: str) -> str:
    """Where a policy's weights lie in a study's folder."""
    return name.lower().replace(" ", "-")


def encode(pairs: list[Pair], tokenizer: PreTrainedTokenizerFast = TOKENIZER) -> list[EncodedPair]:
    """Pairs of the language as tokens."""
    return encode_pairs(tokenizer, pairs, max_length=256).pairs


def build_base(size: Size, seed: int) -> PreTrainedModel:
    """The untrained model of a study."""
    tokenizer = order_tokenizer(size.facts)
    return models.build(tokenizer, size.hidden_size, size.layers, seed, size.initializer_range)


def train_base(size: Size, seed: int, out: Path | None = None) -> PreTrainedModel:
    """A base model that has read a sloppy writer's notes."""
    base, tokenizer = build_base(size, seed), order_tokenizer(size.facts)
    reading = encode(to_read(notes(size.notes, seed, facts=size.facts)), tokenizer)
    train_stage(base, reading, size.settings(BASE, size.base_steps, seed), out)
    return base


def train_policies(size: Size, seed: int, out: Path | None = None) -> Study:
    """Base on a sloppy writer's notes, SFT on chosen replies, and four DPO runs. Deterministic in `seed`.

    With `out` every stage keeps checkpoints there, and a second call goes on from them.
    """
    tokenizer = order_tokenizer(size.facts)
    pairs = encode(order_pairs(size.pairs, seed, facts=size.facts), tokenizer)
    policies, logs = {"base": train_base(size, seed, out and out / "base")}, {}
    policies["SFT"] = deepcopy(policies["base"])
    stage = size.settings(SFT, size.sft_steps, seed)
    logs["SFT"] = train_stage(policies["SFT"], pairs, stage, out and out / "sft")
    data = {
        "DPO from SFT": pairs,
        "DPO from base": pairs,
        "shuffled labels": encode(shuffled([pair.pair for pair in pairs], seed), tokenizer),
        "one error a reply": encode(stitching_pairs(size.pairs, seed, 1, size.facts), tokenizer),
    }
    stage = size.settings(DPO, size.dpo_steps, seed)
    for name, shown in data.items():
        policies[name] = deepcopy(policies[Study.references[name]])
        logs[name] = train_stage(policies[name], shown, stage, out and out / folder_of(name))
    return Study(policies, logs, tokenizer)


def train_stage(
    policy: PreTrainedModel, pairs: list[EncodedPair], settings: Settings, out: Path | None = None
) -> list[dict]:
    """Train in place, its own reference; with `out`, go on from what lies there."""
    return train(policy, pairs, PAD, settings, out=out, resume=out is not None)


def shuffled(pairs: list[Pair], seed: int) -> list[Pair]:
    """The same pairs with the label of each drawn by a fair coin: a control that can learn nothing."""
    random = Random(f"labels {seed}")
    return [
        order_pair(pair.prompt, pair.rejected, pair.chosen) if random.random() < 0.5 else pair
        for pair in pairs
    ]


def scores_of(study: Study, name: str, responses: list) -> list[TokenScores]:
    """`responses` scored by the policy `name` and its reference (for base and SFT, itself)."""
    reference = study.policies[study.references.get(name, name)]
    return score_responses(study.policies[name], reference, study.tokenizer, responses, batch_size=64, top=0)


def detector_row(suspicion: list[list[float]], labels: list[list[bool]]) -> dict[str, float]:
    """AUROC over all tokens and precision at 1 over replies that hold an error."""
    return {
        "auroc": auroc(np.concatenate(suspicion), np.concatenate(labels)),
        "precision_at_1": precision_at_1(suspicion, labels)[0],
    }


def credit_table(study: Study, size: Size, seed: int) -> dict[str, dict[str, float]]:
    """One seed's rows: for each detector, how well it finds the planted errors of held-out replies."""
    held_out = encode(order_pairs(size.held_out, held_out_seed(seed), facts=size.facts), study.tokenizer)
    replies = [pair.rejected for pair in held_out]
    labels = [flaw_mask(reply) for reply in replies]
    rows = {"chance": {"auroc": 0.5, "precision_at_1": chance_of_a_hit(labels)}}
    for name in NAMES:
        scores = scores_of(study, name, replies)
        rows[f"surprisal, {name}"] = detector_row([[-logp for logp in s.logp_policy] for s in scores], labels)
        if name in study.references:
            rows[f"-r, {name}"] = detector_row([[-r for r in s.rewards(BETA)] for s in scores], labels)
            rows[f"-r, {name}"] |= pair_row(study, name, held_out, scores)
    return rows


def pair_row(
    study: Study, name: str, held_out: list[EncodedPair], rejected: list[TokenScores]
) -> dict[str, float]:
    """Held-out pair accuracy, and the summed rewards of chosen and rejected replies, in nats."""
    chosen = scores_of(study, name, [pair.chosen for pair in held_out])
    rewards = [[sum(s.rewards(BETA)) for s in side] for side in (chosen, rejected)]
    return {
        "accuracy": accuracy((np.array(rewards[0]) - np.array(rewards[1])).tolist()),
        "chosen_reward_sum": float(np.mean(rewards[0])),
        "rejected_reward_sum": float(np.mean(rewards[1])),
    }


def stitching_row(study: Study, name: str, size: Size, seed: int) -> dict[str, float]:
    """Replies with two errors: how often -r ranks the first, the second, and both above every other word."""
    pairs = stitching_pairs(size.held_out, held_out_seed(seed), 2, size.facts)
    replies = [pair.rejected for pair in encode(pairs, study.tokenizer)]
    found = []
    for scores, reply in zip(scores_of(study, name, replies), replies, strict=True):
        blame = -np.array(scores.rewards(BETA))
        planted = np.flatnonzero(flaw_mask(reply))
        found.append(blame[planted] > np.delete(blame, planted).max())
    first, second = np.array(found).T
    return {"first": first.mean(), "second": second.mean(), "both": (first & second).mean()}


def chance_of_a_hit(labels: list[list[bool]]) -> float:
    """Precision at 1 of a random guess: the mean share of errors in replies that hold one."""
    return float(np.mean([np.mean(row) for row in labels if any(row)]))


def table_lines(summary: dict) -> str:
    """The table as text: mean and the half-width of the 95% interval over seeds."""
    lines = [f"{'':<30} {'precision at 1':>15} {'AUROC':>15}"]
    for name, row in summary.items():
        lines.append(f"{name:<30} {plus_minus(row['precision_at_1']):>15} {plus_minus(row['auroc']):>15}")
    return "\n".join(lines)


def measure_seed(size: Size, seed: int, out: Path | None = None) -> tuple[Study, dict, dict]:
    """Train and score one seed: the study, its credit rows and its stitching rows."""
    study = train_policies(size, seed, out)
    stitching = {
        f"-r, {name}": stitching_row(study, name, size, seed)
        for name in ("DPO from SFT", "one error a reply", "shuffled labels")
    }
    return study, credit_table(study, size, seed), stitching


def main(arguments: list[str] | None = None) -> None:
    """Measure over seeds and write `credit.json`, with one model folder a policy of the first seed.

    A run that was cut off goes on from the checkpoints in `OUT/training-PRESET`, removed at the end.
    """
    options = study_options("token credit on order notes, over seeds", arguments, SIZES)
    size, started = SIZES[options.preset], time.perf_counter()
    training, found = options.out / f"training-{options.preset}", []
    for seed in range(options.seeds):
        study, *tables = measure_seed(size, seed, training / str(seed))
        found.append(tables)
        print(
            f"seed {seed}: precision at 1", {k: round(v["precision_at_1"], 3) for k, v in tables[0].items()}
        )
        if seed == 0:
            for name, policy in study.policies.items():
                models.save(policy, study.tokenizer, options.out / folder_of(name))
    credit, stitching = (across_tables(list(tables)) for tables in zip(*found, strict=True))
    record = {"size": asdict(size), "beta": BETA, "seeds": options.seeds, "credit": credit}
    write_record(options.out / "credit.json", record | {"stitching": stitching}, started)
    shutil.rmtree(training)
    print(table_lines(credit))


if __name__ == "__main__":
    main()

"""r is an advantage: DPO's token rewards on telegrams against the exact A*, over seeds.

A base reads telegrams, DPO from it reads pairs of its writer, labelled by Bradley-Terry with the true return;
beta log pi/pi_ref is compared with the A* that `soft_bellman.solve` finds on the tree of 16 replies under
that very base.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
from transformers import PreTrainedModel

from dpoq_lab import models
from dpoq_lab.encoding import encode_pairs, encode_response
from dpoq_lab.intervals import across, plus_minus
from dpoq_lab.lessons.l06_token_rewards import telegrams
from dpoq_lab.lessons.l06_token_rewards.telegrams import Telegram
from dpoq_lab.lessons.study import Study
from dpoq_lab.objectives import DPO, SFT
from dpoq_lab.order_notes.language import to_read
from dpoq_lab.paths import data_folder
from dpoq_lab.rewards import score_responses
from dpoq_lab.schedule import Settings
from dpoq_lab.theory.soft_bellman import implicit_reward, solve
from dpoq_lab.theory.token_mdp import Levels
from dpoq_lab.training import trained_copy
from dpoq_lab.views.tables import Table

BETA = 0.5
STAGES = {
    "base": Settings(SFT(), lr=3e-3, steps=300, batch_size=64, micro_batch=64, decay=True),
    "dpo": Settings(DPO(BETA), lr=3e-4, steps=200, batch_size=64, micro_batch=64, decay=True),
}
SIZES = {"ci": (10, 5), "laptop": (300, 200)}  # steps of base and DPO
NOTES, PAIRS, PROMPTS = 8_000, 4_000, 100
CHOICES = slice(0, telegrams.H - 1)  # the levels at which there is a choice: not EOS


@dataclass(frozen=True)
class Credit:
    """A telegram's tokens: learned r, exact A*, and the reward that was paid, each levels (2**t, 3)."""

    r_hat: Levels
    A: Levels
    r: Levels
    outside: float  # the largest mass that the reference puts on words that are not in the tree


def train_telegrams(seed: int, steps: tuple[int, int]) -> tuple[PreTrainedModel, PreTrainedModel]:
    """The DPO policy and its reference, the base, after `steps` of base and DPO. Deterministic in `seed`."""
    tokenizer = telegrams.telegram_tokenizer()
    model, data = models.build(tokenizer, 64, 2, seed, initializer_range=0.1), {}
    data["base"] = to_read(telegrams.notes(NOTES, seed))
    data["dpo"] = telegrams.pairs(PAIRS, seed)
    trained = []
    for (stage, pairs), n in zip(data.items(), steps, strict=True):
        settings = replace(STAGES[stage], steps=n, seed=seed)
        encoded = encode_pairs(tokenizer, pairs, max_length=64).pairs
        model, _ = trained_copy(model, encoded, tokenizer.pad_token_id, settings)
        trained.insert(0, model)
    return tuple(trained)


def credit_of(of: Telegram, policy: PreTrainedModel, reference: PreTrainedModel) -> Credit:
    """Every token of every reply to one prompt, learned and exact."""
    tokenizer = telegrams.telegram_tokenizer()
    responses = [encode_response(tokenizer, of.prompt, text, 64) for text in telegrams.replies(of)]
    scores = score_responses(policy, reference, tokenizer, responses, batch_size=16, top=0)
    log_pi, log_pi_ref = (
        np.array([getattr(s, f"logp_{m}") for s in scores]) for m in ("policy", "reference")
    )
    mdp, outside = telegrams.tree(log_pi_ref, BETA)
    r = telegrams.reward()
    A = implicit_reward(mdp, solve(mdp, r).pi)
    return Credit(telegrams.by_state(BETA * (log_pi - log_pi_ref)), A, r, outside)


def choices_of(levels: Levels) -> np.ndarray:
    """The values of the 30 tokens of a telegram's tree that are choices, in one row."""
    return np.concatenate([level[:, :2].ravel() for level in levels[CHOICES]])


def tokens_of(credits: list[Credit]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Learned r, exact A* and pay of all tokens of all prompts, (n,) each."""
    return tuple(np.concatenate([choices_of(getattr(c, n)) for c in credits]) for n in ("r_hat", "A", "r"))


def compare(credits: list[Credit]) -> dict[str, float]:
    """How the learned r of all tokens goes with A* and with the reward paid.

    `within` is the correlation with A* among tokens of the same pay: what the pay alone cannot explain.
    """
    r_hat, A, r = tokens_of(credits)
    manner = np.concatenate([c.r_hat[0][0, :2] for c in credits]).reshape(-1, 2).mean(axis=0)
    exact = np.concatenate([c.A[0][0, :2] for c in credits]).reshape(-1, 2).mean(axis=0)
    return {
        "correlation_with_A": correlation(r_hat, A),
        "correlation_with_pay": correlation(r_hat, r),
        "correlation_with_A_within_pay": correlation(within(r_hat, r), within(A, r)),
        "rms_distance_to_A": float(np.sqrt(np.mean((r_hat - A) ** 2))),
        "rms_distance_to_pay": float(np.sqrt(np.mean((r_hat - r) ** 2))),
        "r_of_hastily": float(manner[1]),
        "A_of_hastily": float(exact[1]),
        "mass_outside": max(c.outside for c in credits),
    }


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's correlation of two rows."""
    return float(np.corrcoef(x, y)[0, 1])


def within(x: np.ndarray, group: np.ndarray) -> np.ndarray:
    """x less the mean of its group."""
    return x - np.array([x[group == g].mean() for g in group])


def held_out(n: int, seed: int) -> list[Telegram]:
    """n prompts for the comparison."""
    random = Random(f"telegrams held out {seed}")
    return [telegrams.telegram(random) for _ in range(n)]


def stored_telegrams(folder: Path | None = None) -> tuple[PreTrainedModel, PreTrainedModel]:
    """Policy and reference of seed 0 that the study wrote (default: those in `data/runs/telegrams`)."""
    folder = folder or data_folder() / "runs" / "telegrams"
    return tuple(models.load_frozen(str(folder / name))[0] for name in ("policy", "reference"))


def measure(steps: tuple[int, int], seeds: int, out: Path) -> tuple[dict, str]:
    """The comparison over seeds; keeps the two models of the first seed."""
    rows = []
    for seed in range(seeds):
        pair = train_telegrams(seed, steps)
        rows.append(compare([credit_of(of, *pair) for of in held_out(PROMPTS, seed)]))
        if seed == 0:
            for name, model in zip(("policy", "reference"), pair, strict=True):
                models.save(model, telegrams.telegram_tokenizer(), out / name)
    table = across(rows)
    return {"beta": BETA, "table": table}, str(advantage_table(table))


def advantage_table(table: dict) -> Table:
    """A row a measure: mean and the half-width of the 95% interval over seeds."""
    names = {
        name: name.replace("_", " ").replace("r of", "r_hat of").replace("A of", "A* of") for name in table
    } | {"mass_outside": "largest mass outside"}
    rows = [(names[name], plus_minus(row, "+")) for name, row in table.items()]
    return Table([("", "over seeds"), *rows])


STUDY = Study("token rewards against the exact advantage, over seeds", measure, SIZES)

"""The recipe of lesson 11: a base that has read a game's conversations, and DPO on pairs of its own.

All conversations of a game are rows of a table, so a pair is two rows and two outcomes. The luck of a pair is
one more term of its margin: a column beside the log-ratios of the messages.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor
from transformers import PreTrainedModel

from dpoq_lab import models
from dpoq_lab.lessons.l11_multi_turn.language import Table, said_log_probs, tokenizer
from dpoq_lab.lessons.l11_multi_turn.luck import whole_luck
from dpoq_lab.losses import dpo_loss
from dpoq_lab.objectives import DPO, SFT
from dpoq_lab.schedule import Settings, learning_rate
from dpoq_lab.theory.token_mdp import stream

Labels = Literal["own user", "rated on average", "regret", "luck in the margin", "single turn"]
LABELS: tuple[Labels, ...] = ("own user", "rated on average", "regret", "luck in the margin", "single turn")


@dataclass(frozen=True)
class Size:
    """Conversations for the base, pairs drawn, the steps of each stage, and the pairs of a step."""

    texts: int = 20_000
    pairs: int = 20_000
    steps: int = 300
    batch: int = 64


SIZES = {"ci": Size(500, 500, 5), "laptop": Size()}
SFT_RATE, DPO_RATE, TEXTS = 5e-3, 2e-3, 64  # TEXTS: conversations of a step of SFT


@dataclass(frozen=True)
class PairData:
    """M pairs of rows of a table, chosen and rejected, and the luck of each that the margin holds, (M,)."""

    chosen: np.ndarray
    rejected: np.ndarray
    luck_chosen: np.ndarray
    luck_rejected: np.ndarray


def train_base(table: Table, size: Size, seed: int) -> PreTrainedModel:
    """A model that has read the writer's conversations, the users' words too."""
    read = stream(seed, "read").choice(len(table.law), size.texts, p=table.law)
    model = models.build(tokenizer(), 48, 2, seed, initializer_range=0.1)

    def loss(batch: np.ndarray) -> Tensor:
        return -said_log_probs(model, table, read[batch]).sum(dim=1).mean()

    _fit(model, loss, len(read), Settings(SFT(), SFT_RATE, size.steps, TEXTS, TEXTS, seed=seed, decay=True))
    return model.requires_grad_(False)


def draw_pairs(table: Table, labels: Labels, size: Size, seed: int) -> PairData:
    """Pairs of conversations with one prompt, each with a user and an outcome of its own, labelled by a draw
    from Bradley-Terry with what the `labels` look at; those of two equal conversations are dropped."""
    rng = stream(seed, f"pairs {labels}")
    law = table.law * ~asked(table) if labels == "single turn" else table.law
    first = rng.choice(len(law), size.pairs, p=law / law.sum())
    second = np.array([_another(rng, law, table, k) for k in table.prompt[first]])
    both = np.stack([first, second])  # (2, M)
    wrong = (rng.random(both.shape) > everywhere(table, "right")[both]).astype(int)
    seen, luck = everywhere(table, "outcomes")[both, wrong], _luck(table)[both, wrong]
    if labels == "rated on average":
        seen = everywhere(table, "mean")[both]
    if labels == "regret":
        seen = seen - luck
    kept = first != second
    wins = rng.random(size.pairs) < expit(seen[0] - seen[1])
    order = np.where(wins, 0, 1)[kept]
    rows, luck = both[:, kept], luck[:, kept] * (labels == "luck in the margin")
    n = np.arange(kept.sum())
    return PairData(rows[order, n], rows[1 - order, n], luck[order, n], luck[1 - order, n])


def everywhere(table: Table, what: str) -> np.ndarray:
    """An attribute of the dialogues, `right`, `mean` or `outcomes`, of every row of the table."""
    return np.concatenate([getattr(talk, what) for talk in table.talks])


def asked(table: Table) -> np.ndarray:
    """Which rows have a question, (S,)."""
    return table.said.any(dim=1).numpy()


def _luck(table: Table) -> np.ndarray:
    return np.concatenate([whole_luck(talk) for talk in table.talks])


def _another(rng: np.random.Generator, law: np.ndarray, table: Table, prompt: int) -> int:
    rows = table.rows_of(prompt)
    return int(rng.choice(rows, p=law[rows] / law[rows].sum()))


def train_dpo(
    base: PreTrainedModel, table: Table, pairs: PairData, size: Size, seed: int, masked: bool = True
) -> PreTrainedModel:
    """DPO from the base, its reference; not `masked`, what the user says counts as an action."""
    model, beta = deepcopy(base).requires_grad_(True), table.talks[0].rules.beta
    mine = table.acts if masked else table.acts | table.said
    with torch.no_grad():
        log_ref = said_log_probs(base, table)

    def ratios(rows: np.ndarray, luck: np.ndarray) -> Tensor:
        ratio = (said_log_probs(model, table, rows) - log_ref[rows]).masked_fill(~mine[rows], 0.0)
        return torch.cat([ratio, torch.tensor(luck, dtype=ratio.dtype)[:, None] / beta], dim=1)

    def loss(batch: np.ndarray) -> Tensor:
        chosen = ratios(pairs.chosen[batch], pairs.luck_chosen[batch])
        return dpo_loss(chosen, ratios(pairs.rejected[batch], pairs.luck_rejected[batch]), beta).mean()

    n, batch = len(pairs.chosen), size.batch
    _fit(model, loss, n, Settings(DPO(beta), DPO_RATE, size.steps, batch, batch, seed=seed, decay=True))
    return model.requires_grad_(False)


def _fit(model: PreTrainedModel, loss: Callable[[np.ndarray], Tensor], n: int, settings: Settings) -> None:
    """Minimise `loss` over batches of 0..n-1, drawn without replacement as long as there are enough."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, weight_decay=0.0)
    rng, order = stream(settings.seed, "order"), np.empty(0, dtype=int)
    for step in range(settings.steps):
        if len(order) < settings.batch_size:
            order = rng.permutation(n)
        batch, order = order[: settings.batch_size], order[settings.batch_size :]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, settings)
        optimizer.zero_grad()
        loss(batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()

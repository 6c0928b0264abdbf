"""Facts of a DPO run: what its log says, and what its scored pairs say.

All are numbers in nats a reply (a log-ratio is a reward divided by beta), unless a name says otherwise. For
replies drawn from pi_ref, E[log pi/pi_ref] = -KL(pi_ref || pi), the sum over their tokens of the KL at each
state. So if a reference was fitted to the chosen replies (SFT on them), their reward must fall, and by how
much is known: k = (chosen log-ratio) / -(summed KL) is near 1.
"""

import math
from array import array
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from dpoq_lab.credit import Changed, changed_sides
from dpoq_lab.preferences import SIDES
from dpoq_lab.runs.logs import Log
from dpoq_lab.runs.token_file import ScoredRow

Facts = dict[str, float]


def log_facts(log: Log, beta: float) -> Facts:
    """What curves say: the start, the end (the mean of the last fifth), and log pi_ref of both replies."""
    finite = [record for record in log.records if all(map(math.isfinite, record.values()))]
    lost = len(log.records) - len(finite)
    if not finite:
        return {"beta": beta, "records": float(lost), "not_finite": 1.0}
    log, last = replace(log, records=finite), max(len(finite) // 5, 1)
    facts = {"records": float(len(finite)), "beta": beta, "not_finite": lost / (lost + len(finite))}
    for name, scale in (("loss", 1.0), ("accuracy", 1.0), ("chosen", beta), ("rejected", beta)):
        if column := log.column(name):
            facts[f"{name}_end"] = float(np.mean(column[-last:])) / scale
    if log.held_out is not None:
        facts["accuracy_held_out"] = log.held_out
    if log.records[0].get("step", 2) <= 1:  # before the first update, and the mean of nothing else
        first = log.records[0]
        facts |= {"loss_start": first["loss"]}
        facts |= {f"{side}_start": first[side] / beta for side in SIDES}
    for side in SIDES:
        both = [(r[f"{side}_logp"], r[side] / beta) for r in log.records if f"{side}_logp" in r]
        if both:  # the reference does not move, so every step says what it gives these replies
            of_reference = np.array([logp - ratio for logp, ratio in both])
            facts[f"{side}_logged"] = float(of_reference.mean())
            if len(both) > 1:
                facts[f"{side}_logged_se"] = float(of_reference.std(ddof=1) / math.sqrt(len(both)))
    return facts


class PairFacts:
    """Facts of scored pairs, added up one by one; `columns` has a number a pair."""

    def __init__(self, beta: float) -> None:
        self.beta = beta
        self.columns: dict[str, array] = defaultdict(lambda: array("f"))
        self.hashes, self.turned = array("q"), array("q")  # of pairs, and of each with its sides exchanged

    def add(self, row: ScoredRow, changed: Changed) -> None:
        """One more pair and its `changed_sides`."""
        for side, scores in zip(SIDES, row.sides, strict=True):
            response = scores.response
            for name, value in {
                side: sum(scores.logp_policy) - sum(scores.logp_reference),
                f"{side}_kl": sum(scores.kl_ref_pi),
                f"{side}_tokens": response.n_actions,
                f"{side}_rescored": sum(scores.logp_reference),
                f"{side}_cut": response.truncated,
            }.items():
                self.columns[name].append(value)
        texts = [scores.response.text for scores in row.sides]
        self.hashes.append(hash((row.prompt, *texts)))
        self.turned.append(hash((row.prompt, *texts[::-1])))
        ids = [scores.response.ids for scores in row.sides]
        kept = changed[0].count(False)  # tokens of either reply that the other has too
        self.columns["changed"].append(1 - 2 * kept / sum(map(len, ids)))

    def facts(self) -> Facts:
        """Means over the pairs, and what is made of them; nothing for no pairs."""
        if not self.columns:
            return {}
        column = {name: np.frombuffer(values, np.float32) for name, values in self.columns.items()}
        margin, n = column["chosen"] - column["rejected"], len(column["chosen"])
        by_token = {side: column[f"{side}_rescored"] / column[f"{side}_tokens"] for side in SIDES}
        facts = {name: float(values.mean(dtype=float)) for name, values in column.items()} | {
            "pairs": float(n),
            "beta": self.beta,
            "loss": float(np.logaddexp(0.0, -self.beta * margin).mean(dtype=float)),
            "ranked_right": float(np.mean(margin > 0)),
            "reference_prefers_chosen": float(np.mean(by_token["chosen"] > by_token["rejected"])),
            "cut": float(np.mean((column["chosen_cut"] + column["rejected_cut"]) > 0)),
            "contradicted": float(np.isin(self.turned, self.hashes).mean()),
        }
        for name in ("chosen", "chosen_rescored", "rejected_rescored"):
            spread = float(column[name].std(ddof=1, dtype=float)) if n > 1 else math.inf
            facts[f"{name}_se"] = spread / math.sqrt(n)
        if facts["chosen_kl"] > 0.1:  # below, it is a ratio of two numbers near 0
            facts["k"] = facts["chosen"] / -facts["chosen_kl"]
        return facts


def pair_facts(rows: Iterable[ScoredRow], beta: float) -> Facts:
    """`PairFacts` of rows."""
    found = PairFacts(beta)
    for row in rows:
        found.add(row, changed_sides(row.sides))
    return found.facts()

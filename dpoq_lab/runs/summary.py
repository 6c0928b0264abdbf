"""The numbers of `summary.json`, added up pair by pair, so that memory does not grow with the pairs."""

import heapq
import random
from array import array
from collections import Counter, defaultdict
from math import inf
from operator import itemgetter
from typing import Any

import numpy as np

from dpoq_lab.credit import Changed, Evidence, changed_sides, evidence, report_of
from dpoq_lab.encoding import Response
from dpoq_lab.forms import shared_length
from dpoq_lab.intervals import accuracy_with_interval, rounded_interval
from dpoq_lab.preferences import SIDES
from dpoq_lab.rewards import ScoredPair
from dpoq_lab.runs.facts import PairFacts
from dpoq_lab.runs.token_file import ScoredRow

KEPT = 1000  # pairs, evenly drawn, over which credit is judged
PLACES, DOTS = 256, 400  # of the mean reward along a reply; of the plane
SHOWN = 10  # of the worst pairs and the steepest tokens
PARTS = ("shared start", "changed", "shared later", "end")
LENGTHS = (16, 32, 64, 128, 256)  # actions: the last of each group of replies
KL_ASSUMES = {
    "kl_ref_pi_token_mean": "KL(pi_ref || pi) a token, exact at each state of these replies; "
    "the models' own only if the replies are such as pi_ref writes",
    "kl_pi_ref_token_mean": "KL(pi || pi_ref) a token, exact at each state of these replies; "
    "the models' own only if the replies are such as pi writes",
}


class Tally:
    """What is summed and kept of scored pairs; `summary` says it in nats, rewards as sums over actions."""

    def __init__(self, beta: float) -> None:
        self.beta = beta
        self.rewards = (array("d"), array("d"))
        self.by_likelihood = array("d")
        self.kl_ref_pi = self.kl_pi_ref = 0.0
        self.actions = self.observations = 0
        self.tails: Counter[str] = Counter()
        self.parts: dict[tuple[str, str, str], float] = defaultdict(float)  # (side, length, part) -> nats
        self.replies: Counter[tuple[str, str]] = Counter()  # (side, length)
        self.kept: list[tuple[int, Evidence]] = []
        self.worst: list[tuple[float, int, dict]] = []
        self.steepest: list[tuple[float, int, dict]] = []
        self.draws = random.Random(0)
        self.facts = PairFacts(beta)
        self.along = {side: (np.zeros(PLACES), np.zeros(PLACES)) for side in SIDES}  # sums of r_hat, replies

    def add(self, row: ScoredRow) -> None:
        """One more pair."""
        number = len(self.by_likelihood)
        chosen, rejected = row.sides
        changed, rewards = changed_sides(row.sides), [scores.rewards(self.beta) for scores in row.sides]
        self.facts.add(row, changed)
        for scores, r_hat, sums in zip(row.sides, rewards, self.rewards, strict=True):
            sums.append(sum(r_hat))
            self.kl_ref_pi += sum(scores.kl_ref_pi)
            self.kl_pi_ref += sum(scores.kl_pi_ref)
            self.actions += scores.response.n_actions
            self.observations += len(scores.response.ids) - scores.response.n_actions
            self.tails += Counter(filter(None, [scores.response.tail]))
        self.by_likelihood.append(sum(chosen.logp_policy) - sum(rejected.logp_policy))
        self._split(row.sides, rewards, parts_of(row.sides, changed))
        self._place(rewards)
        self._keep(number, row.sides, changed)
        margin = self.rewards[0][-1] - self.rewards[1][-1]
        named = {"pair": number, "where": row.where}
        _push(self.worst, (-margin, -number, named | {"margin": margin}), SHOWN)
        self._shifts(number, named, row.sides)

    def _split(self, sides: ScoredPair, rewards: list[list[float]], parts: list[list[str]]) -> None:
        for side, scores, r_hat, named in zip(SIDES, sides, rewards, parts, strict=True):
            length = length_group(scores.response.n_actions)
            self.replies[side, length] += 1
            for part, r in zip(named, r_hat, strict=True):
                self.parts[side, length, part] += r

    def _place(self, rewards: list[list[float]]) -> None:
        for side, r_hat in zip(SIDES, rewards, strict=True):
            (sums, replies), n = self.along[side], min(len(r_hat), PLACES)
            sums[:n] += r_hat[:n]
            replies[:n] += 1

    def _keep(self, number: int, sides: ScoredPair, changed: Changed) -> None:
        """An even draw of `KEPT` pairs of as many as come (Vitter's algorithm R)."""
        if number < KEPT:
            self.kept.append((number, evidence(sides, changed)))
        elif (place := self.draws.randrange(number + 1)) < KEPT:
            self.kept[place] = number, evidence(sides, changed)

    def _shifts(self, number: int, named: dict, sides: ScoredPair) -> None:
        for k, (side, scores) in enumerate(zip(SIDES, sides, strict=True)):
            if (shift := scores.shift) is None:
                continue
            ratio = scores.logp_policy[shift.at] - scores.logp_reference[shift.at]
            token = {"role": side, "at": shift.at, "token": scores.response.tokens[shift.at]}
            moved = {way: [list(m) for m in getattr(shift, way)] for way in ("gained", "lost")}
            found = named | token | {"log_ratio": ratio} | moved
            _push(self.steepest, (abs(ratio), -(2 * number + k), found), SHOWN)

    def summary(self) -> dict:
        """The numbers of `summary.json`; at least one pair must have been added."""
        chosen, rejected = map(np.array, self.rewards)
        margins, n = chosen - rejected, len(chosen)
        falls = {"chosen": chosen < 0, "rejected": rejected < 0, "both": (chosen < 0) & (rejected < 0)}
        return {
            "beta": self.beta,
            "pair_accuracy": accuracy_with_interval(margins),
            "pair_accuracy_by_likelihood": accuracy_with_interval(np.array(self.by_likelihood)),
            "chosen_reward_sum_mean": float(chosen.mean()),
            "rejected_reward_sum_mean": float(rejected.mean()),
            "margin_mean": float(margins.mean()),
            "falls": {side: _share(int(mask.sum()), n) for side, mask in falls.items()},
            "kl_ref_pi_token_mean": self.kl_ref_pi / self.actions,
            "kl_pi_ref_token_mean": self.kl_pi_ref / self.actions,
            "kl_assumes": KL_ASSUMES,
            "reward_parts": self._parts(),
            "facts": self.facts.facts(),
            "plane": self._plane(),
            "along": {side: _means(*self.along[side]) for side in SIDES},
            "half_reach": {side: _half(self.along[side][1]) for side in SIDES},
            "worst_pairs": _sorted(self.worst),
            "steepest_tokens": _sorted(self.steepest),
            "not_scored": {
                "responses": 2 * n,
                "observations": self.observations,
                "tails": dict(self.tails),
            },
            "credit": {"pairs": len(self.kept)}
            | report_of([found for _, found in sorted(self.kept, key=itemgetter(0))]),
        }

    def _plane(self) -> list[list[float]]:
        """Log-ratios of chosen and rejected, nats a token, and the summed margin, of at most `DOTS` pairs."""
        column = {name: np.frombuffer(values, np.float32) for name, values in self.facts.columns.items()}
        n = len(column["chosen"])
        some = np.unique(np.linspace(0, n - 1, min(n, DOTS)).astype(int))
        by_token = [column[side][some] / column[f"{side}_tokens"][some] for side in SIDES]
        margins = self.beta * (column["chosen"][some] - column["rejected"][some])
        return [
            [round(x, 5), round(y, 5), round(margin, 6)]
            for x, y, margin in np.array([*by_token, margins], dtype=float).T.tolist()
        ]

    def _parts(self) -> list[dict]:
        """Mean reward of each part by side, for all replies and for those of each length."""
        table = []
        for length in ("all", *map(length_group, (*LENGTHS, inf))):
            for side in SIDES:
                lengths = [other for of, other in self.replies if of == side and length in ("all", other)]
                if n := sum(self.replies[side, other] for other in lengths):
                    means = {p: sum(self.parts[side, other, p] for other in lengths) / n for p in PARTS}
                    table.append({"actions": length, "side": side, "replies": n} | means)
        return table


class Picked:
    """The pairs that a page shows: the first ones and those of the smallest margin."""

    def __init__(self, beta: float, first: int = 40, worst: int = 10) -> None:
        self.beta, self.sizes = beta, (first, worst)
        self.first: list[tuple[int, ScoredRow]] = []
        self.worst: list[tuple[float, int, ScoredRow]] = []

    def add(self, number: int, row: ScoredRow) -> None:
        """One more pair."""
        if len(self.first) < self.sizes[0]:
            self.first.append((number, row))
            return
        chosen, rejected = (sum(scores.rewards(self.beta)) for scores in row.sides)
        _push(self.worst, (rejected - chosen, -number, row), self.sizes[1])

    def shown(self) -> list[tuple[int, ScoredRow]]:
        """Number and pair, in the order of the file."""
        return self.first + sorted((-number, row) for _, number, row in self.worst)


def parts_of(sides: ScoredPair, changed: Changed) -> list[list[str]]:
    """For each token of both responses which of `PARTS` it is in; `changed` is their `changed_sides`."""
    chosen, rejected = (scores.response.ids for scores in sides)
    start = shared_length(chosen, rejected)
    return [
        [_part(k, new, start, scores.response) for k, new in enumerate(mask)]
        for scores, mask in zip(sides, changed, strict=True)
    ]


def _part(place: int, changed: bool, start: int, response: Response) -> str:
    if place in response.ends:
        return "end"
    return "shared start" if place < start else "changed" if changed else "shared later"


def _means(sums: np.ndarray, replies: np.ndarray) -> list[float]:
    """Mean r_hat at each place that at least a tenth of the replies reach."""
    there = replies >= max(replies[0] / 10, 1)
    return np.round(sums[there] / replies[there], 6).tolist()


def _half(replies: np.ndarray) -> int:
    """The last place that at least half the replies reach."""
    return int(np.count_nonzero(replies >= max(replies[0] / 2, 1)))


def length_group(n: float) -> str:
    """The group of replies of `n` actions, as "17-32"."""
    low = 1
    for high in LENGTHS:
        if n <= high:
            return f"{low}-{high}"
        low = high + 1
    return f"{low} and more"


def _push(heap: list[tuple[float, int, Any]], item: tuple[float, int, Any], most: int) -> None:
    """Keep the `most` largest of (size, -number, what); where two are alike the earlier number."""
    (heapq.heappush if len(heap) < most else heapq.heappushpop)(heap, item)


def _sorted(heap: list[tuple[float, int, dict]]) -> list[dict]:
    return [found for _, _, found in sorted(heap, key=lambda each: each[:2], reverse=True)]


def _share(hits: int, n: int) -> dict:
    return {"share": round(hits / n, 4), "interval_95": rounded_interval(hits, n)}

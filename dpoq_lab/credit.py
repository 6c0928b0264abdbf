"""Credit assignment: how well token rewards, or surprisal, find the tokens that are to blame.

A detector gives every token a suspicion; a truth says which tokens are bad. AUROC ranks all tokens,
precision at 1 asks for the most suspicious token of a response.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from dpoq_lab.encoding import flaw_mask
from dpoq_lab.intervals import rounded_interval
from dpoq_lab.rewards import ScoredPair, TokenScores

Row = Sequence[Any] | np.ndarray  # a number or a label for each token of a response
Changed = tuple[list[bool], list[bool]]  # for each token of both responses whether the other lacks it
DETECTORS = ("-r", "surprisal of policy", "surprisal of reference")


def suspicion(scores: TokenScores) -> dict[str, list[float]]:
    """What each detector says of each token, higher for more suspicious; beta does not matter."""
    return {
        "-r": [-r for r in scores.rewards(1.0)],
        "surprisal of policy": [-logp for logp in scores.logp_policy],
        "surprisal of reference": [-logp for logp in scores.logp_reference],
    }


def changed_tokens(ids: list[int], other: list[int]) -> list[bool]:
    """For each token of `ids` whether `other` lacks it, by the longest common blocks."""
    changed = [True] * len(ids)
    for block in SequenceMatcher(None, ids, other, autojunk=False).get_matching_blocks():
        changed[block.a : block.a + block.size] = [False] * block.size
    return changed


def auroc(scores: Sequence[float] | np.ndarray, labels: Sequence[bool] | np.ndarray) -> float:
    """The chance that a random positive outranks a random negative; NaN without both kinds."""
    positive, found = np.asarray(labels, dtype=bool), np.asarray(scores)
    wins, losses = found[positive], np.sort(found[~positive])
    if not (len(wins) and len(losses)):
        return float("nan")
    below, up_to = (np.searchsorted(losses, wins, side=side) for side in ("left", "right"))
    return float((below + up_to).mean() / 2 / len(losses))  # a tie counts one half


def precision_at_1(scores: Sequence[Row], labels: Sequence[Row]) -> tuple[float, int]:
    """How often the top-scored token of a response is a positive, and over how many responses.

    Responses without a positive are left out; ties go to the earliest token.
    """
    hits = [row[int(np.argmax(score))] for score, row in zip(scores, labels, strict=True) if any(row)]
    return (float(np.mean(hits)) if hits else float("nan")), len(hits)


def detector_row(suspicion: list[list[float]], labels: list[list[bool]]) -> dict[str, float]:
    """AUROC over all tokens and precision at 1 over replies that hold an error."""
    return {
        "auroc": auroc(np.concatenate(suspicion), np.concatenate(labels)),
        "precision_at_1": precision_at_1(suspicion, labels)[0],
    }


def chance_of_a_hit(labels: list[list[bool]]) -> float:
    """Precision at 1 of a random guess: the mean share of errors in replies that hold one."""
    return float(np.mean([np.mean(row) for row in labels if any(row)]))


@dataclass(frozen=True)
class Evidence:
    """What one pair says of the detectors: suspicions and labels of its actions, rejected ones last.

    `suspicion` holds each detector's rows of the chosen and the rejected response, `changed` which of their
    actions the other response lacks, `marked` which actions of the rejected one overlap a flaw, if any.
    """

    suspicion: dict[str, tuple[np.ndarray, np.ndarray]]
    changed: tuple[np.ndarray, np.ndarray]
    marked: np.ndarray | None


def changed_sides(pair: ScoredPair) -> Changed:
    """`changed_tokens` of the chosen and of the rejected response."""
    chosen, rejected = (scores.response.ids for scores in pair)
    return changed_tokens(chosen, rejected), changed_tokens(rejected, chosen)


def evidence(pair: ScoredPair, changed: Changed) -> Evidence:
    """The evidence of a scored pair and its `changed_sides`, small enough to keep many."""
    (chosen, rejected), (good, bad) = pair, map(suspicion, pair)
    return Evidence(
        {name: (_of_actions(chosen, good[name]), _of_actions(rejected, bad[name])) for name in DETECTORS},
        (_of_actions(chosen, changed[0]), _of_actions(rejected, changed[1])),
        _of_actions(rejected, flaw_mask(rejected.response)) if rejected.response.flaws else None,
    )


def _of_actions(scores: TokenScores, values: list) -> np.ndarray:
    """Over the actions alone: nobody blames a policy for what another said."""
    return np.array(values)[np.array(scores.response.actions)]


def credit_report(pairs: Iterable[ScoredPair]) -> dict:
    """How well each detector finds bad tokens, against the truths that the pairs offer.

    `marks`: tokens of the rejected response that overlap a marked flaw (where there are marks).
    `rejected_only`: tokens of the rejected response that the chosen one lacks (a poor truth: most
    such tokens are harmless). `side`: among changed tokens, rejected-only against chosen-only.
    """
    return report_of([evidence(pair, changed_sides(pair)) for pair in pairs])


def report_of(found: list[Evidence]) -> dict:
    """`credit_report` from the evidence of its pairs."""
    marked = [each for each in found if each.marked is not None]
    report = {"rejected_only": _locate(found, [each.changed[1] for each in found]), "side": _tell_side(found)}
    if marked:
        report["marks"] = _locate(marked, [each.marked for each in marked if each.marked is not None])
    return report


def _locate(found: list[Evidence], labels: list[np.ndarray]) -> dict:
    pooled = np.concatenate(labels)
    table: dict = {"tokens": len(pooled), "share_positive": round(float(np.mean(pooled)), 4)}
    for name in DETECTORS:
        rows = [each.suspicion[name][1] for each in found]
        p_at_1, n = precision_at_1(rows, labels)
        table[name] = _auroc_with_interval(rows, labels) | {
            "precision_at_1": round(p_at_1, 4),
            "precision_at_1_interval_95": rounded_interval(p_at_1 * n, n),
            "responses": n,
        }
    return table


def _tell_side(found: list[Evidence]) -> dict:
    labels = [np.repeat([False, True], [mask.sum() for mask in each.changed]) for each in found]
    table = {}
    for name in DETECTORS:
        rows = [
            np.concatenate([row[mask] for row, mask in zip(each.suspicion[name], each.changed, strict=True)])
            for each in found
        ]
        table[name] = _auroc_with_interval(rows, labels) | {"tokens": sum(map(len, labels))}
    return table


def _auroc_with_interval(values: list[np.ndarray], labels: list[np.ndarray], draws: int = 200) -> dict:
    """AUROC over all tokens, with a seeded 95% bootstrap interval over responses (or pairs)."""
    arrays = list(zip(values, labels, strict=True))

    def pooled(rows: Iterable[int]) -> float:
        return auroc(*(np.concatenate(column) for column in zip(*(arrays[i] for i in rows), strict=True)))

    n, generator = len(values), np.random.default_rng(0)
    found = [pooled(generator.integers(n, size=n)) for _ in range(draws)]
    low, high = np.nanquantile(found, [0.025, 0.975]) if not np.all(np.isnan(found)) else (0.0, 1.0)
    return {
        "auroc": round(pooled(range(n)), 4),
        "auroc_interval_95": [round(float(low), 4), round(float(high), 4)],
    }


TRUTHS = {
    "marks": "marked flaws",
    "rejected_only": "tokens that only the rejected reply has (a poor truth: most are harmless)",
    "side": "rejected-only against chosen-only tokens",
}


def credit_rows(credit: dict) -> list[tuple[str, str, str, str]]:
    """Truth, detector, AUROC and precision at 1, the last two with their 95% intervals, as text."""
    return [
        (
            truth,
            name,
            _with_interval(credit[truth][name], "auroc"),
            _with_interval(credit[truth][name], "precision_at_1"),
        )
        for truth in TRUTHS
        if truth in credit
        for name in DETECTORS
    ]


def _with_interval(found: dict, score: str) -> str:
    if score not in found:
        return ""
    low, high = found[f"{score}_interval_95"]
    return f"{found[score]:.2f} ({low:.2f} to {high:.2f})"

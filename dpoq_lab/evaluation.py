"""What a DPO run is judged by: pair accuracy, rewards, KL estimates, credit assignment."""

import math
from collections.abc import Iterable

import numpy as np

from dpoq_lab.encoding import flaw_mask
from dpoq_lab.rewards import TokenScores, auroc, changed_tokens, precision_at_1

ScoredPair = tuple[TokenScores, TokenScores]  # chosen, rejected
DETECTORS = ("-r", "surprisal of policy", "surprisal of reference")


def wilson_interval(successes: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95% Wilson score interval of a proportion; (0, 1) if n = 0."""
    if n == 0:
        return 0.0, 1.0
    p, scale = successes / n, 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale
    return centre - half, centre + half


def accuracy(margins: list[float]) -> float:
    """The share of pairs with a positive margin; a tie counts one half. NaN for no pairs."""
    return float(np.mean((np.sign(margins) + 1) / 2)) if len(margins) else float("nan")


def accuracy_with_interval(margins: list[float]) -> dict:
    """`accuracy` with its 95% Wilson interval and the number of pairs, rounded for a report."""
    mean = accuracy(margins)
    low, high = wilson_interval(mean * len(margins), len(margins))
    return {"accuracy": round(mean, 4), "interval_95": [round(low, 4), round(high, 4)], "pairs": len(margins)}


def summarise(pairs: list[ScoredPair], beta: float) -> dict:
    """The numbers of `summary.json`; rewards are sums over tokens, averaged over pairs, in nats.

    The two KLs are exact at each visited state, averaged over tokens; the states are the data's.
    """
    chosen = [sum(chosen.rewards(beta)) for chosen, _ in pairs]
    rejected = [sum(rejected.rewards(beta)) for _, rejected in pairs]
    margins = [c - r for c, r in zip(chosen, rejected, strict=True)]
    by_likelihood = [sum(c.logp_policy) - sum(r.logp_policy) for c, r in pairs]
    tokens = [scores for pair in pairs for scores in pair]
    return {
        "beta": beta,
        "pair_accuracy": accuracy_with_interval(margins),
        "pair_accuracy_by_likelihood": accuracy_with_interval(by_likelihood),
        "chosen_reward_sum_mean": float(np.mean(chosen)),
        "rejected_reward_sum_mean": float(np.mean(rejected)),
        "margin_mean": float(np.mean(margins)),
        "kl_ref_pi_token_mean": float(np.mean(np.concatenate([s.kl_ref_pi for s in tokens]))),
        "kl_pi_ref_token_mean": float(np.mean(np.concatenate([s.kl_pi_ref for s in tokens]))),
        "credit": credit_report(pairs),
    }


def suspicion(scores: TokenScores) -> dict[str, list[float]]:
    """What each detector says of each token, higher for more suspicious; beta does not matter."""
    return {
        "-r": [-r for r in scores.rewards(1.0)],
        "surprisal of policy": [-logp for logp in scores.logp_policy],
        "surprisal of reference": [-logp for logp in scores.logp_reference],
    }


def credit_report(pairs: list[ScoredPair]) -> dict:
    """How well each detector finds bad tokens, against the truths that the pairs offer.

    `marks`: tokens of the rejected response that overlap a marked flaw (where there are marks).
    `rejected_only`: tokens of the rejected response that the chosen one lacks (a poor truth: most
    such tokens are harmless). `side`: among changed tokens, rejected-only against chosen-only.
    """
    changed = [
        (changed_tokens(c.response.ids, r.response.ids), changed_tokens(r.response.ids, c.response.ids))
        for c, r in pairs
    ]
    marked = [(pair[1], flaw_mask(pair[1].response)) for pair in pairs if pair[1].response.flaws]
    report = {
        "rejected_only": _locate([pair[1] for pair in pairs], [rejected for _, rejected in changed]),
        "side": _tell_side(pairs, changed),
    }
    if marked:
        report["marks"] = _locate([scores for scores, _ in marked], [labels for _, labels in marked])
    return report


def _locate(responses: list[TokenScores], labels: list[list[bool]]) -> dict:
    pooled = [label for row in labels for label in row]
    table = {"tokens": len(pooled), "share_positive": round(float(np.mean(pooled)), 4)}
    for name in DETECTORS:
        rows = [suspicion(scores)[name] for scores in responses]
        p_at_1, n = precision_at_1(rows, labels)
        table[name] = _auroc_with_interval(rows, labels) | {
            "precision_at_1": round(p_at_1, 4),
            "precision_at_1_interval_95": [round(end, 4) for end in wilson_interval(p_at_1 * n, n)],
            "responses": n,
        }
    return table


def _tell_side(pairs: list[ScoredPair], changed: list[tuple[list[bool], list[bool]]]) -> dict:
    table = {}
    for name in DETECTORS:
        values, labels = [], []
        for pair, masks in zip(pairs, changed, strict=True):
            row = [_picked(suspicion(scores)[name], mask) for scores, mask in zip(pair, masks, strict=True)]
            values.append(row[0] + row[1])
            labels.append([False] * len(row[0]) + [True] * len(row[1]))
        table[name] = _auroc_with_interval(values, labels) | {"tokens": sum(map(len, labels))}
    return table


def _picked(values: list[float], mask: list[bool]) -> list[float]:
    return [value for value, picked in zip(values, mask, strict=True) if picked]


def _auroc_with_interval(values: list[list[float]], labels: list[list[bool]], draws: int = 200) -> dict:
    """AUROC over all tokens, with a seeded 95% bootstrap interval over responses (or pairs)."""

    arrays = [
        (np.asarray(v, dtype=float), np.asarray(row, dtype=bool))
        for v, row in zip(values, labels, strict=True)
    ]

    def pooled(rows: Iterable[int]) -> float:
        return auroc(*(np.concatenate(column) for column in zip(*(arrays[i] for i in rows), strict=True)))

    n, generator = len(values), np.random.default_rng(0)
    found = [pooled(generator.integers(n, size=n)) for _ in range(draws)]
    low, high = np.nanquantile(found, [0.025, 0.975]) if not np.all(np.isnan(found)) else (0.0, 1.0)
    return {
        "auroc": round(pooled(range(n)), 4),
        "auroc_interval_95": [round(float(low), 4), round(float(high), 4)],
    }

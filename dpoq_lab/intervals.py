"""How sure a figure is: Wilson intervals of shares, t intervals over seeds, McNemar's test on pairs."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr, stdtrit  # of scipy.stats, without the half second that its import takes


def wilson_interval(successes: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95% Wilson score interval of a proportion; (0, 1) if n = 0."""
    if n == 0:
        return 0.0, 1.0
    p, scale = successes / n, 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale
    return centre - half, centre + half


def rounded_interval(successes: float, n: int) -> list[float]:
    """`wilson_interval` as a record holds it."""
    return [round(end, 4) for end in wilson_interval(successes, n)]


def accuracy(margins: Sequence[float] | np.ndarray) -> float:
    """The share of pairs with a positive margin; a tie counts one half. NaN for no pairs."""
    return float(np.mean((np.sign(margins) + 1) / 2)) if len(margins) else float("nan")


def accuracy_with_interval(margins: Sequence[float] | np.ndarray) -> dict:
    """`accuracy` with its 95% Wilson interval and the number of pairs, rounded for a report."""
    mean, n = accuracy(margins), len(margins)
    return {"accuracy": round(mean, 4), "interval_95": rounded_interval(mean * n, n), "pairs": n}


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> dict:
    """Two ways to be right on the same items: how often only one of them is, and the exact p-value of equal.

    Both (n,). McNemar's test: under equality the items on which only one is right fall to either by a coin.
    """
    pairs = list(zip(first, second, strict=True))
    only_first, only_second = (
        sum(a and not b for a, b in side) for side in (pairs, [p[::-1] for p in pairs])
    )
    n = only_first + only_second
    p = min(1.0, 2 * float(bdtr(min(only_first, only_second), n, 0.5))) if n else 1.0
    return {"only_first": only_first, "only_second": only_second, "p": p}


Row = dict[str, float]  # measure -> its value in one seed


def over_seeds(values: list[float]) -> dict:
    """Mean, standard deviation and the half-width of the 95% t interval over seeds; NaN for one seed."""
    n, sd = len(values), float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    half = float(stdtrit(n - 1, 0.975)) * sd / n**0.5 if n > 1 else float("nan")
    return {"mean": float(np.mean(values)), "sd": sd, "half_95": half, "values": [float(v) for v in values]}


def contrast(ours: dict, theirs: dict) -> dict:
    """`over_seeds` of the difference, seed by seed, of two rows of `over_seeds` over the same seeds."""
    return over_seeds([a - b for a, b in zip(ours["values"], theirs["values"], strict=True)])


def across(rows: list[Row]) -> dict[str, dict]:
    """Each measure of the seeds' `rows`, `over_seeds`."""
    return {measure: over_seeds([row[measure] for row in rows]) for measure in rows[0]}


def across_tables(tables: list[dict[str, Row]]) -> dict[str, dict[str, dict]]:
    """The same for tables of named rows, one table a seed."""
    return {name: across([table[name] for table in tables]) for name in tables[0]}


def plus_minus(found: dict, sign: str = "") -> str:
    """A row of `over_seeds` as text: mean ± half-width; with `sign` "+" the mean shows its sign."""
    return f"{found['mean']:{sign}.2f} ± {found['half_95']:.2f}"

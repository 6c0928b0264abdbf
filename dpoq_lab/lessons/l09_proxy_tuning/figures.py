"""What lesson 09 draws: the next word under base and mixture, and the score of a steered base by lambda."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from dpoq_lab.views.charts import GREY, LESS, MORE, Series, axis, bar, chart, label, line
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed

ROW, LEFT, WIDE, TOP = 46, 130, 380, 40  # pixels
NARROW, GAP = 200, 60


def next_word_figure(
    words: Sequence[str],
    base: Sequence[float],
    mixture: Sequence[float],
    delta: Sequence[float],
    reading: str,
) -> Figure:
    """A row a word: its probability under base and mixture, and log pi_proxy/pi_ref."""
    limit = max(1.0, *(abs(d) for d in delta))
    middle, body = LEFT + WIDE + GAP + NARROW / 2, []
    for k, (word, p, q, d) in enumerate(zip(words, base, mixture, delta, strict=True)):
        y = TOP + ROW * k
        body += [
            label(LEFT - 10, y + 23, word, "end"),
            bar(LEFT, y + 2, WIDE * p, 13, "grey"),
            bar(LEFT, y + 18, WIDE * q, 16, "more"),
            label(LEFT + WIDE * max(p, q) + 6, y + 24, f"{q:.2f}", "start", "small"),
            bar(
                middle + min(0.0, d) / limit * 70, y + 9, abs(d) / limit * 70, 16, "more" if d > 0 else "less"
            ),
            label(middle + 100, y + 23, signed(d), "middle", "small"),
        ]
    bottom = TOP + ROW * len(words)
    heads = [
        label(LEFT, 22, "probability:"),
        label(LEFT + 90, 22, "base", "start", "fill grey"),
        label(LEFT + 135, 22, "mixture", "start", "fill more"),
        label(middle, 22, "log pi_proxy/pi_ref, nats", "middle"),
        line(LEFT, TOP - 4, LEFT, bottom, "dpoq-zero"),
        line(middle, TOP - 4, middle, bottom, "dpoq-zero"),
    ]
    alt = "The likeliest next words with their probability under base and mixture, and what the proxy adds"
    data = {"words": list(words), "base": list(base), "mixture": list(mixture), "delta": list(delta)}
    return Figure("".join(heads + body), middle + 140, bottom + 6, alt, reading, data)


def lambda_figure(row: dict, lambdas: tuple[float, ...], proxies: tuple[str, ...]) -> Figure:
    """A line a proxy with 95% intervals and a dot a seed, and the tuned base as a level."""
    series = []
    for name, look in zip(proxies, (MORE, LESS), strict=True):
        points = [row[f"{name}, lambda {lam:g}"] for lam in lambdas]
        means, half = [point["mean"] for point in points], [point["half_95"] for point in points]
        seeds = [point["values"] for point in points]
        series.append(Series(name, lambdas, means, look, "both", half=half, seeds=seeds))
    level = row["SFT and DPO of the base itself"]["mean"]
    series.append(Series("tuned itself", lambdas, [level] * len(lambdas), GREY))
    known = [v for s in series for part in s.seeds for v in part]
    best = max(zip(series[0].y, lambdas, strict=True))
    return chart(
        series,
        axis("lambda", lambdas),
        axis("true score, best 6", known, include=[level]),
        "True score of the steered base by lambda, a line a proxy, a small dot a seed, and of the tuned base",
        f"{proxies[0]} is best at lambda {best[1]:g}: {best[0]:.2f}; the base tuned itself has {level:.2f}.",
    )


def distance_figure(
    lambdas: Sequence[float], own: Sequence[Sequence[float]], stranger: Sequence[Sequence[float]]
) -> Figure:
    """KL(mixture, tuned) by lambda, the median of n trees and a dot a tree, (lambdas, n) nats each."""
    named = (("another base", stranger, LESS), ("the reference as base", own, MORE))
    series = [
        Series(name, lambdas, [median(trees) for trees in found], look, "both", seeds=found)
        for name, found, look in named
    ]
    highest = 2 * max(v for s in series for v in s.y)
    hidden = sum(v > highest for s in series for trees in s.seeds for v in trees)
    series = [replace(s, seeds=[[v for v in t if v <= highest] for t in s.seeds]) for s in series]
    least = min(zip(series[1].y, lambdas, strict=True))
    return chart(
        series,
        axis("lambda", lambdas),
        axis("KL(mixture, tuned), nats a reply", [0.0, highest]),
        "How far the mixture is from tuning the base itself, by lambda, a small dot a tree",
        f"With the reference as base {least[0]:.2f} nats at lambda {least[1]:g}; with another base "
        f"the median is {series[0].y[lambdas.index(1.0)]:.2f} there. Dots not drawn, above: {hidden}.",
    )

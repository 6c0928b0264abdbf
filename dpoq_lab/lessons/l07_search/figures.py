"""What lesson 07 draws: a search tree, a column a step, best on top; regret by noise; measures by width."""

from collections.abc import Sequence

import numpy as np

from dpoq_lab.intervals import contrast, over_seeds, plus_minus
from dpoq_lab.lessons.l07_search.study import drop
from dpoq_lab.search.beams import SearchTree
from dpoq_lab.views.charts import (
    GREY,
    INK,
    LESS,
    LOOKS,
    MORE,
    Axis,
    Look,
    Series,
    axis,
    chart,
    key,
    label,
    line,
    named_axis,
    symbol,
)
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.whiskers import whisker_figure

WINDOW, COLUMN, ROW, TOP = 4, 126, 21, 44  # steps drawn at once; pixels
STATUS = {"kept": MORE, "pruned": Look("grey", "", INK.symbol), "finished": Look("less", "", "star")}


def places(tree: SearchTree) -> list[tuple[int, int]]:
    """Of every node its step and its rank among the nodes of the step, from 0."""
    ranks: dict[int, int] = {}
    found = []
    for node in tree.nodes:
        found.append((node.step, ranks.get(node.step, 0)))
        ranks[node.step] = found[-1][1] + 1
    return found


def search_figure(tree: SearchTree, words: list[str], hovers: list[str], step: int, reading: str) -> Figure:
    """The last steps up to `step`; `words` and `hovers` say what each node is. `data` has the nodes drawn, by
    status."""
    at = places(tree)
    shown = [i for i, node in enumerate(tree.nodes) if step - WINDOW < node.step <= step]
    first = max(step - WINDOW, 0) + 1

    def pixels(i: int) -> tuple[float, float]:
        return 16 + COLUMN * (at[i][0] - first), TOP + ROW * at[i][1]

    def drawn(i: int) -> str:
        status, (x, y) = tree.nodes[i].status, pixels(i)
        word = "" if status == "pruned" else label(x + 11, y + 5, words[i])
        return symbol(x, y, STATUS[status], 4 if status == "pruned" else 6, hover=hovers[i]) + word

    edges = [(tree.nodes[i].parent, i) for i in shown if tree.nodes[i].parent in shown]
    bottom = TOP + ROW * max(12, *(rank + 1 for _, rank in at))
    body = [line(*pixels(a), *pixels(b), "dpoq-zero") for a, b in edges]
    body += [drawn(i) for i in sorted(shown, key=lambda i: tree.nodes[i].status != "pruned")]
    body += [
        label(16 + COLUMN * k, bottom + 10, f"step {first + k}", "middle" if k else "start", "quiet")
        for k in range(WINDOW)
    ]
    by_status = {name: [i for i in shown if tree.nodes[i].status == name] for name in STATUS}
    alt = f"The search tree from step {first} to {step}, the best on top: {_counts(by_status)}"
    top = key([Series(name, [], [], look, "dots") for name, look in STATUS.items()], 12)
    return Figure(top + "".join(body), COLUMN * WINDOW + 16, bottom + 20, alt, reading, by_status)


def _counts(by_status: dict[str, list[int]]) -> str:
    return ", ".join(f"{len(nodes)} {name}" for name, nodes in by_status.items())


def parting_figure(truths: dict[str, list[float]], step: int, longest: int) -> Figure:
    """The true score so far of what leads each search, by step, up to `step` on an axis of `longest`."""
    shown = {name: [0.0, *row[:step]] for name, row in truths.items()}
    lows = [min(row) for row in truths.values()]  # of all steps: nothing jumps as the step goes on
    series = [
        Series(name, list(range(len(row))), row, look)
        for (name, row), look in zip(shown.items(), (MORE, LESS), strict=True)
    ]
    ends = ", ".join(f"{name} {row[-1]:+.0f}" for name, row in shown.items()).replace("-", "\u2212")
    return chart(
        series,
        Axis("step", 0, longest),
        Axis("true score so far", min(-2.0, *lows) - 0.5, 6.5),
        "The true score so far of the reply or prefix that leads each of the two searches, by step",
        f"At step {step} what leads by its beam score has a true score so far of: {ends}.",
        height=230,
    )


def regret_figure(sizes: list[float], curves: dict[str, np.ndarray]) -> Figure:
    """Mean regret by the size of the noise, a line a search, from regrets (sizes, trees); whiskers 95%."""
    series = [
        Series(
            name,
            sizes,
            rows.mean(axis=1).tolist(),
            look,
            "both",
            half=(1.96 * rows.std(axis=1, ddof=1) / rows.shape[1] ** 0.5).tolist(),
        )
        for (name, rows), look in zip(curves.items(), LOOKS, strict=True)
    ]
    ends = ", ".join(f"{s.name} {s.y[-1]:.2f}" for s in series)
    high = [y + h for s in series for y, h in zip(s.y, s.half, strict=True)]
    return chart(
        series,
        axis("standard deviation of the noise", sizes),
        axis("regret in R + beta log pi_ref", high, include=[0.0]),
        "Mean regret of four searches by the size of the noise in what guides them, whiskers 95% over trees",
        f"Regret at noise {sizes[-1]:g}: {ends}.",
    )


def width_figure(
    summary: dict, measure: str, penalty: int, widths: Sequence[int], title: str, reading: str
) -> Figure:
    """A measure by beam width, a line a policy, whiskers 95% over seeds; greedy is width 1."""
    series, shift = [], 0.1
    for k, ((name, ways), look) in enumerate(zip(summary.items(), (GREY, MORE, LESS, INK), strict=True)):
        rows = [ways[f"width {width}, penalty {penalty}"][measure] for width in widths]
        x = [i + shift * (k - 1.5) for i in range(len(widths))]
        means, half = [row["mean"] for row in rows], [row["half_95"] for row in rows]
        series.append(Series(name, x, means, look, "both", half=half))
    ends = [y + side * h for s in series for y, h in zip(s.y, s.half, strict=True) for side in (-1, 1)]
    return chart(
        series,
        named_axis("beam width", widths),
        axis(title, ends),
        f"{title} by beam width, a line a policy, whiskers 95% over seeds",
        reading,
    )


def drop_figure(summary: dict) -> Figure:
    """What each policy loses from width 5 to 20 with plain sums, and the paired contrast with SFT's loss."""
    losses = {name: over_seeds(drop(summary, name)) for name in summary}
    against = {
        f"{name} less SFT": contrast(row, losses["SFT"]) for name, row in losses.items() if name != "SFT"
    }
    lost = [value for row in losses.values() for value in row["values"]]
    return whisker_figure(
        [(name, {"drop": row}) for name, row in (losses | against).items()],
        {"drop": "true score lost from width 5 to 20"},
        "What each policy loses from beam width 5 to 20 with plain sums, and the differences from SFT's loss "
        "on the same seeds, a dot a seed, whiskers 95%",
        f"Losses lie between {min(lost):+.2f} and {max(lost):+.2f} by seed; "
        + ", ".join(f"{name}: {plus_minus(row, '+')}" for name, row in against.items())
        + ".",
    )

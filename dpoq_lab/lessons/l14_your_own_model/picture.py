"""Lesson 14's picture: four runs without a label, walking in the plane of chosen and rejected replies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dpoq_lab.lessons.l14_your_own_model.stored import StoredRun, fallen, run_path, stored_runs
from dpoq_lab.views.charts import GREY, INK, LESS, MORE, Axis, Look, label, line, path, spread, symbol
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed

GROUPS, EVERY = 12, 2  # points of a path after its first; points between two frames
LEFT, TOP, WIDE, HIGH, WIDTH, BELOW, LINE = 84, 8, 640, 318, 860, 52, 19  # pixels
TICKS = (-50, -20, -5, 0, 5, 20)
LOOKS = (MORE, LESS, GREY, Look(INK.colour, INK.dash, "star"))  # a cross is where the reference's text went
ALT = (
    "The plane of the change of log pi of chosen and of rejected replies, with the paths of the runs A to D, "
    "and at the end a cross where the text of each run's reference went"
)
WORDS = ("none", "one", "two", "three", "four")


def root(value: float) -> float:
    """The signed root, so that a run that goes far and one that stays near fit one picture."""
    return math.copysign(math.sqrt(abs(value)), value)


X = Axis("change of log pi(chosen), nats a reply, root scale", root(-90), root(40))
Y = Axis("change of log pi(rejected)", root(-90), root(40))


@dataclass(frozen=True)
class Path:
    """A run in the plane: its points in nats a reply, and where the reference's own text went."""

    name: str
    look: Look
    points: Sequence[tuple[float, float]]
    own: tuple[float, float]


def frames() -> list[Figure]:
    """The four runs up to step 0, a sixth of the way, ..., and the end with the crosses."""
    runs = list(stored_runs().values())
    paths = [_path(run, look) for run, look in zip(runs, LOOKS, strict=True)]
    last = len(paths[0].points)
    return [_plane(paths, n, runs if n == last else ()) for n in range(1, last + 1, EVERY)]


def _path(run: StoredRun, look: Look) -> Path:
    own = -run.facts["chosen_kl"], -run.facts["rejected_kl"]
    return Path(f"run {run.letter}", look, run_path(run.log, run.beta, GROUPS), own)


def _plane(paths: Sequence[Path], n: int, ended: Sequence[StoredRun]) -> Figure:
    """The first `n` points of each path; with `ended` runs the crosses too."""
    body, heads = [_ground()], [_place(*p.points[n - 1]) for p in paths]
    for p, head in zip(paths, heads, strict=True):
        places = [_place(*point) for point in p.points[:n]]
        body.append(path("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places), p.look))
        if ended:
            body.append(symbol(*_place(*p.own), Look(p.look.colour, symbol="cross"), 6))
        body.append(symbol(*head, p.look))
    heights = spread(sorted(y for _, y in heads), LINE, TOP + 8, TOP + HIGH - LINE)
    order = sorted(range(len(paths)), key=lambda i: heads[i][1])
    for i, y in zip(order, heights, strict=True):
        kind = f"word fill {paths[i].look.colour}"
        body.append(label(max(heads[i][0] + 12, LEFT + 6), y + 5, paths[i].name, "start", kind))
    data = {p.name: (p.points[:n], p.own) for p in paths}
    return Figure("".join(body), WIDTH, TOP + HIGH + BELOW, ALT, _reading(paths, n, ended), data)


def _place(x: float, y: float) -> tuple[float, float]:
    """Pixels of a point of the plane."""
    return LEFT + X.share(root(x)) * WIDE, TOP + (1 - Y.share(root(y))) * HIGH


def _ground() -> str:
    """Axes, and the line on which the margin is 0."""
    bottom, right, parts = TOP + HIGH, LEFT + WIDE, []
    for value in TICKS:
        kind, text = "dpoq-zero" if value == 0 else "dpoq-grid", f"{value}".replace("-", "\u2212")
        x, y = _place(value, value)
        parts += [line(x, TOP, x, bottom, kind), label(x, bottom + 20, text, "middle", "quiet")]
        parts += [line(LEFT, y, right, y, kind), label(LEFT - 8, y + 5, text, "end", "quiet")]
    low = max(X.low, Y.low)
    ends = [_place(math.copysign(v * v, v), math.copysign(v * v, v)) for v in (low, min(X.high, Y.high))]
    parts.append(line(*ends[0], *ends[1], "dpoq-grid"))
    parts.append(label(LEFT + 8, TOP + 18, "below the slanted line chosen is ahead", "start", "small quiet"))
    parts.append(label(LEFT + WIDE / 2, bottom + 44, X.title, "middle"))
    turned = f'<g transform="translate(16,{TOP + HIGH / 2:g}) rotate(-90)">'
    return "".join(parts) + f"{turned}{label(0, 0, Y.title, 'middle')}</g>"


def _reading(paths: Sequence[Path], n: int, ended: Sequence[StoredRun]) -> str:
    if n == 1:
        return "Before the first update. All four should stand at 0, 0. Predict: which of them will fall?"
    if not ended:
        at = "; ".join(
            f"{p.name[-1]} {signed(p.points[n - 1][0])}, {signed(p.points[n - 1][1])}" for p in paths
        )
        return f"Chosen and rejected so far, nats a reply: {at}."
    down = fallen(ended)
    return (
        f"The end: in {WORDS[len(down)]} of four the chosen replies are below 0 ({', '.join(down)}). "
        "One run is as it should be. Crosses: where text of the run's own reference went."
    )

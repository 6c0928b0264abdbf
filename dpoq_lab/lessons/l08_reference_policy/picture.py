"""Lesson 08's picture: three references, the same pairs, and where DPO takes the two likelihoods."""

from collections.abc import Sequence
from dataclasses import dataclass

from dpoq_lab.lessons.study import stored_record
from dpoq_lab.views.charts import GREY, LESS, MORE, Axis, Look, label, line, path, spread, symbol
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed

X, Y = (
    Axis("change of log pi(chosen), nats a reply", -1.5, 1.0),
    Axis("change of log pi(rejected), nats", -5.0, 1.0),
)
LEFT, TOP, WIDE, HIGH = 74, 8, 640, 318  # pixels of the plane
WIDTH, BELOW, LINE = 940, 52, 19
RUNS = {  # the record's name of each run, all on the same kind of pairs with the same settings
    "from the base": ("base, off-policy pairs", MORE),
    "from SFT on chosen and rejected": ("SFT 80 on both, off-policy pairs", GREY),
    "from SFT on the chosen": ("SFT 80 on chosen, off-policy pairs", LESS),
}
FIELDS = {  # by the signs of the two changes
    (True, True): "both up",
    (True, False): "chosen up, rejected down",
    (False, True): "chosen down, rejected up",
    (False, False): "both down",
}
ALT = "The plane of the change of log pi of chosen and of rejected replies, with the paths of three DPO runs"


def field_of(chosen: float, rejected: float) -> str:
    """The field of the plane, of `FIELDS`, in which two changes of log pi lie."""
    return FIELDS[chosen > 0, rejected > 0]


@dataclass(frozen=True)
class Path:
    """A run in the plane: (n,) changes in nats at `steps`, and what is known at its end.

    `seeds` holds the end of each seed, `end` says KL(pi_ref, pi) and the true score, `kl` is that KL.
    """

    name: str
    look: Look
    steps: Sequence[int]
    x: Sequence[float]
    y: Sequence[float]
    seeds: Sequence[tuple[float, float]]
    kl: float
    end: str


def frames() -> list[Figure]:
    """The three runs up to step 0, 20, 40, ..., and at the end what came of them."""
    paths = stored_paths()
    shown = range(0, len(paths[0].steps), 2)
    return [_plane(paths, n + 1, n == shown[-1]) for n in shown]


def stored_paths() -> list[Path]:
    """The runs of `RUNS`, means over the stored seeds; a change is KL(mu, pi_ref) - KL(mu, pi)."""
    record = stored_record("order-notes-reference", "reference")
    return [_path(record, name, run, look) for name, (run, look) in RUNS.items()]


def _path(record: dict, name: str, run: str, look: Look) -> Path:
    row, curves = record["table"][run], record["mean_curves"][run]
    x, y = ([kl[0] - now for now in kl] for kl in (curves["kl_w_pi"], curves["kl_l_pi"]))
    kls = ([row[f"kl_{side}_{at}"]["values"] for at in ("ref", "pi")] for side in "wl")
    moved = ([a - b for a, b in zip(*both, strict=True)] for both in kls)
    seeds = list(zip(*moved, strict=True))
    before, after, kl = (row[key]["mean"] for key in ("score_before", "score_after", "forward_kl"))
    end = f"KL(pi_ref, pi) {kl:.2f}; true score {before:.1f} to {after:.1f}"
    return Path(name, look, curves["kl_steps"], x, y, seeds, kl, end)


def _plane(paths: Sequence[Path], n: int, last: bool) -> Figure:
    """The first `n` points of each path; at the `last` step also the seeds and what the end says."""
    heads = [_place(p.x[n - 1], p.y[n - 1]) for p in paths]
    body = [_ground()]
    for p, (x, y) in zip(paths, heads, strict=True):
        points = [_place(*point) for point in zip(p.x[:n], p.y[:n], strict=True)]
        body.append(path("M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points), p.look))
        if last:
            body += [symbol(*_place(*seed), p.look, 2.5, "dpoq-seed fill") for seed in p.seeds]
        body.append(symbol(x, y, p.look, 7 * p.kl**0.5 if last else 5))
    body.append(_names(paths, heads, last))
    step, read = paths[0].steps[n - 1], _reading(paths, n, last)
    data = {p.name: (p.x[:n], p.y[:n]) for p in paths} | {"step": step}
    return Figure("".join(body), WIDTH, TOP + HIGH + BELOW, ALT, read, data)


def _place(x: float, y: float) -> tuple[float, float]:
    """Pixels of a point of the plane."""
    return LEFT + X.share(x) * WIDE, TOP + (1 - Y.share(y)) * HIGH


def _ground() -> str:
    """Axes, the four fields by name, and the line on which the margin is 0."""
    bottom, right, parts = TOP + HIGH, LEFT + WIDE, []
    for value, text in X.ticks():
        x = _place(value, 0)[0]
        parts.append(line(x, TOP, x, bottom, "dpoq-zero" if value == 0 else "dpoq-grid"))
        parts.append(label(x, bottom + 20, text, "middle", "quiet"))
    for value, text in Y.ticks():
        y = _place(0, value)[1]
        parts.append(line(LEFT, y, right, y, "dpoq-zero" if value == 0 else "dpoq-grid"))
        parts.append(label(LEFT - 8, y + 5, text, "end", "quiet"))
    parts.append(line(*_place(X.low, X.low), *_place(X.high, X.high), "dpoq-grid"))
    parts.append(
        label(*_place(X.low + 0.02, X.low + 0.24), "on this line the margin is 0", "start", "small quiet")
    )
    for (chosen, rejected), name in FIELDS.items():
        x, anchor = (right - 10, "end") if chosen else (LEFT + 10, "start")
        parts.append(label(x, TOP + 20 if rejected else bottom - 10, name, anchor, "word"))
    parts.append(label(LEFT + WIDE / 2, bottom + 44, X.title, "middle"))
    turned = f'<g transform="translate(16,{TOP + HIGH / 2:g}) rotate(-90)">'
    return "".join(parts) + f"{turned}{label(0, 0, Y.title, 'middle')}</g>"


def _names(paths: Sequence[Path], heads: Sequence[tuple[float, float]], last: bool) -> str:
    """Each run's name at its head, moved apart where heads are close; at the end what came of it too."""
    order = sorted(range(len(paths)), key=lambda i: heads[i][1])
    least, up = (2 * LINE + 4, LINE) if last else (LINE, -8)
    heights = spread([heads[i][1] - up for i in order], least, TOP + 8, TOP + HIGH - LINE)
    parts = []
    for i, y in zip(order, heights, strict=True):
        p = paths[i]
        beside = [q for q in paths if (q.x[-1] > 0) == (p.x[-1] > 0)]  # their names stand in one column
        x = max([heads[i][0], *(_place(*seed)[0] for q in beside for seed in q.seeds if last)]) + 18
        parts.append(label(x, y + 5, p.name, "start", f"fill {p.look.colour}"))
        if last:
            parts.append(label(x, y + 5 + LINE, p.end, "start", f"small fill {p.look.colour}"))
    return "".join(parts)


def _reading(paths: Sequence[Path], n: int, last: bool) -> str:
    if n == 1:
        return (
            "Step 0: policy and reference are one. Predict: into which field does DPO take each of the three?"
        )
    if not last:
        at = "; ".join(f"{signed(p.x[n - 1])}, {signed(p.y[n - 1])} {p.name}" for p in paths)
        return f"Step {paths[0].steps[n - 1]:g}, chosen and rejected: {at}."
    base, both, sft = (field_of(p.x[-1], p.y[-1]) for p in paths)
    others = base if base == both else f"{base} and {both}"
    ends = f"{paths[2].name} {sft}; from the two others {others}"
    return f"The end: {ends}. The larger an end mark, the larger KL(pi_ref, pi); small marks: seeds."

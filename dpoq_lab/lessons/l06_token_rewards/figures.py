"""What lesson 06 draws: running sums of r_hat, how well detectors find errors, r_hat against advantages."""

from collections.abc import Sequence

import numpy as np

from dpoq_lab.credit import DETECTORS, TRUTHS
from dpoq_lab.views.charts import GREY, INK, LESS, MORE, Look, Series, axis, chart
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.whiskers import whisker_figure, with_interval


def hatted(rows: dict) -> dict:
    """Rows of a record by the names that the lesson uses: its "-r" is minus the log-ratio, r_hat."""
    return {
        name.replace("-r", "-r_hat", 1) if name.startswith("-r") else name: row for name, row in rows.items()
    }


def running_figure(
    r_hat: dict[str, Sequence[float]], flaws: dict[str, Sequence[bool]], include: Sequence[float] = ()
) -> Figure:
    """The running sum of r_hat of each reply, in nats, from 0 before its first token; crosses at its flaws.

    `include` are values that the axis holds whatever is drawn.
    """
    sums = {role: [0.0, *np.cumsum(row).tolist()] for role, row in r_hat.items()}
    series = [
        Series(role, list(range(len(row))), row, look)
        for (role, row), look in zip(sums.items(), (MORE, LESS), strict=True)
    ]
    marked = [(i + 1, sums[role][i + 1]) for role, row in flaws.items() for i, bad in enumerate(row) if bad]
    x, y = zip(*marked, strict=True) if marked else ((), ())
    series.append(Series("a known flaw", x, y, INK, "dots"))
    ends = ", ".join(f"{role} {row[-1]:+.2f}" for role, row in sums.items()).replace("-", "\u2212")
    return chart(
        series,
        axis("tokens written", [0, *(len(row) - 1 for row in sums.values())]),
        axis("running sum of r_hat", [v for row in sums.values() for v in row], include=include),
        "The running sum of r_hat of the chosen and of the rejected reply, a cross at each known flaw",
        f"Sums of r_hat: {ends}. Each step down is a word that is blamed.",
        height=250,
    )


def against_advantage(r_hat: np.ndarray, A: np.ndarray, r: np.ndarray) -> Figure:
    """Learned r_hat against exact advantages, (n,) each, marked by the reward r that was paid."""
    ends = [float(A.min()), float(A.max())]
    series = [Series("r_hat = A*", ends, ends, GREY)]
    for pay, look in ((-1, Look("less", "", INK.symbol)), (0, GREY), (1, MORE)):
        paid = r == pay
        series.append(Series(f"paid {pay:+d}", A[paid].tolist(), r_hat[paid].tolist(), look, "dots"))
    return chart(
        series,
        axis("exact advantage A*", A),
        axis("learned r_hat = beta log pi/pi_ref", r_hat, include=ends),
        "The learned r_hat of each token against its exact advantage, by what the token was paid",
        f"Points on the dotted line have r_hat = A*: of {len(A)} tokens the median distance from it is "
        f"{np.median(abs(r_hat - A)):.2f}.",
        height=400,
    )


def credit_figure(credit: dict) -> Figure:
    """Each truth and detector of a credit report with its 95% intervals."""
    rows = []
    for truth in filter(credit.get, TRUTHS):
        rows.append((truth, {}))
        for name, row in hatted({name: credit[truth][name] for name in DETECTORS}).items():
            measures = (measure for measure in ("auroc", "precision_at_1") if measure in row)
            rows.append((name, {measure: with_interval(row, measure) for measure in measures}))
    marks = credit["marks"]
    return whisker_figure(
        rows,
        {"auroc": "AUROC", "precision_at_1": "precision at 1"},
        "AUROC and precision at 1 of three detectors against each truth, whiskers 95%",
        f"Marked flaws: AUROC of -r_hat {marks['-r']['auroc']:.2f}, of the reference's surprisal "
        f"{marks['surprisal of reference']['auroc']:.2f}.",
    )


def detectors_figure(credit: dict) -> Figure:
    """Every detector on order notes, over seeds."""
    ours, theirs = (credit[name]["precision_at_1"]["mean"] for name in ("-r, DPO from SFT", "surprisal, SFT"))
    return whisker_figure(
        list(hatted(credit).items()),
        {"precision_at_1": "precision at 1", "auroc": "AUROC"},
        "Precision at 1 and AUROC of each detector of planted errors, a dot a seed, whiskers 95%",
        f"The word that -r_hat blames most is an error in {ours:.2f} of replies, SFT's most surprising in "
        f"{theirs:.2f}.",
    )


def stitching_figure(stitching: dict) -> Figure:
    """How often the first, the second and both of two errors rank above all else."""
    one = stitching["-r, one error a reply"]["both"]["mean"]
    return whisker_figure(
        list(hatted(stitching).items()),
        {"first": "first error", "second": "second error", "both": "both"},
        "How often -r_hat ranks the first, the second and both of two errors above every innocent word",
        f"Trained on single errors, -r_hat ranks both of two errors above all else in {one:.2f} of replies.",
    )


def advantage_figure(table: dict) -> Figure:
    """How near the learned r_hat is to the advantage, and to the pay."""
    rows = [
        ("with A*", {"correlation": table["correlation_with_A"], "rms distance": table["rms_distance_to_A"]}),
        (
            "with the pay",
            {"correlation": table["correlation_with_pay"], "rms distance": table["rms_distance_to_pay"]},
        ),
        ("with A*, same pay", {"correlation": table["correlation_with_A_within_pay"]}),
    ]
    near, far = (table[f"rms_distance_to_{name}"]["mean"] for name in ("A", "pay"))
    return whisker_figure(
        rows,
        {"correlation": "correlation of r_hat", "rms distance": "rms distance of r_hat"},
        "Correlation and distance of the learned r_hat with the advantage and with the pay, a dot a seed",
        f"The learned r_hat is {near:.2f} from the advantage and {far:.2f} from the pay.",
    )

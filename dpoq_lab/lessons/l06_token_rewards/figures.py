"""What lesson 06 draws: how well detectors find errors, and learned token rewards against advantages."""

import numpy as np

from dpoq_lab.credit import DETECTORS, TRUTHS
from dpoq_lab.views.charts import GREY, INK, MORE, Look, Series, axis, chart
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.whiskers import whisker_figure, with_interval


def against_advantage(r_hat: np.ndarray, A: np.ndarray, r: np.ndarray) -> Figure:
    """Learned token rewards against exact advantages, (n,) each, marked by the reward that was paid."""
    ends = [float(A.min()), float(A.max())]
    series = [Series("r = A*", ends, ends, GREY)]
    for pay, look in ((-1, Look("less", "", INK.symbol)), (0, GREY), (1, MORE)):
        paid = r == pay
        series.append(Series(f"paid {pay:+d}", A[paid].tolist(), r_hat[paid].tolist(), look, "dots"))
    return chart(
        series,
        axis("exact advantage A*", A),
        axis("learned r = beta log pi/pi_ref", r_hat, include=ends),
        "The learned reward of each token against its exact advantage, by what the token was paid",
        f"Points on the dotted line have r = A*: of {len(A)} tokens the median distance from it is "
        f"{np.median(abs(r_hat - A)):.2f}.",
        height=400,
    )


def credit_figure(credit: dict) -> Figure:
    """Each truth and detector of a credit report with its 95% intervals."""
    rows = []
    for truth in filter(credit.get, TRUTHS):
        rows.append((truth, {}))
        for name in DETECTORS:
            scores = ("auroc", "precision_at_1")
            found = {s: with_interval(credit[truth][name], s) for s in scores if s in credit[truth][name]}
            rows.append((name, found))
    marks = credit["marks"]
    return whisker_figure(
        rows,
        {"auroc": "AUROC", "precision_at_1": "precision at 1"},
        "AUROC and precision at 1 of three detectors against each truth, whiskers 95%",
        f"Marked flaws: AUROC of -r {marks['-r']['auroc']:.2f}, of the reference's surprisal "
        f"{marks['surprisal of reference']['auroc']:.2f}.",
    )


def detectors_figure(credit: dict) -> Figure:
    """Every detector on order notes, over seeds."""
    ours, theirs = (credit[name]["precision_at_1"]["mean"] for name in ("-r, DPO from SFT", "surprisal, SFT"))
    return whisker_figure(
        list(credit.items()),
        {"precision_at_1": "precision at 1", "auroc": "AUROC"},
        "Precision at 1 and AUROC of each detector of planted errors, a dot a seed, whiskers 95%",
        f"The word that -r blames most is an error in {ours:.2f} of replies, SFT's most surprising in "
        f"{theirs:.2f}.",
    )


def stitching_figure(stitching: dict) -> Figure:
    """How often the first, the second and both of two errors rank above all else."""
    one = stitching["-r, one error a reply"]["both"]["mean"]
    return whisker_figure(
        list(stitching.items()),
        {"first": "first error", "second": "second error", "both": "both"},
        "How often -r ranks the first, the second and both of two errors above every innocent word",
        f"Trained on single errors, -r ranks both of two errors above all else in {one:.2f} of replies.",
    )


def advantage_figure(table: dict) -> Figure:
    """How near the learned reward is to the advantage, and to the pay."""
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
        "Correlation and distance of the learned reward with the advantage and with the pay, a dot a seed",
        f"The learned reward is {near:.2f} from the advantage and {far:.2f} from the pay.",
    )

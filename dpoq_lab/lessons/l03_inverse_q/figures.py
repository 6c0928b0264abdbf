"""What lesson 03 draws: fitted r_hat against exact A*, and beta two ways.

r_hat, A* and returns share one unit, that of eq. (1); KLs are in nats.
"""

import numpy as np
from scipy.special import log_softmax

from dpoq_lab.theory.soft_bellman import trajectory_log_probs
from dpoq_lab.theory.token_mdp import Levels, TokenMDP
from dpoq_lab.views.charts import GREY, INK, LESS, MORE, Axis, Look, Series, axis, chart
from dpoq_lab.views.figures import Figure, beside
from dpoq_lab.views.token_view import signed


def optimal_kl(mdp: TokenMDP, R: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """KL(pi*||pi_ref) over replies in nats at each `beta` (B,), for returns `R` (N,), (B,).

    pi*(y) is proportional to pi_ref(y) e^{R/beta}; no action is disallowed.
    """
    log_ref = trajectory_log_probs(mdp.pi_ref)
    log_pi = log_softmax(log_ref + R / beta[:, None], axis=1)
    return (np.exp(log_pi) * (log_pi - log_ref)).sum(axis=1)


LIMIT = 6.0  # what lies beyond +-LIMIT is drawn at the border
BORDER = (-LIMIT * 1.08, LIMIT * 1.08)


def reduction_figure(
    exact: Levels,
    fitted: Levels,
    names: list[str],
    betas: np.ndarray,
    kl: np.ndarray,
    here: tuple[float, float],
    said: str,
) -> Figure:
    """Fitted r_hat against exact A*, levels (n_t, n_actions), KL(pi*||pi_ref) and first push by `betas`.

    `names` has one text a token, `here` is (beta, KL) of the marked point, `said` begins the reading.
    """
    A, found = np.concatenate(exact).ravel(), np.concatenate(fitted).ravel()
    measured = _reading(A, found, *here)
    hovers = [f"{n}: A* {signed(a)}, fitted {signed(f)}" for n, a, f in zip(names, A, found, strict=True)]
    return beside(
        _fit(A, found, hovers),
        _two_ways(betas, kl, here),
        alt="On the left, the fitted r_hat of each token against its exact A*; on the right, by beta, "
        "how far the optimum is from the reference and how hard the first step pushes",
        reading=f"{said} {measured}",
    )


def _fit(A: np.ndarray, found: np.ndarray, hovers: list[str]) -> Figure:
    x, y = A.clip(-LIMIT, LIMIT).tolist(), found.clip(-LIMIT, LIMIT).tolist()
    series = [
        Series("equal", BORDER, BORDER, GREY),
        Series("a token", x, y, Look("more"), "dots", hovers=hovers),
    ]
    axes = Axis("exact A* of the token", *BORDER), Axis("fitted r\u0302 of the token", *BORDER)
    return chart(series, *axes, "fitted against exact", "fit", width=480, height=400)


def _two_ways(betas: np.ndarray, kl: np.ndarray, here: tuple[float, float]) -> Figure:
    beta, kl_here = here
    push = (betas / 2).tolist()
    series = [
        Series("KL, nats", betas.tolist(), kl.tolist(), MORE),
        Series("push beta/2", betas.tolist(), push, LESS),
        Series("this beta", [beta, beta], [kl_here, beta / 2], Look("ink", "", INK.symbol), "dots"),
    ]
    y = axis("KL of pi*, first push", [*kl, *push, kl_here], include=[0.0])
    return chart(series, axis("beta", [*betas, beta], log=True), y, "beta two ways", "KL and push", 480, 400)


def _reading(A: np.ndarray, found: np.ndarray, beta: float, kl: float) -> str:
    error, outside = abs(found - A), int((abs(found) > LIMIT).sum())
    beyond = f" Beyond the frame: {outside}." if outside else ""
    return (
        f"beta {beta:.2f}: largest error of a token {error.max():.2f}, median {np.median(error):.2f}."
        f"{beyond} KL of the optimum {kl:.2f} nats; first push {beta / 2:.2f} a nat."
    )

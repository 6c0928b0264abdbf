"""The exercises of lesson 05: solutions, cases, and the mistakes that are named."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from dpoq_lab.lessons.check import Case, Exercise, checker
from dpoq_lab.losses import dpo_loss


def _ratios(seed: int) -> Case:
    generator = torch.Generator().manual_seed(seed)
    draw = [torch.randn(3, 5 + seed, generator=generator) for _ in range(2)]
    return draw[0], draw[1][:, :4], 0.1 + 0.4 * seed


SMALL = torch.tensor([[1.0, -2.0], [0.5, 0.0]]), torch.tensor([[0.5, 1.0, 0.0], [-1.0, 0.5, 0.5]]), 0.5


def _margin(w: torch.Tensor, x: torch.Tensor, beta: float) -> torch.Tensor:
    return beta * (w.sum(dim=1) - x.sum(dim=1))


def response_mask(prompt_length: int, response_length: int, width: int) -> torch.Tensor:
    """Which of `width` columns are scored when nothing is padded on the left: the response with its EOS."""
    column = torch.arange(width)
    return (column >= prompt_length) & (column < prompt_length + response_length)


def _mask(start: int, end: int, width: int) -> torch.Tensor:
    column = torch.arange(width)
    return (column >= start) & (column < end)


WORDS = ("wrong reference", "nothing learned", "both fall", "healthy")
Curve = Sequence[float]


def read_run(loss: Curve, chosen: Curve, rejected: Curve) -> str:
    """One of WORDS for a run, from its loss and its mean sums of r_hat by step.

    The loss of step 0 is ln 2 to 0.01; over the last quarter of the steps the margin is 0.1 or more, and the
    chosen replies' sum is not below 0.
    """
    return _read(loss, chosen, rejected)


def _quarter(curve: Curve) -> float:
    return float(np.mean(curve[-max(1, len(curve) // 4) :]))


def _read(
    loss: Curve,
    chosen: Curve,
    rejected: Curve,
    start: Callable[[Curve], float] = lambda loss: loss[0] - math.log(2),
    end: Callable[[Curve], float] = _quarter,
    grown: Callable[[float, float], bool] = lambda chosen, rejected: chosen - rejected >= 0.1,
    order: Sequence[int] = (0, 1, 2),
) -> str:
    """`start` is how far the first loss is off, `end` what a curve ends with, `grown` whether the margin has;
    the three questions are asked in `order`."""
    ends = end(chosen), end(rejected)
    found = (abs(start(loss)) > 0.01, not grown(*ends), ends[0] < 0)
    return next((WORDS[k] for k in order if found[k]), "healthy")


LN2 = 0.6931
RUNS: list[Case] = [
    ([LN2, 0.6, 0.5], [0.0, 0.1, 0.3], [0.0, -0.1, -0.2]),
    ([LN2, 0.6, 0.5], [0.0, -0.1, -0.3], [0.0, -0.3, -0.8]),
    ([LN2, 0.69, 0.69], [0.0, 0.4, 0.42], [0.0, 0.38, 0.4]),
    ([0.9, 0.6, 0.5], [-0.5, 0.1, 0.3], [0.0, -0.1, -0.2]),
    ([0.5, 0.6, 0.69], [0.5, 0.0, -0.2], [0.0, -0.1, -0.25]),  # another reference, and more
    ([LN2, 0.7, 0.69], [0.0, -0.4, -0.42], [0.0, -0.38, -0.4]),  # both are lower, and nothing is learned
    ([LN2, 0.6, 0.5, 0.8], [0.0, 0.1, 0.3, -0.1], [0.0, -0.1, -0.2, -0.4]),  # the last quarter is one step
    # a last step that is not like its quarter
    ([LN2] + [0.6] * 7, [0.0] + [0.2] * 6 + [-0.1], [0.0] + [-0.2] * 7),
    ([LN2] + [0.6] * 7, [0.0] + [-0.2] * 6 + [0.1], [0.0] + [-0.6] * 7),
    # it began with a rise and fell later
    ([LN2] + [0.6] * 7, [0.0] + [0.9] * 5 + [-0.1] * 2, [0.0] + [0.5] * 5 + [-0.6] * 2),
    # rejected replies rise, but less
    ([LN2, 0.6, 0.5], [0.0, 0.3, 0.8], [0.0, 0.1, 0.3]),
    ([0.7, 0.6, 0.5], [-0.01, 0.1, 0.3], [0.0, -0.1, -0.2]),  # ln 2 to two decimals
    ([0.66, 0.6, 0.5], [0.04, 0.1, 0.3], [0.0, -0.1, -0.2]),
]

EXERCISES = {
    "05.1": Exercise(
        dpo_loss,
        [SMALL, _ratios(0), _ratios(1)],
        [
            (
                "it averages over tokens; only sums telescope.",
                lambda w, x, b: -F.logsigmoid(b * (w.mean(1) - x.mean(1))),
            ),
            ("chosen and rejected are swapped.", lambda w, x, b: -F.logsigmoid(-_margin(w, x, b))),
            ("beta is missing.", lambda w, x, b: -F.logsigmoid(_margin(w, x, 1.0))),
            (
                "the minus sign is missing: this is to be minimised.",
                lambda w, x, b: F.logsigmoid(_margin(w, x, b)),
            ),
            ("the logarithm is missing.", lambda w, x, b: -torch.sigmoid(_margin(w, x, b))),
            ("it is averaged over pairs; return one loss a pair.", lambda w, x, b: dpo_loss(w, x, b).mean()),
        ],
    ),
    "05.2": Exercise(
        math.log(2),
        [],
        [
            ("the margin is 0 at step 0, not the loss: -log sigma(0) is not 0.", 0.0),
            ("that is sigma(0); the loss is minus its logarithm.", 0.5),
            ("that is log2 of 2; the loss uses the natural logarithm.", 1.0),
            ("the sign is off: -log sigma(0) = -log(1/2) is positive.", -math.log(2)),
        ],
    ),
    "05.3": Exercise(
        response_mask,
        [(3, 4, 9), (1, 2, 5)],
        [
            (
                "the last response token, EOS, is an action too and must be scored.",
                lambda p, r, w: _mask(p, p + r - 1, w),
            ),
            ("the prompt is not an action of the policy; mask it.", lambda p, r, w: _mask(0, p + r, w)),
            ("padding after the response must be masked.", lambda p, r, w: _mask(p, w, w)),
            (
                "it is one column early: this masks ids, not the logits that predict them.",
                lambda p, r, w: _mask(p - 1, p + r - 1, w),
            ),
        ],
    ),
    "05.4": Exercise(
        read_run,
        RUNS,
        [
            (
                "the last step alone is one batch; take the mean of the last quarter.",
                lambda loss, c, r: _read(loss, c, r, end=lambda curve: curve[-1]),
            ),
            (
                "the mean of the whole run hides where it ends; take the last quarter.",
                lambda loss, c, r: _read(loss, c, r, end=lambda curve: float(np.mean(curve))),
            ),
            (
                "every run is called wrong: the loss of step 0 is to be near ln 2 = 0.693, up to 0.01.",
                lambda loss, c, r: _read(loss, c, r, start=lambda loss: loss[0]),
            ),
            (
                "the loss of step 0 may be too low as well as too high.",
                lambda loss, c, r: _read(loss, c, r, start=lambda loss: max(0.0, loss[0] - math.log(2))),
            ),
            (
                "the loss of step 0 is not looked at: with another reference the curves mean something else.",
                lambda loss, c, r: _read(loss, c, r, order=(1, 2)),
            ),
            (
                "that chosen replies got likelier is no margin: compare them with the rejected ones.",
                lambda loss, c, r: _read(loss, c, r, grown=lambda chosen, rejected: abs(chosen) >= 0.1),
            ),
            (
                "a rejected sum may rise in a healthy run, if the chosen one rises more.",
                lambda loss, c, r: _read(loss, c, r, grown=lambda chosen, rejected: rejected <= -0.1),
            ),
            (
                "where nothing is learned, a small fall of both is noise: ask for the margin first.",
                lambda loss, c, r: _read(loss, c, r, order=(0, 2, 1)),
            ),
            (
                "the first question is that of step 0: what comes after a wrong start has no meaning.",
                lambda loss, c, r: _read(loss, c, r, order=(1, 2, 0)),
            ),
            (
                "a falling chosen sum has a word of its own, 'both fall'.",
                lambda loss, c, r: _read(loss, c, r, order=(0, 1)),
            ),
        ],
    ),
}

check = checker(EXERCISES)

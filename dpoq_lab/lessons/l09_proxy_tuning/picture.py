"""Lesson 09's picture: the next word of a steered base, from lambda 0 to 3, where the base alone is wrong."""

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax

from dpoq_lab.lessons.study import stored_record
from dpoq_lab.theory.mixtures import mixed_logits
from dpoq_lab.views.charts import bar, label, line
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed

LAMBDAS = np.linspace(0, 3, 13)
SHOWN = 6  # words
LEFT, WIDE, TOP, ROW = 190, 430, 54, 46  # pixels; the bars of probability are WIDE long at P_MAX
MIDDLE, NAT = 765, 46  # the zero line of the log-ratios, and pixels a nat
P_MAX, WIDTH = 0.6, 960


def frames() -> list[Figure]:
    """The same words and axes at each of `LAMBDAS`; the mixture alone moves."""
    state = State()
    return [state.figure(lam) for lam in LAMBDAS]


class State:
    """What three models say of the next word of the stored state: log pi of all words, (n_actions,) each.

    `words` are named by `shown`, the likeliest under base or mixture at any of `LAMBDAS`; `right` and `wrong`
    are the right word and what the base says instead.
    """

    def __init__(self) -> None:
        record = stored_record("order-notes-proxy", "next-word")
        self.words, self.told = record["words"], record["told"]
        self.log_pis = [np.array(record[f"log_{name}"]) for name in ("base", "proxy", "reference")]
        at_most = np.max([self.mixture(lam) for lam in LAMBDAS], axis=0)
        self.shown = np.argsort(-at_most)[:SHOWN]
        self.right, self.wrong = self.words.index(record["right"]), int(self.log_pis[0].argmax())

    def mixture(self, lam: float) -> np.ndarray:
        """Equation (14), (n_actions,)."""
        return softmax(mixed_logits(*self.log_pis, lam))

    def figure(self, lam: float) -> Figure:
        """Bars of base and mixture, a tick where lambda 1 is, and the log-ratio that lambda scales."""
        base, mixture, one = np.exp(self.log_pis[0]), self.mixture(lam), self.mixture(1.0)
        delta, body = self.log_pis[1] - self.log_pis[2], [self._ground(lam)]
        rest = [1 - law[self.shown].sum() for law in (base, mixture, one)]
        for k, i in enumerate(self.shown):
            mark = {self.right: ", right", self.wrong: ", wrong"}.get(int(i), "")
            body.append(_row(k, self.words[i] + mark, (base[i], mixture[i], one[i]), delta[i]))
        body.append(_row(SHOWN, f"{len(self.words) - SHOWN} others", rest, None))
        right, wrong = (f"\u201c{self.words[i]}\u201d {mixture[i]:.2f}" for i in (self.right, self.wrong))
        reading = f"lambda {lam:.2f}: the right word {right}, the base's wrong word {wrong}, {_others(rest)}."
        alt = "Probability of the next word under base and mixture, and log pi_proxy/pi_ref, a row a word"
        data = {"lambda": float(lam), "words": [self.words[i] for i in self.shown]}
        data |= {"mixture": mixture[self.shown].tolist(), "base": base[self.shown].tolist()}
        return Figure("".join(body), WIDTH, TOP + ROW * (SHOWN + 1) + 8, alt, reading, data)

    def _ground(self, lam: float) -> str:
        """Heads and zero lines."""
        bottom = TOP + ROW * (SHOWN + 1)
        return "".join(
            [
                label(4, 16, f"\u2026 {' '.join(self.told.split()[-9:])} \u2026", "start", "word"),
                label(LEFT, 44, "probability:"),
                label(LEFT + 90, 44, "base", "start", "fill grey"),
                label(LEFT + 140, 44, f"mixture, lambda {lam:.2f}", "start", "fill more"),
                label(LEFT + 305, 44, "| at lambda 1"),
                label(MIDDLE + 20, 44, "log pi_proxy/pi_ref, nats", "middle"),
                line(LEFT, TOP - 4, LEFT, bottom, "dpoq-zero"),
                line(MIDDLE, TOP - 4, MIDDLE, bottom, "dpoq-zero"),
            ]
        )


def _others(rest: list[float]) -> str:
    return f"all words that are not shown {rest[1]:.2f}"


def _row(k: int, name: str, laws: Sequence[float], delta: float | None) -> str:
    """A word: its bars of base and mixture, a tick at lambda 1, the mixture's number; its log-ratio."""
    y, (base, mixture, one) = TOP + ROW * k, (LEFT + WIDE * p / P_MAX for p in laws)
    parts = [
        label(LEFT - 10, y + 26, name, "end", "word" if "right" in name or "wrong" in name else ""),
        bar(LEFT, y + 4, base - LEFT, 10, "grey"),
        bar(LEFT, y + 16, mixture - LEFT, 18, "more"),
        bar(one - 1, y + 14, 3, 22, "ink"),
        label((one if mixture < one < mixture + 48 else mixture) + 8, y + 31, f"{laws[1]:.2f}"),
    ]
    if delta is not None:
        colour, end = ("more", 1) if delta > 0 else ("less", -1)
        parts.append(bar(MIDDLE + min(0.0, delta) * NAT, y + 12, abs(delta) * NAT, 18, colour))
        beyond = MIDDLE + delta * NAT + 8 * end
        parts.append(label(beyond, y + 26, signed(delta), "start" if end > 0 else "end"))
    return "".join(parts)

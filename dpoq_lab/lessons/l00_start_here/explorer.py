"""Lesson 00's explorer: browse a stored run; no model is called."""

from collections.abc import Sequence
from html import escape

import ipywidgets as widgets

from dpoq_lab.views.controls import WIDE_CHOICE, Styled, on_change, row, slider
from dpoq_lab.views.theme import box
from dpoq_lab.views.token_view import heat_map, legend, signed


class RunViewer(Styled):
    """Strips of a stored `tokens.jsonl` with the `prompts` of its pairs: choose a pair, move beta.

    `picture` shows the pair and, above it, how many pairs are ranked as their writer ranked them.
    """

    def __init__(self, records: list[dict], prompts: Sequence[str], beta: float, pair: int = 0) -> None:
        self._pairs = list(zip(records[::2], records[1::2], prompts, strict=True))
        self.trained_beta, self._limit = beta, 2.5 * beta
        options = [(f"{i}: {prompt[:70]}", i) for i, prompt in enumerate(prompts)]
        self.pair = widgets.Dropdown(options=options, value=pair, description="pair", layout=WIDE_CHOICE)
        self.beta = slider("beta", beta, 0.01, 1.0, 0.01)
        self.picture = widgets.HTML()
        scale = widgets.HTML(legend(self._limit))
        on_change((self.pair, self.beta), self._render)
        self.ranked_at_first = self.ranked_right
        super().__init__([row(self.pair, self.beta), scale, self.picture])
        self._render()

    @property
    def ranked_right(self) -> int:
        """The number of pairs whose chosen reply has the larger sum of r_hat at the beta shown."""
        sums = ([sum(rewards(record, self.beta.value)) for record in pair[:2]] for pair in self._pairs)
        return sum(chosen > rejected for chosen, rejected in sums)

    def _render(self) -> None:
        *replies, prompt = self._pairs[self.pair.value]
        counted = f"beta {self.beta.value:.2f}: {self.ranked_right} of {len(self._pairs)} pairs ranked right."
        top = box(f'<div class="dpoq-reading">{counted}</div><strong>Asked:</strong> {escape(prompt)}')
        self.picture.value = top + "".join(strip_of(one, self.beta.value, self._limit) for one in replies)


def rewards(record: dict, beta: float) -> list[float]:
    """r_hat of each token of a record of `tokens.jsonl` at any beta: beta (log pi - log pi_ref), nats."""
    both = zip(record["logp_policy"], record["logp_reference"], strict=True)
    return [beta * (logp - logp_ref) for logp, logp_ref in both]


def strip_of(record: dict, beta: float, limit: float) -> str:
    """The strip of one record; `limit` is where the colours end, nats."""
    values = rewards(record, beta)
    caption = f"{record['role']}: sum of r_hat {signed(sum(values))}"
    return heat_map(record["tokens"], values, limit, caption, record.get("flaws"), record.get("actions"))


def ranking_at_twice_beta(viewer: RunViewer) -> str | None:
    """How many pairs are ranked right at twice the beta, against the first; None until it is doubled."""
    if viewer.beta.value < 2 * viewer.trained_beta - 1e-6:
        return None
    more = viewer.ranked_right - viewer.ranked_at_first
    return "exactly as many" if more == 0 else "more of them" if more > 0 else "fewer of them"

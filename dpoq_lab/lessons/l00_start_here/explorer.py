"""Lesson 00's explorer: browse a stored run; no model is called."""

import ipywidgets as widgets

from dpoq_lab.views.controls import WIDE_CHOICE, Styled, on_change, row, slider
from dpoq_lab.views.token_view import heat_map, legend, signed


class RunViewer(Styled):
    """Heat maps of a stored `tokens.jsonl`: choose a pair, move beta; no model is called."""

    def __init__(self, records: list[dict], beta: float = 0.1) -> None:
        self._pairs = list(zip(records[::2], records[1::2], strict=True))
        self._limit = 5 * beta
        texts = ["".join(rejected["tokens"][:-1]) for _, rejected in self._pairs]
        options = [(f"{i}: {text[:60]}", i) for i, text in enumerate(texts)]
        self.pair = widgets.Dropdown(options=options, description="pair", layout=WIDE_CHOICE)
        self.beta = slider("beta", beta, 0.01, 1.0, 0.01)
        self.view = widgets.HTML()
        scale = widgets.HTML(legend(self._limit))
        on_change((self.pair, self.beta), self._render)
        super().__init__([row(self.pair, self.beta), scale, self.view])
        self._render()

    def _render(self) -> None:
        maps = [
            stored_heat_map(record, self.beta.value, self._limit) for record in self._pairs[self.pair.value]
        ]
        self.view.value = "".join(maps)


def stored_heat_map(record: dict, beta: float, limit: float) -> str:
    """The heat map of one record of `tokens.jsonl` at any beta: r = beta (log pi - log pi_ref)."""
    rewards = [
        beta * (logp - logp_ref)
        for logp, logp_ref in zip(record["logp_policy"], record["logp_reference"], strict=True)
    ]
    caption = f"{record['role']}: summed reward {signed(sum(rewards))}"
    return heat_map(record["tokens"], rewards, limit, caption, record.get("flaws"), record.get("actions"))

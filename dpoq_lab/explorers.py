"""ipywidgets shells over the views: state -> render, nothing else.

RunViewer: browse a stored run, no model needed. LossExplorer: what DPO's loss does to one pair.
TokenExplorer: choose a pair, a token of either response, beta; edit a response and score it again.
"""

from html import escape

import ipywidgets as widgets
import plotly.graph_objects as go
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab.encoding import BoundaryError, EncodedPair, encode_response, flaw_mask
from dpoq_lab.figures import dpo_loss_figure, draw_dpo_loss
from dpoq_lab.preferences import Pair, Span
from dpoq_lab.rewards import TokenScores, score_responses
from dpoq_lab.token_picker import TokenPicker
from dpoq_lab.token_view import cells, heat_map, legend, signed, visible

ROLES = ("chosen", "rejected")
REWARD = "r = beta log pi/pi_ref, nats"
_PAIR_LAYOUT = {"width": "40em", "max_width": "98%"}


def controls_row(controls: list[widgets.Widget]) -> widgets.HBox:
    """Controls side by side, or below one another where the page is narrow or enlarged."""
    return widgets.HBox(controls, layout={"flex_flow": "row wrap"})


def pair_dropdown(pairs: list[EncodedPair]) -> widgets.Dropdown:
    """A choice of a pair, by number, named by the start of its prompt."""
    names = [(f"{i}: {_prompt_text(pair)[:60]}", i) for i, pair in enumerate(pairs)]
    return widgets.Dropdown(options=names, description="pair", layout=_PAIR_LAYOUT)


class RunViewer(widgets.VBox):
    """Heat maps of a stored `tokens.jsonl`: choose a pair, move beta; no model is called."""

    def __init__(self, records: list[dict], beta: float = 0.1) -> None:
        self._pairs = list(zip(records[::2], records[1::2], strict=True))
        self._limit = 5 * beta
        texts = ["".join(rejected["tokens"][:-1]) for _, rejected in self._pairs]
        options = [(f"{i}: {text[:60]}", i) for i, text in enumerate(texts)]
        self.pair = widgets.Dropdown(options=options, description="pair", layout=_PAIR_LAYOUT)
        self.beta = widgets.FloatSlider(beta, min=0.01, max=1.0, step=0.01, description="beta")
        self.view = widgets.HTML()
        for control in (self.pair, self.beta):
            control.observe(lambda _: self._render(), "value")
        super().__init__([controls_row([self.pair, self.beta]), self.view])
        self._render()

    def _render(self) -> None:
        maps = [
            stored_heat_map(record, self.beta.value, self._limit) for record in self._pairs[self.pair.value]
        ]
        self.view.value = legend(self._limit) + "".join(maps)


def stored_heat_map(record: dict, beta: float, limit: float) -> str:
    """The heat map of one record of `tokens.jsonl` at any beta: r = beta (log pi - log pi_ref)."""
    rewards = [
        beta * (logp - logp_ref)
        for logp, logp_ref in zip(record["logp_policy"], record["logp_reference"], strict=True)
    ]
    caption = f"{record['role']}: summed reward {signed(sum(rewards))}"
    return heat_map(record["tokens"], rewards, limit, caption, record.get("flaws"))


class LossExplorer(widgets.VBox):
    """-log sigma(beta d) and how hard it pushes, for the log-ratio difference d of one pair."""

    def __init__(self) -> None:
        self.beta = widgets.FloatSlider(0.1, min=0.02, max=1.0, step=0.02, description="beta")
        self.difference = widgets.FloatSlider(0.0, min=-20.0, max=20.0, step=0.5, description="d (nats)")
        self.figure = go.FigureWidget(dpo_loss_figure())
        self.reading = widgets.HTML()
        for control in (self.beta, self.difference):
            control.observe(lambda _: self._render(), "value")
        super().__init__([controls_row([self.beta, self.difference]), self.figure, self.reading])
        self._render()

    def _render(self) -> None:
        self.reading.value = draw_dpo_loss(self.figure, self.beta.value, self.difference.value)


class TokenExplorer(widgets.VBox):
    """The token rewards of preference pairs under a policy and its reference.

    `pair`, `beta`, `edit` (the text boxes) and `pickers` are the widgets; moving beta calls no model.
    """

    def __init__(
        self,
        policy: PreTrainedModel,
        reference: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        pairs: list[EncodedPair],
        beta: float = 0.1,
        max_length: int = 512,
    ) -> None:
        self._models = (policy, reference, tokenizer)
        self._pairs, self._max_length = pairs, max_length
        self._scores: dict[str, TokenScores] = {}
        self._chosen = ("rejected", -1)
        self._limit = 5 * beta  # nats; fixed, so that moving beta moves the colours
        self._build(beta)
        self._connect()
        super().__init__([self.controls, self.prompt, self.scale, self.columns, self.detail, self.editor])
        self._show_pair()

    def _build(self, beta: float) -> None:
        wide = widgets.Layout(width="98%")
        self.pair = pair_dropdown(self._pairs)
        self.beta = widgets.FloatSlider(beta, min=0.01, max=2.0, step=0.01, description="beta")
        self.controls = controls_row([self.pair, self.beta])
        self.prompt, self.scale, self.detail = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.pickers = {role: TokenPicker() for role in ROLES}
        self.sums = {role: widgets.HTML() for role in ROLES}
        half = widgets.Layout(width="50%", padding="0 .5em")
        self.columns = widgets.HBox(
            [widgets.VBox([self.sums[role], self.pickers[role]], layout=half) for role in ROLES]
        )
        self.edit = {
            role: widgets.Textarea(description=role, layout=wide, rows=3, continuous_update=False)
            for role in ROLES
        }
        self.message = widgets.HTML()
        hint = widgets.HTML("Edit a response and leave the box: it is scored again by both models.")
        self.editor = widgets.VBox([hint, *self.edit.values(), self.message])

    def _connect(self) -> None:
        self.pair.observe(lambda _: self._show_pair(), "value")
        self.beta.observe(lambda _: self._render(), "value")
        for role in ROLES:
            self.edit[role].observe(lambda change, role=role: self._rescore(role, change["new"]), "value")
            self.pickers[role].observe(
                lambda change, role=role: self._choose(role, change["new"]), "selected"
            )

    def _show_pair(self) -> None:
        pair = self._pairs[self.pair.value]
        policy, reference, tokenizer = self._models
        scores = score_responses(policy, reference, tokenizer, [pair.chosen, pair.rejected])
        self._scores = dict(zip(ROLES, scores, strict=True))
        self.prompt.value = (
            f'<div style="white-space:pre-wrap"><b>Prompt</b> {escape(_prompt_text(pair))}</div>'
        )
        for role in ROLES:
            self.pickers[role].selected = -1
            self.edit[role].value = getattr(pair.pair, role)
        self._chosen = ("rejected", -1)
        self.message.value = ""
        self._render()

    def _rescore(self, role: str, text: str) -> None:
        pair = self._pairs[self.pair.value].pair
        if text == self._scores[role].response.text:
            return
        if not text.strip():
            self.message.value = (
                f"<b>The {role} response is empty; the scores are still those of the text before.</b>"
            )
            return
        policy, reference, tokenizer = self._models
        flaws = self._flaws(pair, role, text)
        try:
            response = encode_response(tokenizer, pair.prompt, text, self._max_length, flaws)
        except BoundaryError as error:
            self.message.value = f"<b>{escape(str(error))}</b>"
            return
        self._scores[role] = score_responses(policy, reference, tokenizer, [response])[0]
        self.message.value = f"Scored again: {len(response.ids)} tokens."
        self._render()

    def _flaws(self, pair: Pair, role: str, text: str) -> tuple[Span, ...]:
        """The known flaws of a response: of an edited one, none are known."""
        return getattr(pair, f"{role}_flaws") if text == getattr(pair, role) else ()

    def _choose(self, role: str, index: int) -> None:
        if index < 0:
            return
        other = ROLES[1 - ROLES.index(role)]
        self._chosen = (role, index)
        self.pickers[other].selected = -1
        self.detail.value = token_detail(self._scores[role], index, self.beta.value)

    def _render(self) -> None:
        beta = self.beta.value
        limit, quantity = self._scale()
        self.scale.value = legend(limit, quantity)
        for role in ROLES:
            scores = self._scores[role]
            total = f"{role}: summed reward {signed(sum(scores.rewards(beta)))}"
            self.sums[role].value = f"<b>{total}</b>"
            shown = cells(scores.response.tokens, self._colours(role), limit, flaw_mask(scores.response))
            self.pickers[role].show(shown, total)
        role, index = self._chosen
        known = 0 <= index < len(self._scores[role].response.ids)
        self.detail.value = token_detail(self._scores[role], index, beta) if known else _HINT

    def _scale(self) -> tuple[float, str]:
        """The limit of the colours and what they show."""
        return self._limit, REWARD

    def _colours(self, role: str) -> list[float]:
        """The number of each token of a response, by which it is coloured."""
        return self._scores[role].rewards(self.beta.value)


_HINT = "Choose a token by click, or by Tab and the arrow keys."


def token_detail(scores: TokenScores, index: int, beta: float) -> str:
    """What is known of one token, as escaped HTML: r, log pi, log pi_ref and what both preferred."""
    token = visible(scores.response.tokens[index])
    logp, logp_ref = scores.logp_policy[index], scores.logp_reference[index]
    numbers = (
        f"<b>{escape(token)}</b> &nbsp; r = {signed(beta * (logp - logp_ref))} &nbsp; "
        f"log pi = {signed(logp)} &nbsp; log pi_ref = {signed(logp_ref)}"
    )
    rows = []
    for name, top in (("policy", scores.top_policy[index]), ("reference", scores.top_reference[index])):
        found = " &nbsp; ".join(
            f"<code>{escape(visible(text))}</code> {signed(value)}" for text, value in top
        )
        rows.append(f"<tr><th>{name} preferred</th><td>{found}</td></tr>")
    return f'<div class="dpoq-detail">{numbers}<table>{"".join(rows)}</table></div>'


def _prompt_text(pair: EncodedPair) -> str:
    prompt = pair.pair.prompt
    return prompt if isinstance(prompt, str) else prompt[-1]["content"]

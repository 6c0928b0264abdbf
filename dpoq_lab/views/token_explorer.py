"""The token rewards of pairs as widgets: choose a pair, a token, beta; edit a response, score it again."""

from html import escape

import ipywidgets as widgets
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab.encoding import BoundaryError, EncodedPair, encode_response, flaw_mask
from dpoq_lab.messages import who_said_what
from dpoq_lab.preferences import Pair, Span
from dpoq_lab.rewards import TokenScores, score_responses
from dpoq_lab.views.controls import COLUMN, Styled, on_change, pair_dropdown, prompt_text, row, slider
from dpoq_lab.views.token_picker import TokenPicker
from dpoq_lab.views.token_view import R_HAT, cells, legend, signed, visible

ROLES = ("chosen", "rejected")


class TokenExplorer(Styled):
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
        self._texts: dict[str, str] = {}  # what was scored, as it stands in the boxes
        self._limit = 5 * beta  # nats; fixed, so that moving beta moves the colours
        self._build(beta)
        self._connect()
        super().__init__([self.controls, self.prompt, self.scale, self.columns, self.detail, self.editor])
        self._show_pair()

    def _build(self, beta: float) -> None:
        wide = widgets.Layout(width="98%")
        self.pair = pair_dropdown(self._pairs)
        self.beta = slider("beta", beta, 0.01, 2.0, 0.01)
        self.controls = row(self.pair, self.beta)
        self.prompt, self.scale, self.detail = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.pickers = {role: TokenPicker() for role in ROLES}
        self.sums = {role: widgets.HTML() for role in ROLES}
        self.columns = row(
            *(widgets.VBox([self.sums[role], self.pickers[role]], layout=COLUMN) for role in ROLES)
        )
        self.edit = {
            role: widgets.Textarea(description=role, layout=wide, rows=3, continuous_update=False)
            for role in ROLES
        }
        self.message = widgets.HTML()
        hint = widgets.HTML("Edit a response and leave the box: it is scored again by both models.")
        self.editor = widgets.VBox([hint, *self.edit.values(), self.message])

    def _connect(self) -> None:
        on_change([self.pair], self._show_pair)
        on_change([self.beta], self._render)
        for role in ROLES:
            self.edit[role].observe(lambda change, role=role: self._rescore(role, change["new"]), "value")
            self.pickers[role].on_choose(lambda index, role=role: self._choose(role, index))

    def _show_pair(self) -> None:
        pair = self._pairs[self.pair.value]
        policy, reference, tokenizer = self._models
        scores = score_responses(policy, reference, tokenizer, [pair.chosen, pair.rejected])
        self._scores = dict(zip(ROLES, scores, strict=True))
        self.prompt.value = (
            f'<div style="white-space:pre-wrap"><b>Prompt</b> {escape(prompt_text(pair))}</div>'
        )
        self._texts = {role: who_said_what(getattr(pair.pair, role)) for role in ROLES}
        for role in ROLES:
            self.pickers[role].box.value = -1  # drawn with the tokens of this pair, below
            self.edit[role].value = self._texts[role]
            self.edit[role].disabled = not isinstance(getattr(pair.pair, role), str)
        self._chosen = ("rejected", -1)
        self.message.value = ""
        self._render()

    def _rescore(self, role: str, text: str) -> None:
        pair = self._pairs[self.pair.value].pair
        if text == self._texts[role]:
            return
        if not text.strip():
            self.message.value = (
                f"<b>The {role} response is empty; the scores are still those of the text before.</b>"
            )
            return
        policy, reference, tokenizer = self._models
        flaws = self._flaws(pair, role, text)
        try:
            given = {"tools": pair.tools, "arguments": pair.arguments}
            response = encode_response(tokenizer, pair.prompt, text, self._max_length, flaws, **given)
        except BoundaryError as error:
            self.message.value = f"<b>{escape(str(error))}</b>"
            return
        self._scores[role] = score_responses(policy, reference, tokenizer, [response])[0]
        self._texts[role] = text
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
            response, total = scores.response, f"{role}: sum of r_hat {signed(sum(scores.rewards(beta)))}"
            self.sums[role].value = f"<b>{total}</b>{self._beside(role)}"
            shown = cells(response.tokens, self._colours(role), limit, flaw_mask(response), response.actions)
            self.pickers[role].show(shown, total)
        role, index = self._chosen
        known = 0 <= index < len(self._scores[role].response.ids)
        self.detail.value = token_detail(self._scores[role], index, beta) if known else _HINT

    def _beside(self, role: str) -> str:
        """What else is said of a response beside its sum, as escaped HTML."""
        return ""

    def _scale(self) -> tuple[float, str]:
        """The limit of the colours and what they show."""
        return self._limit, R_HAT

    def _colours(self, role: str) -> list[float]:
        """The number of each token of a response, by which it is coloured."""
        return self._scores[role].rewards(self.beta.value)


_HINT = "Choose a token by click, or by Tab and the arrow keys."


def token_detail(scores: TokenScores, index: int, beta: float) -> str:
    """What is known of one token, as escaped HTML: r_hat, log pi, log pi_ref and what both preferred."""
    token = visible(scores.response.tokens[index])
    if not scores.response.actions[index]:
        return f'<div class="dpoq-detail"><b>{escape(token)}</b> &nbsp; read, not chosen by the policy</div>'
    logp, logp_ref = scores.logp_policy[index], scores.logp_reference[index]
    numbers = (
        f"<b>{escape(token)}</b> &nbsp; r_hat = {signed(beta * (logp - logp_ref))} &nbsp; "
        f"log pi = {signed(logp)} &nbsp; log pi_ref = {signed(logp_ref)}"
    )
    rows = []
    for name, top in (("policy", scores.top_policy[index]), ("reference", scores.top_reference[index])):
        found = " &nbsp; ".join(
            f"<code>{escape(visible(text))}</code> {signed(value)}" for text, value in top
        )
        rows.append(f"<tr><th>{name} preferred</th><td>{found}</td></tr>")
    return f'<div class="dpoq-detail">{numbers}<table>{"".join(rows)}</table></div>'

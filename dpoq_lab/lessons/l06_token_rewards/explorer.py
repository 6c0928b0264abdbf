"""The token explorer on order notes: switch policy and colouring, plant an error, see the true return."""

from random import Random

import ipywidgets as widgets
import numpy as np

from dpoq_lab.encoding import EncodedPair
from dpoq_lab.order_notes.language import FACTS, flaws_of, order_of, slipped, true_score
from dpoq_lab.order_notes.recipe import BETA, NAMES, Policies
from dpoq_lab.order_notes.scoring import rollout_advantages
from dpoq_lab.preferences import Pair, Span
from dpoq_lab.rewards import TokenScores, score_responses
from dpoq_lab.views.controls import on_change, row
from dpoq_lab.views.token_explorer import REWARD, ROLES, TokenExplorer
from dpoq_lab.views.token_view import signed

ROLLOUTS = 64
# what a colour shows, and the limit of its scale
COLOURINGS = {
    "r": (5 * BETA, REWARD),
    "cumulative reward": (5 * BETA, "sum of r up to here, nats"),
    "log pi": (5.0, "log pi, nats"),
    "log pi_ref": (5.0, "log pi_ref, nats"),
    "entropy": (3.0, "entropy of pi before this token, nats"),
    "advantage estimate": (
        2.0,
        f"change in the expected true return, {ROLLOUTS} rollouts of pi_ref a prefix, about ±0.4",
    ),
}


class OrderExplorer(TokenExplorer):
    """Order notes under the six policies; an edited reply is marked and scored exactly too.

    `policy` switches the model, `colouring` what the colours show, `fact` and `plant` put a plausible
    error into the chosen reply. Base and SFT are compared with the base.
    """

    def __init__(self, policies: Policies, pairs: list[EncodedPair]) -> None:
        self._policies = policies
        self._rolled: dict[tuple[str, str, str], list[float]] = {}
        self.policy = widgets.Dropdown(options=list(NAMES), value="DPO from SFT", description="policy")
        self.colouring = widgets.Dropdown(options=list(COLOURINGS), description="colours")
        self.fact = widgets.Dropdown(options=list(FACTS), description="error in")
        self.plant = widgets.Button(description="Plant it in chosen")
        super().__init__(*self._pair_of_models(), policies.tokenizer, pairs, BETA)
        first = row(self.policy, self.colouring)
        self.children = (first, row(self.fact, self.plant), *self.children)
        on_change([self.policy], self._switch)
        on_change([self.colouring], self._render)
        self.plant.on_click(lambda _: self._plant())

    def _pair_of_models(self) -> tuple:
        name = self.policy.value
        return self._policies.models[name], self._policies.models[self._reference()]

    def _reference(self) -> str:
        return self._policies.references.get(self.policy.value, "base")

    def _switch(self) -> None:
        """Score what is shown, edited or not, under the policy chosen."""
        self._models = (*self._pair_of_models(), self._policies.tokenizer)
        shown = [self._scores[role].response for role in ROLES]
        self._scores = dict(zip(ROLES, score_responses(*self._models, shown), strict=True))
        self._render()

    def _plant(self) -> None:
        """Put a plausible wrong value in place of the right one, if the chosen reply holds it."""
        value = order_of(self._prompt())[self.fact.value]
        words = self.edit["chosen"].value.split()
        if value not in words:
            self.message.value = f"<b>The chosen reply does not hold {value}: choose another fact.</b>"
            return
        words[words.index(value)] = slipped(value, Random(f"{self.pair.value} {self.fact.value}"))
        self.edit["chosen"].value = " ".join(words)

    def _prompt(self) -> str:
        return self._pairs[self.pair.value].pair.prompt

    def _flaws(self, pair: Pair, role: str, text: str) -> tuple[Span, ...]:
        return flaws_of(pair.prompt, text)

    def _scale(self) -> tuple[float, str]:
        return COLOURINGS[self.colouring.value]

    def _colours(self, role: str) -> list[float]:
        scores, name = self._scores[role], self.colouring.value
        if name == "advantage estimate":
            return self._advantages(scores)
        if name == "cumulative reward":
            return np.cumsum(scores.rewards(self.beta.value)).tolist()
        attribute = {"log pi": "logp_policy", "log pi_ref": "logp_reference", "entropy": "entropy"}.get(name)
        return getattr(scores, attribute) if attribute else super()._colours(role)

    def _advantages(self, scores: TokenScores) -> list[float]:
        """The rollout estimate, kept, since it takes seconds."""
        key = (self._reference(), self._prompt(), scores.response.text)
        if key not in self._rolled:
            reference, tokenizer = self._models[1:]
            self._rolled[key] = rollout_advantages(
                reference, tokenizer, self._prompt(), scores.response, ROLLOUTS
            )
        return self._rolled[key]

    def _render(self) -> None:
        super()._render()
        for role in ROLES:
            truth = true_score(self._prompt(), self._scores[role].response.text)
            self.sums[role].value += f" &nbsp; true return {signed(truth)} of +6"

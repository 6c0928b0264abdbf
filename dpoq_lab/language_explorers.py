"""The token explorer on order notes: switch the policy, plant an error, and see the true return."""

from random import Random

import ipywidgets as widgets

from dpoq_lab.encoding import EncodedPair
from dpoq_lab.explorers import ROLES, TokenExplorer, _row
from dpoq_lab.language_study import BETA, TOKENIZER, Study
from dpoq_lab.languages import FACTS, flaws_of, order_of, slipped, true_score
from dpoq_lab.preferences import Pair, Span
from dpoq_lab.rewards import score_responses
from dpoq_lab.token_view import signed


class OrderExplorer(TokenExplorer):
    """Order notes under a study's policies; an edited reply is marked and scored exactly too.

    `policy` switches the DPO run, `fact` and `plant` put a plausible error into the chosen reply.
    """

    def __init__(self, study: Study, pairs: list[EncodedPair]) -> None:
        self._study = study
        self.policy = widgets.Dropdown(options=list(study.references), description="policy")
        self.fact = widgets.Dropdown(options=list(FACTS), description="error in")
        self.plant = widgets.Button(description="Plant it in chosen")
        super().__init__(*self._pair_of_models(), TOKENIZER, pairs, BETA)
        self.children = (_row([self.policy, self.fact, self.plant]), *self.children)
        self.policy.observe(lambda _: self._switch(), "value")
        self.plant.on_click(lambda _: self._plant())

    def _pair_of_models(self) -> tuple:
        name = self.policy.value
        return self._study.policies[name], self._study.policies[self._study.references[name]]

    def _switch(self) -> None:
        """Score what is shown, edited or not, under the policy chosen."""
        self._models = (*self._pair_of_models(), TOKENIZER)
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

    def _render(self) -> None:
        super()._render()
        for role in ROLES:
            truth = true_score(self._prompt(), self._scores[role].response.text)
            self.sums[role].value += f" &nbsp; true return {signed(truth)} of +6"

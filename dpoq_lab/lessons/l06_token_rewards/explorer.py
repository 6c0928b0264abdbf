"""The token explorer with the running sum of r_hat; on order notes, errors are planted and marked."""

from html import escape
from random import Random
from typing import Any

import ipywidgets as widgets
import numpy as np

from dpoq_lab.credit import chance_of_a_hit, precision_at_1
from dpoq_lab.encoding import EncodedPair, encode_response, flaw_mask
from dpoq_lab.lessons.l06_token_rewards.figures import running_figure
from dpoq_lab.order_notes.language import FACTS, flaws_of, order_of, slipped, true_score
from dpoq_lab.order_notes.recipe import BETA, NAMES, Policies
from dpoq_lab.order_notes.scoring import rollout_advantages
from dpoq_lab.preferences import Pair, Span
from dpoq_lab.rewards import TokenScores, score_responses
from dpoq_lab.views.controls import LiveFigure, on_change, row
from dpoq_lab.views.token_explorer import ROLES, TokenExplorer
from dpoq_lab.views.token_view import R_HAT, signed

ROLLOUTS = 64
# what a colour shows, and the limit of its scale
COLOURINGS = {
    "r_hat": (5 * BETA, R_HAT),
    "running sum": (5 * BETA, "sum of r_hat up to here, nats"),
    "log pi": (5.0, "log pi, nats"),
    "log pi_ref": (5.0, "log pi_ref, nats"),
    "entropy": (3.0, "entropy of pi before this token, nats"),
    "advantage estimate": (
        2.0,
        f"change in the expected true return, {ROLLOUTS} rollouts of pi_ref a prefix, about ±0.4",
    ),
}


class BlameExplorer(TokenExplorer):
    """A token explorer whose `picture` is the running sum of r_hat of both replies.

    The axis holds the sums at the beta that the explorer opens with, and grows when they leave it.
    """

    def __init__(self, *models_and_pairs: Any, beta: float = 0.1) -> None:
        self.picture, self._opening_beta = LiveFigure(), beta
        self._own: dict[str, TokenScores] = {}
        super().__init__(*models_and_pairs, beta)
        at = self.children.index(self.columns)
        self.children = (*self.children[:at], self.picture, *self.children[at:])

    def r_hat(self, role: str) -> list[float]:
        """r_hat of each token of a reply at the beta chosen, in nats."""
        return self._scores[role].rewards(self.beta.value)

    def edited(self, role: str) -> bool:
        """Does the box hold another text than the pair?"""
        return self._texts[role] != getattr(self._pairs[self.pair.value].pair, role)

    def unedited(self, role: str) -> list[float]:
        """r_hat of each token of the pair's own text at the beta chosen."""
        return self._own[role].rewards(self.beta.value)

    def flaws(self, role: str) -> list[bool]:
        """Of each token whether it is a known flaw."""
        return flaw_mask(self._scores[role].response)

    def _render(self) -> None:
        super()._render()
        self._own |= {role: self._scores[role] for role in ROLES if not self.edited(role)}
        rows = {role: self.r_hat(role) for role in ROLES}
        opening = [self._scores[role].rewards(self._opening_beta) for role in ROLES]
        ends = [float(x) for row in opening for x in np.cumsum(row)]
        self.picture.draw(running_figure(rows, {role: self.flaws(role) for role in ROLES}, ends))


def after_the_insult(explorer: BlameExplorer) -> str | None:
    """What became of the chosen reply's sum of r_hat with its new text; None while its text is the pair's."""
    if not explorer.edited("chosen"):
        return None
    before, after, other = (
        sum(row)
        for row in (explorer.unedited("chosen"), explorer.r_hat("chosen"), explorer.r_hat("rejected"))
    )
    if after >= before:
        return "rises or stays"
    if after > other:
        return "falls, but is above the rejected reply's"
    return "falls and is below the rejected reply's"


def control_hits(explorer: "OrderExplorer") -> str | None:
    """How often the control's lowest r_hat is the error planted, over all replies; None while the policy is
    another one, or the reply shown holds no error."""
    if explorer.policy.value != "shuffled labels" or not any(explorer.flaws("chosen")):
        return None
    control, guess, _ = explorer.planted("shuffled labels")
    if control <= 2 * guess:
        return "about as often as a guess"
    ours = explorer.planted("DPO from SFT")[0]
    return (
        "as often as DPO from SFT" if control >= ours else "more often than a guess, less than DPO from SFT"
    )


class OrderExplorer(BlameExplorer):
    """Order notes under the six policies; an edited reply is marked and scored exactly too.

    `policy` switches the model, `colouring` what the colours show, `fact` and `plant` put a plausible
    error into the chosen reply. Base and SFT are compared with the base.
    """

    def __init__(self, policies: Policies, pairs: list[EncodedPair]) -> None:
        self._policies = policies
        self._rolled: dict[tuple[str, str, str], list[float]] = {}
        self._hits: dict[tuple[str, str], tuple[float, float, int]] = {}
        self.policy = widgets.Dropdown(options=list(NAMES), value="DPO from SFT", description="policy")
        self.colouring = widgets.Dropdown(options=list(COLOURINGS), description="colours")
        self.fact = widgets.Dropdown(options=list(FACTS), description="error in")
        self.plant = widgets.Button(description="Plant it in chosen")
        super().__init__(*self._pair_of_models(), policies.tokenizer, pairs, beta=BETA)
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
        if any(self.flaws("chosen")):
            self._count()

    def _plant(self) -> None:
        """Put a plausible wrong value in place of the right one, if the chosen reply holds it."""
        text = _with_error(self._prompt(), self.edit["chosen"].value, self.fact.value, self.pair.value)
        if text is None:
            value = order_of(self._prompt())[self.fact.value]
            self.message.value = (
                f"<b>The chosen reply does not hold {escape(value)}: choose another fact.</b>"
            )
            return
        self.edit["chosen"].value = text
        self._count()

    def planted(self, policy: str) -> tuple[float, float, int]:
        """The share of replies whose lowest r_hat under `policy` is the error planted, that of a guess, and
        how many replies: every chosen one of the list that holds the fact."""
        fact, models = self.fact.value, self._policies.models
        if (policy, fact) not in self._hits:
            replies, tokenizer = [], self._policies.tokenizer
            for i, pair in enumerate(self._pairs):
                prompt, text = pair.pair.prompt, _with_error(pair.pair.prompt, pair.pair.chosen, fact, i)
                if text:
                    flaws = flaws_of(prompt, text)
                    replies.append(encode_response(tokenizer, prompt, text, self._max_length, flaws))
            reference = models[self._policies.references.get(policy, "base")]
            scores = score_responses(models[policy], reference, tokenizer, replies, top=0)
            labels = [flaw_mask(reply) for reply in replies]
            share, n = precision_at_1([[-r for r in s.rewards(1.0)] for s in scores], labels)
            self._hits[policy, fact] = share, chance_of_a_hit(labels), n
        return self._hits[policy, fact]

    def _count(self) -> None:
        policy, fact = self.policy.value, self.fact.value
        share, guess, n = self.planted(policy)
        self.message.value = (
            f"A wrong {fact} planted in each of the {n} chosen replies that name it: the lowest r_hat of "
            f"{policy} is the wrong word in {share * n:.0f} of them. A guess finds {guess * n:.1f}."
        )

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
        if name == "running sum":
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

    def _beside(self, role: str) -> str:
        truth = true_score(self._prompt(), self._scores[role].response.text)
        return f" &nbsp; true return {signed(truth)} of +6"


def _with_error(prompt: str, reply: str, fact: str, seed: int) -> str | None:
    """The reply with a plausible wrong value in place of the right one of `fact`; None if it lacks that."""
    value, words = order_of(prompt)[fact], reply.split()
    if value not in words:
        return None
    words[words.index(value)] = slipped(value, Random(f"{seed} {fact}"))
    return " ".join(words)

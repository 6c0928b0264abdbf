"""Lesson 12's explorers: the desk as an exact game, and episodes that stored models score."""

from collections.abc import Sequence

import ipywidgets as widgets
import numpy as np

from dpoq_lab.lessons.l12_agents.desk import OPENERS, Episode, Question, Rules, as_response, desk_tokenizer
from dpoq_lab.lessons.l12_agents.picture import NAMES, TOP, desk_figure
from dpoq_lab.lessons.l12_agents.study import Policies, next_log_probs
from dpoq_lab.lessons.l12_agents.theory import BETA, Way
from dpoq_lab.rewards import score_responses
from dpoq_lab.views.charts import label
from dpoq_lab.views.controls import LiveFigure, Styled, on_change, row, slider, stands_at
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.words import HIGH, ROW, share_bars, word_row

LOOKED_AT: tuple[Way, ...] = ("masked", "unmasked", "luck removed")
ALT = "How often a trained policy and its reference call here, and r_hat of each token of an episode"
DOES = ("calls, then says what it heard (busy: unsure)", "calls, then unsure", "says a digit", "says unsure")


class DeskExplorer(Styled):
    """The exact game on a hard question: how often the tool is busy, what a call costs, what `unsure` earns,
    and whose words are shown below the bars."""

    def __init__(self) -> None:
        self.busy = slider("busy", 0.6, 0.0, 0.95, 0.05)
        self.price = slider("price of a call", 0.3, 0.0, 0.8, 0.05)
        self.unsure = slider("unsure earns", 0.35, 0.0, 0.8, 0.05)
        names = [(NAMES[way], way) for way in LOOKED_AT]
        self.mask = widgets.Dropdown(options=names, value="unmasked", description="words of")
        self.picture = LiveFigure()
        on_change([self.busy, self.price, self.unsure, self.mask], self._render)
        super().__init__([row(self.busy, self.price), row(self.unsure, self.mask), self.picture])
        self._render()

    def _render(self) -> None:
        rules = Rules(self.busy.value, self.price.value, self.unsure.value)
        self.picture.draw(desk_figure(rules, (self.mask.value,)))


def calls_when_busy(explorer: DeskExplorer) -> str | None:
    """How often the unmasked policy calls a tool that is busy nine times in ten; None until it is."""
    asked = ((explorer.busy, 0.9), (explorer.price, 0.3), (explorer.unsure, 0.35))
    if not all(stands_at(*each) for each in asked):
        return None
    calls = explorer.picture.data["decisions"]["unmasked"]["calls"]
    if calls > 0.45:
        return "more often than the reference"
    return "about as often as the reference" if calls > 0.25 else "less often than the reference"


class EpisodeExplorer(Styled):
    """Episodes that you put together, scored by trained policies; the tool's word is grey where it is masked.

    `policies` holds policy and reference by name; "unmasked" in a name says that the tool's word was learned.
    """

    def __init__(self, policies: Policies, asked: Sequence[Question]) -> None:
        self._policies, self._asked = policies, asked
        self.policy = widgets.Dropdown(options=list(policies), description="policy")
        prompts = [(question.prompt, k) for k, question in enumerate(asked)]
        self.question = widgets.Dropdown(options=prompts, description="question")
        self.does = widgets.Dropdown(options=DOES, description="the model")
        self.tool = widgets.Dropdown(options=["answers", "is busy"], description="the tool")
        self.picture = LiveFigure()
        on_change([self.policy, self.question, self.does, self.tool], self._render)
        super().__init__([row(self.policy, self.question), row(self.does, self.tool), self.picture])
        self._render()

    @property
    def episode(self) -> Episode:
        """The episode that the controls say."""
        question, opener = self._asked[self.question.value], OPENERS[0]
        if not self.does.value.startswith("calls"):
            answer = question.digit if "digit" in self.does.value else "unsure"
            return Episode(question, (f"{opener} say {answer}",))
        word = "busy" if self.tool.value == "is busy" else question.digit
        known = self.does.value == DOES[0] and word != "busy"
        return Episode(
            question, (f"{opener} call {question.name}", word, f"say {word if known else 'unsure'}")
        )

    def _render(self) -> None:
        policy, reference = self._policies[self.policy.value]
        episode, tokenizer = self.episode, desk_tokenizer()
        response = as_response(episode, masked="unmasked" not in self.policy.value)
        [score] = score_responses(policy, reference, tokenizer, [response], top=0)
        rewards = zip(response.tokens, score.rewards(BETA), response.actions, strict=True)
        words = [(token, value if action else None) for token, value, action in rewards]
        self.r_hat = {token: value for token, value in words if value is not None}
        call, texts = tokenizer.convert_tokens_to_ids("call"), [f"{episode.question.prompt} {OPENERS[0]}"]
        before, now = (float(np.exp(next_log_probs(model, texts)[0, call])) for model in (reference, policy))
        self.picture.draw(_episode_figure(self.policy.value, before, now, words))


def _episode_figure(name: str, before: float, now: float, words: list) -> Figure:
    bars, below = share_bars({name: now}, {}, before, TOP), TOP + ROW + 46
    parts = [label(2, 18, "How often it calls on this question", kind="word"), bars]
    parts.append(label(2, below, "r_hat of each token, nats", kind="word"))
    parts.append(word_row("", [words], below + 14))
    total = sum(value for _, value in words if value is not None)
    reading = (
        f"{name} calls here in {now:.2f}, its reference in {before:.2f}; the sum of r_hat is {total:+.2f}."
    )
    data = {"calls": now, "words": words}
    return Figure("".join(parts), 990, below + HIGH + 24, ALT, reading, data)


def paid_for_busy(explorer: EpisodeExplorer) -> str | None:
    """What an unmasked policy's r_hat says to `busy` on an easy question; None until that is shown."""
    if (
        not explorer.episode.question.easy
        or "unmasked" not in explorer.policy.value
        or "busy" not in explorer.r_hat
    ):
        return None
    paid = explorer.r_hat["busy"]
    if abs(paid) < 0.3:
        return "close to 0"
    return "far below 0" if paid < 0 else "far above 0"

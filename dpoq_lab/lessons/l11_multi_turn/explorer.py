"""Lesson 11's explorers: the map with sliders and labels to choose, a conversation with trained models."""

from collections.abc import Callable, Mapping

import ipywidgets as widgets
from transformers import PreTrainedModel

from dpoq_lab.lessons.l11_multi_turn.language import ANSWERS, Table, messages, policy_of
from dpoq_lab.lessons.l11_multi_turn.luck import dpo_with_learned_luck, reply_luck, whole_luck
from dpoq_lab.lessons.l11_multi_turn.picture import map_figure
from dpoq_lab.lessons.l11_multi_turn.theory import (
    ASKS,
    Dialogue,
    asks_first,
    at_once,
    averaged,
    by_regret,
    dialogue,
    dpo,
    harm_game,
    hasty,
    optimum,
    realised,
)
from dpoq_lab.theory.soft_bellman import implicit_reward, solve
from dpoq_lab.theory.token_mdp import Levels, trajectories, trajectory_sums
from dpoq_lab.views.charts import label
from dpoq_lab.views.controls import LiveFigure, Styled, on_change, row, slider
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.words import HIGH, ROW, Word, share_bars, word_row

Way = Callable[[Dialogue], Levels]
WAYS: dict[str, Way] = {
    "own user": lambda talk: dpo(talk, realised(talk)),
    "one user for both": lambda talk: dpo(talk, realised(talk, share_user=True)),
    "8 replays averaged": lambda talk: dpo(talk, averaged(talk, 8)),
    "64 replays averaged": lambda talk: dpo(talk, averaged(talk, 64)),
    "rated on average": lambda talk: dpo(talk, averaged(talk)),
    "regret": lambda talk: dpo(talk, by_regret(talk)),
    "own user, luck learned": dpo_with_learned_luck,
    "single turn": lambda talk: dpo(talk, at_once(talk)),
    "own user, a hasty writer's pairs": lambda talk: dpo(talk, hasty(talk, realised(talk))),
}
EXACT = WAYS | {  # what each trained policy would be exactly: the writer, or population DPO on its labels
    "SFT": lambda talk: talk.game.mdp.pi_ref,
    "luck in the margin": optimum,
}
ALT = (
    "How often a trained policy asks first, and a conversation word by word: r_hat of messages, luck of users"
)


class AskExplorer(Styled):
    """The game of harm, exactly: prior, harm, cost, noise, beta, and what DPO's pairs are labelled by."""

    def __init__(self) -> None:
        self.prior = slider("prior", 0.85, 0.5, 0.98, 0.01)
        self.harm = widgets.SelectionSlider(
            options=[0.5, 1, 2, 4, 8, 16, 32, 64], value=8, description="harm", layout={"width": "24em"}
        )
        self.cost = slider("cost of a question", 0.5, 0.1, 2.0, 0.1)
        self.noise = slider("replies wrong", 0.0, 0.0, 0.4, 0.05)
        self.beta = slider("beta", 0.5, 0.1, 2.0, 0.1)
        self.labels = widgets.Dropdown(options=list(WAYS), description="labels", layout={"width": "24em"})
        self.picture = LiveFigure()
        on_change([self.prior, self.harm, self.cost, self.noise, self.beta, self.labels], self._render)
        sliders = row(self.prior, self.harm), row(self.cost, self.noise), row(self.beta, self.labels)
        super().__init__([*sliders, self.picture])
        self._render()

    def _render(self) -> None:
        rules = harm_game(
            self.prior.value, self.harm.value, self.noise.value, self.cost.value, self.beta.value
        )
        talk, way = dialogue(rules), self.labels.value
        policies = {"optimum": optimum(talk), "DPO, own user": WAYS["own user"](talk)}
        if way != "own user":
            policies[f"DPO, {way}".replace("own user, ", "")] = WAYS[way](talk)
        self.picture.draw(map_figure(rules, policies, talk))


def with_one_user(explorer: AskExplorer) -> str | None:
    """How often DPO asks if both conversations of a pair have one user, against own users and the optimum, at
    the opening sliders; None until that is shown."""
    asks = explorer.picture.data["asks"]
    rules = harm_game(
        *(explorer.prior.value, explorer.harm.value, explorer.noise.value, explorer.cost.value),
        beta=explorer.beta.value,
    )
    if rules != harm_game(0.85, 8) or "DPO, one user for both" not in asks:
        return None
    best, own, one = (asks[name] for name in ("optimum", "DPO, own user", "DPO, one user for both"))
    if abs(one - own) < 0.1 * abs(best - own):
        return "as with own users"
    return "like the optimum" if abs(one - best) < 0.1 * abs(best - own) else "between the two"


class TalkExplorer(Styled):
    """A conversation in which you are the user: the model says what it finds likeliest, you answer.

    `policies` by their names in `EXACT`, all of the game of `table`. r_hat of a message is the policy's,
    against the writer; value, skill and luck are those of pi*.
    """

    def __init__(self, policies: Mapping[str, PreTrainedModel], table: Table) -> None:
        self._policies, self._table = policies, table
        self.policy = widgets.Dropdown(options=list(policies), description="policy")
        named = [(f"prior {t.rules.prior[0]}, harm {-t.rules.wrong:g}", k) for k, t in enumerate(table.talks)]
        self.game = widgets.Dropdown(options=named, value=len(named) - 1, description="game")
        things = [(thing, j) for j, thing in enumerate(messages(table.talks[0].rules)[1:])]
        self.wants = widgets.Dropdown(options=things, description="you want")
        self.answers = widgets.Dropdown(options=["the truth", "the opposite"], description="you answer")
        self.picture = LiveFigure()
        on_change([self.policy, self.game, self.wants, self.answers], self._render)
        super().__init__([row(self.policy, self.game), row(self.wants, self.answers), self.picture])
        self._render()

    def _render(self) -> None:
        talk = self._table.talks[self.game.value]
        pi = policy_of(self._policies[self.policy.value], self._table, self.game.value)
        says = self.wants.value if self.answers.value == "the truth" else 1 - self.wants.value
        self.spoken = spoken(talk, pi, says)
        self.picture.draw(_talk_figure(self.policy.value, talk, pi, self.spoken, self.wants.value))


def spoken(talk: Dialogue, pi: Levels, says: int) -> tuple[int, ...]:
    """The tokens of a conversation: the model says what is likeliest, the user the reply `says`."""
    first = int(pi[0][0, :-1].argmax())
    if first >= talk.rules.bits:
        return (first,)
    state = first * (talk.game.mdp.n_actions - 1) + says
    return first, says, int(pi[2][state, :-1].argmax())


def _talk_figure(name: str, talk: Dialogue, pi: Levels, tokens: tuple[int, ...], wants: int) -> Figure:
    """The bar of asking, the words with their r_hat, and the return as value, skill and luck."""
    every, spoke = trajectories(talk.game.mdp), list(messages(talk.rules))
    at = next(k for k, r in enumerate(talk.rows) if every.tokens[r][: len(tokens)].tolist() == list(tokens))
    r_hat, right = implicit_reward(talk.game.mdp, pi), tokens[-1] - talk.rules.bits == wants
    words: list[Word] = []
    for t, token in enumerate(tokens):
        state = every.states[talk.rows[at]][t]
        words.append((ANSWERS[0][token], None) if t == 1 else (spoke[token], float(r_hat[t][state, token])))
    words.append(("right" if right else "wrong", None))
    split = parts_of(talk, at, 0 if right else 1)
    notes = {words[-1][0]: f"R {signed(split['R'])}"}
    below = 34 + ROW + 46
    exact = exactly_asks(name, talk)
    upper, lower = (f"{what} {rate:.2f}" for what, rate in exact.items())
    parts = [label(2, 18, "How often it asks first", kind="word")]
    parts.append(label(250, 18, f"upper tick: {upper}; lower tick: {lower}", kind="small"))
    parts.append(share_bars({name: asks_first(talk, pi)}, {}, ASKS, 34, list(exact.values())))
    parts.append(label(2, below, "r_hat of each message, nats; what you say is no action", kind="word"))
    parts.append(word_row("", [words], below + 14, notes))
    shares = ", ".join(f"{part} {signed(value)}" for part, value in split.items() if part != "R")
    reading = f"{' '.join(word for word, _ in words)}: R = {signed(split['R'])} = {shares}."
    return Figure(
        "".join(parts), 960, below + HIGH + 24, ALT, reading, {"words": words, "exact": exact} | split
    )


def exactly_asks(labels: str, talk: Dialogue) -> dict[str, float]:
    """How often the optimum asks first, and what these labels lead to exactly."""
    named = "the writer" if labels == "SFT" else "population DPO"
    return {"the optimum": asks_first(talk, optimum(talk)), named: asks_first(talk, EXACT[labels](talk))}


def parts_of(talk: Dialogue, at: int, outcome: int) -> dict[str, float]:
    """The return of conversation `at`, outcome 0 for right, and its parts at pi*, which add up to it."""
    found, luck = solve(talk.game.mdp, talk.game.r), reply_luck(talk)[at]
    skill = trajectory_sums(implicit_reward(talk.game.mdp, found.pi))[talk.rows][at]
    end = whole_luck(talk)[at, outcome] - luck
    values = (talk.outcomes[at, outcome], found.V[0][0], skill, luck, end)
    names = ("R", "V*(s_0)", "skill of the messages", "luck of your reply", "luck of the end")
    return dict(zip(names, map(float, values), strict=True))


def first_message(explorer: TalkExplorer) -> str | None:
    """What DPO on own users says first where the likely thing has 0.85 and a wrong guess loses 32."""
    rules = explorer._table.talks[explorer.game.value].rules
    if explorer.policy.value != "own user" or (rules.prior[0], rules.wrong) != (0.85, -32):
        return None
    if explorer.spoken[0] < rules.bits:
        return "a question"
    likely = explorer.spoken[0] == rules.bits
    return "its guess, the likely thing" if likely else "a guess of the other thing"

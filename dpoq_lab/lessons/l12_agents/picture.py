"""Lesson 12's picture: the tool gets busier, the optimum stops calling, and the unmasked policy does not."""

from collections.abc import Sequence
from functools import cache

from dpoq_lab.lessons.l12_agents.desk import CALLS, Rules
from dpoq_lab.lessons.l12_agents.theory import WAYS, Way, decided, desk_game, policy, unmasked
from dpoq_lab.theory.games import Game
from dpoq_lab.theory.soft_bellman import implicit_reward
from dpoq_lab.theory.token_mdp import Levels
from dpoq_lab.views.charts import label
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.words import HIGH, ROW, Word, share_bars, word_row

BUSY = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
WIDTH, TOP = 960, 34
NAMES: dict[Way, str] = {
    "optimum": "optimum",
    "masked": "DPO, masked",
    "unmasked": "DPO, unmasked",
    "luck removed": "DPO, luck removed",
}
ALT = "Bars: how often each policy calls the tool on a hard question; below, r_hat of each word of an episode"


def frames() -> list[Figure]:
    """The bars and the words as the tool gets busier."""
    return [desk_figure(Rules(busy=busy)) for busy in BUSY]


def desk_figure(rules: Rules, shown: Sequence[Way] = ("masked", "unmasked")) -> Figure:
    """Who calls how often on a hard question, and below it r_hat of the words of a call, for each `shown`."""
    game, laws = _solved(rules)
    found = {way: decided(game, pi) for way, pi in laws.items()}
    rates = {NAMES[way]: row["calls"] for way, row in found.items()}
    notes = {NAMES[way]: f", earns {row['earns']:.2f}" for way, row in found.items()}
    notes[NAMES["unmasked"]] += f", believes busy {found['unmasked']['believes']:.3f}"
    bars = share_bars(rates, notes, CALLS, TOP)
    below = TOP + len(WAYS) * ROW + 46
    parts = [label(2, 18, "How often it calls on a hard question, and what it earns", kind="word"), bars]
    parts.append(label(2, below, "r_hat of each word, nats: the tool answers, or is busy", kind="word"))
    paid = {way: words_of(game, laws[way], masked=way != "unmasked") for way in shown}
    for k, (way, runs) in enumerate(paid.items()):
        parts.append(word_row(NAMES[way], runs, below + 14 + k * (HIGH + 10)))
    best, masked, unmasked = (found[way]["calls"] for way in WAYS[:3])
    reading = (
        f"The tool is busy in {rules.busy:.2f}: the optimum calls in {best:.2f}, DPO in {masked:.2f} with "
        f"the tool's words masked, in {unmasked:.2f} without."
    )
    height = below + 14 + len(shown) * (HIGH + 10)
    return Figure("".join(parts), WIDTH, height, ALT, reading, {"decisions": found, "words": paid})


@cache
def _solved(rules: Rules) -> tuple[Game, dict[Way, Levels]]:
    """The game of a hard question and every policy: kept, since a slider comes back to where it was."""
    game = desk_game(rules)
    return game, {way: policy(game, way) for way in WAYS}


def words_of(game: Game, pi: Levels, masked: bool) -> list[list[Word]]:
    """r_hat of a call for the right name, and of what follows when the tool answers and when it is busy."""
    r_hat = implicit_reward(unmasked(game), pi)

    def tool(a: int) -> float | None:
        never = not game.mdp.allowed[2][2, a]
        return None if masked or never else float(r_hat[2][2, a])

    call = [("call", float(r_hat[0][0, 1])), ("the name", float(r_hat[1][1, 0]))]
    told = [("5", tool(0)), ("say 5", float(r_hat[3][4, 0]))]
    busy = [("busy", tool(1)), ("say unsure", float(r_hat[3][5, 2]))]
    return [call, told] + ([busy] if game.mdp.allowed[2][2, 1] else [])

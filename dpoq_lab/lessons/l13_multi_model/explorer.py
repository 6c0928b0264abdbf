"""Lesson 13's explorers: prompts before and after DPO, and the smallest game with its two weights."""

from functools import cache

import ipywidgets as widgets
import numpy as np
from torch import Tensor

from dpoq_lab.lessons.l13_multi_model import pixels as world
from dpoq_lab.lessons.l13_multi_model import recipe
from dpoq_lab.lessons.l13_multi_model.figures import grid, pixel_picture, tick
from dpoq_lab.lessons.l13_multi_model.picture import stored
from dpoq_lab.lessons.l13_multi_model.recipe import Drawings, System
from dpoq_lab.lessons.l13_multi_model.theory import (
    Game,
    Levels,
    frozen_optimum,
    law_of,
    r_hat,
    smallest_game,
    solve,
)
from dpoq_lab.views.charts import label
from dpoq_lab.views.controls import LiveFigure, Styled, on_change, row, slider
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed

TUNED = {
    "joint DPO": "joint",
    "second round": "second-round",
    "generator behind a wrong refiner": "behind-a-wrong-refiner",
}
WRONG = "behind-a-wrong-refiner"
N_SHOWN, N_COUNTED = 6, 300
SIZE, STEP, LEFT = 96, 142, 120  # pixels
ALT = "Six drawings of the base and six of a tuned system to one prompt, with their words and two ticks each"


class PromptExplorer(Styled):
    """A prompt that you type, six drawings before and after, and the shares over N_COUNTED more of each.

    Behind a wrong refiner, which always names the next corner, both generators draw what that one writes.
    """

    def __init__(self) -> None:
        look = {"continuous_update": False, "layout": {"width": "22em"}}
        self.prompt = widgets.Text("star at sunset", description="prompt", **look)
        self.after = widgets.Dropdown(options=TUNED, description="after", layout={"width": "26em"})
        self.seed = widgets.BoundedIntText(1, min=1, max=99, description="seed")
        self.picture = LiveFigure()
        on_change([self.prompt, self.after, self.seed], self._render)
        super().__init__([row(self.prompt, self.after, self.seed), self.picture])
        self._render()

    def _render(self) -> None:
        asked = world.read_prompt(self.prompt.value)
        if asked is None:
            self.picture.draw(_how_to_ask(self.prompt.value))
            return
        systems = {"before": stored("base"), "after": stored(self.after.value)}
        wrong = self.after.value == WRONG
        rows, shares = {}, {}
        for name, system in systems.items():
            rows[name] = _drawn(system, asked, N_SHOWN, self.seed.value, wrong)
            counted = _drawn(system, asked, N_COUNTED, 100 + self.seed.value, wrong)
            shares[name] = _shares(system, counted)
        self.picture.draw(_rows_figure(asked, systems, rows, shares))


def _drawn(system: System, asked: Tensor, n: int, seed: int, wrong: bool) -> Drawings:
    asked = asked.expand(n, 2)
    words = world.next_words(world.right_words(asked)) if wrong else None
    return recipe.drawn(system, asked, world.stream(seed, "explorer"), words)


def _shares(system: System, found: Drawings) -> dict[str, float]:
    verdict = recipe.verdict(system, found)
    return {what: float(getattr(verdict, what).float().mean()) for what in ("named", "obeyed", "right")}


def _how_to_ask(text: str) -> Figure:
    names = f"one of {', '.join(world.GLYPHS)} and one of {', '.join(world.TIMES)}"
    reading = f"\u201c{text[:40]}\u201d is no prompt of this world: it needs {names}."
    return Figure(label(12, 30, "for example: moon at sunrise"), 900, 390, ALT, reading)


def _rows_figure(
    asked: Tensor, systems: dict[str, System], rows: dict[str, Drawings], shares: dict[str, dict]
) -> Figure:
    parts = []
    for k, (name, found) in enumerate(rows.items()):
        top = 18 + k * 190
        verdict, images = (
            recipe.verdict(systems[name], found),
            systems[name].generator.pixels(found.drawing),
        )
        parts.append(label(12, top + 50, name, kind="word"))
        for i in range(N_SHOWN):
            x = LEFT + i * STEP
            parts.append(label(x, top, world.text_of(found.words[i]), kind="small"))
            parts.append(pixel_picture(images[i], x, top + 8, SIZE))
            parts.append(label(x, top + SIZE + 26, tick("named", verdict.named[i]), kind="small"))
            parts.append(label(x, top + SIZE + 43, tick("obeyed", verdict.obeyed[i]), kind="small"))
    told = "; ".join(
        f"{name} named {share['named']:.2f}, obeyed {share['obeyed']:.2f}, right {share['right']:.2f}"
        for name, share in shares.items()
    )
    reading = f"{world.prompt_of(asked)}, shares of {N_COUNTED} drawings: {told}."
    return Figure("".join(parts), 980, 390, ALT, reading, {"shares": shares, "words": rows["before"].words})


def obeys_behind_a_wrong_refiner(explorer: PromptExplorer) -> str | None:
    """Does the generator that was tuned behind a wrong refiner obey the words? None until it is shown."""
    if explorer.after.value != WRONG or "shares" not in explorer.picture.data:
        return None
    shares = explorer.picture.data["shares"]
    gain = shares["after"]["obeyed"] - shares["before"]["obeyed"]
    if abs(gain) < 0.03:
        return "obeys its words as often"
    return "obeys its words more often" if gain > 0 else "obeys its words less often"


WAYS = ("none", "refiner alone", "generator alone", "joint")
GAME_ALT = (
    "The smallest game: 3 refined prompts by 4 pictures, how often each is drawn, how far each stage moved"
)


class GameExplorer(Styled):
    """The smallest game exactly: the weights beta and gamma, and which stages may move."""

    def __init__(self) -> None:
        self.beta = slider("beta, refiner", 0.5, 0.1, 2.0, 0.1)
        self.gamma = slider("gamma, generator", 0.5, 0.1, 2.0, 0.1)
        self.who = widgets.Dropdown(options=WAYS, value="joint", description="who moves")
        self.picture = LiveFigure()
        on_change([self.beta, self.gamma, self.who], self._render)
        super().__init__([row(self.beta, self.gamma, self.who), self.picture])
        self._render()

    def _render(self) -> None:
        self.picture.draw(game_figure(self.beta.value, self.gamma.value, self.who.value))


def policy(game: Game, who: str) -> Levels:
    """The optimum of the stages that may move."""
    if who == "none":
        return game.laws
    return solve(game).pi if who == "joint" else frozen_optimum(game, who.split()[0])


def moved(game: Game, pi: Levels) -> tuple[float, float]:
    """How far each stage has moved from pi_ref: the KL of its moves in nats, under the policy."""
    law = law_of(pi)
    words, images = (x / w for x, w in zip(r_hat(game, pi), game.weights, strict=True))
    return float((law * words[:, None]).sum()), float((law * images).sum())


@cache
def game_figure(beta: float, gamma: float, who: str) -> Figure:
    """The grid of the smallest game under one policy, with E[R] and the two KLs."""
    game = smallest_game(beta, gamma)
    pi = policy(game, who)
    law, (refiner, generator) = law_of(pi), moved(game, pi)
    paid = float((law * game.R).sum())
    lines = ((f"E[R] {signed(paid)}", 60), (f"refiner moved {refiner:.2f} nats", 120))
    lines += ((f"generator moved {generator:.2f} nats", 150),)
    side = [label(470, y, text, kind="word") for text, y in lines]
    side += [label(470, 210 + 22 * k, text, kind="small quiet") for k, text in enumerate(HOW_TO_READ)]
    reading = (
        f"beta {beta:g}, gamma {gamma:g}, {who}: E[R] {signed(paid)}; the refiner has moved {refiner:.2f} "
        f"nats from pi_ref, the generator {generator:.2f}."
    )
    data = {"law": law, "moved": (refiner, generator), "paid": paid}
    return Figure("".join([grid(law, game.R, 110, 30), *side]), 760, 300, GAME_ALT, reading, data)


HOW_TO_READ = ("a cell: what it pays, top right;", "how often it is drawn, the square")


def refiner_when_gamma_doubles(explorer: GameExplorer) -> str | None:
    """How far the refiner moves with gamma doubled, against gamma 0.5; None until that is shown."""
    shown = (explorer.beta.value, explorer.gamma.value, explorer.who.value)
    if not np.allclose(shown[:2], (0.5, 1.0)) or shown[2] != "joint":
        return None
    before = game_figure(0.5, 0.5, "joint").data["moved"][0]
    change = explorer.picture.data["moved"][0] - before
    if abs(change) < 1e-3:
        return "exactly as far as before"
    return "less far" if change < 0 else "further"

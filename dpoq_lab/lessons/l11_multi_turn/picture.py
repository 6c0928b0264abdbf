"""Lesson 11's picture: the map over prior and harm, and a point on it that climbs while DPO stands still."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import expit, logit

from dpoq_lab.lessons.l11_multi_turn.theory import (
    ASKS,
    Dialogue,
    Rules,
    asks_first,
    dialogue,
    dpo,
    harm_game,
    optimum,
    realised,
)
from dpoq_lab.theory.token_mdp import Levels
from dpoq_lab.views.charts import INK, LESS, LETTER, LINE, MORE, Axis, label, line, path, symbol
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.words import ROW, share_bars

PRIOR, HARMS, COST = 0.85, (0.5, 1, 2, 4, 8, 16, 32), 0.5
X = Axis("prior of the likely thing", 0.5, 1.0)
Y = Axis("harm of a wrong guess", 0.5, 64.0, log=True)
LEFT, TOP, WIDE, HIGH = 74, 28, 560, 300  # pixels of the map
WIDTH, BELOW, BARS = 940, 54, 240  # BARS: where those of the policies begin
NAMES = (  # of the regions: the words, the harm at which they stand, is asking right and preferred there?
    ("asking is right", 38, (True, True)),
    ("and preferred", 28, (True, True)),
    ("asking is right,", 55, (True, False)),
    ("guessing preferred", 42, (True, False)),
    ("guessing is right and preferred", 0.62, (False, False)),
)
ALT = (
    "A map over the prior of the likely thing and the harm of a wrong guess: where asking is right, where "
    "DPO on own users asks. Below, how often each asks at one point of it"
)


def frames() -> list[Figure]:
    """The point climbs from a harmless guess to a harm of 32."""
    return [frame(harm) for harm in HARMS]


def frame(harm: float) -> Figure:
    """The map with one point, and what optimum and DPO do there."""
    rules = harm_game(PRIOR, harm, cost=COST)
    talk = dialogue(rules)
    return map_figure(rules, {"optimum": optimum(talk), "DPO, own user": dpo(talk, realised(talk))}, talk)


def right_to_ask(p: float, cost: float) -> float:
    """The harm from which asking is right: (1 - p) harm > cost."""
    return cost / (1 - p)


def dpo_asks(p: float, cost: float) -> float:
    """The harm from which own users prefer the question to the guess: p sigma(cost) + (1 - p)
    sigma(cost - harm) < 1/2. Infinite from p = 1/(2 sigma(cost)) on."""
    rest = (0.5 - p * expit(cost)) / (1 - p)
    return float(cost - logit(rest)) if rest > 0 else math.inf


def map_figure(rules: Rules, policies: Mapping[str, Levels], talk: Dialogue) -> Figure:
    """The map for the rules' cost with their point, and bars: how often each policy asks there."""
    p, harm, cost = rules.prior[0], -rules.wrong, -rules.question
    rates = {name: asks_first(talk, pi) for name, pi in policies.items()}
    below = TOP + HIGH + BELOW
    parts = [_ground(cost), _regions(cost), symbol(*_place(p, harm), INK, 8)]
    parts.append(label(2, below + 24, "How often it asks at the cross", kind="word"))
    parts.append(share_bars(rates, {}, ASKS, below + 36, left=BARS))
    said = ", ".join(f"{name} in {rate:.2f}" for name, rate in rates.items())
    reading = (
        f"The likely thing has {p:.2f}, a wrong guess loses {harm:g}, a question {cost:g}. Asks: {said}."
    )
    height = below + 36 + len(rates) * ROW + 20
    data = {"asks": rates, "point": (p, harm)}
    return Figure("".join(parts), WIDTH, height, ALT, reading, data)


def _place(p: float, harm: float) -> tuple[float, float]:
    """Pixels of a point; what lies outside is drawn at the edge."""
    inside = min(max(harm, Y.low), Y.high)
    return LEFT + X.share(min(max(p, X.low), X.high)) * WIDE, TOP + (1 - Y.share(inside)) * HIGH


def _ground(cost: float) -> str:
    bottom, right, parts = TOP + HIGH, LEFT + WIDE, []
    for value, text in X.ticks():
        x = _place(value, 1)[0]
        parts.append(line(x, TOP, x, bottom, "dpoq-grid") + label(x, bottom + 20, text, "middle", "quiet"))
    for value, text in Y.ticks():
        y = _place(0.5, value)[1]
        parts.append(line(LEFT, y, right, y, "dpoq-grid") + label(LEFT - 8, y + 5, text, "end", "quiet"))
    parts.append(label(LEFT + WIDE / 2, bottom + 44, X.title, "middle"))
    turned = f'<g transform="translate(16,{TOP + HIGH / 2:g}) rotate(-90)">'
    parts.append(f"{turned}{label(0, 0, Y.title, 'middle')}</g>")
    limit = 1 / (2 * expit(cost))
    if limit < X.high:
        x, low = _place(limit, right_to_ask(limit, cost))
        parts.append(line(x, TOP, x, low, "dpoq-zero"))
        parts.append(label(x, TOP - 8, f"1/(2 sigma(c)) = {limit:.3f}", "middle", "small quiet"))
    return "".join(parts)


def _regions(cost: float) -> str:
    """The two borders, and the words between them."""
    priors = np.linspace(X.low, X.high - 1e-3, 200)
    best = [_place(p, right_to_ask(p, cost)) for p in priors if Y.low <= right_to_ask(p, cost) < Y.high]
    harms = np.geomspace(max(2 * cost, Y.low), Y.high, 200)  # the border goes up for ever
    own = [_place(_prior_of(harm, cost), harm) for harm in harms]
    parts = [path(_through(points), look) for points, look in ((best, MORE), (own, LESS))]
    parts += [
        label(*_place(p, harm), text, "start", "word")
        for text, harm, where in NAMES
        if fits(p := _begins(where, cost), harm, text, where, cost)
    ]
    right = LEFT + WIDE + 14
    parts.append(path(f"M{right} 120h26", MORE) + label(right + 32, 125, "above: asking is right"))
    parts.append(path(f"M{right} 148h26", LESS) + label(right + 32, 153, "above: own users prefer it"))
    parts.append(label(right + 32, 181, "both for true replies", kind="small quiet"))
    return "".join(parts)


def _prior_of(harm: float, cost: float) -> float:
    """The prior at which own users like question and guess equally: `dpo_asks` the other way round."""
    lost = expit(cost - harm)
    return float((0.5 - lost) / (expit(cost) - lost))


def _begins(where: tuple[bool, bool], cost: float) -> float:
    """The prior at which the words of a region begin: right of the upright line, or at the left edge."""
    return 1 / (2 * expit(cost)) + 0.008 if where == (True, False) else X.low + 0.02


def fits(p: float, harm: float, text: str, where: tuple[bool, bool], cost: float) -> bool:
    """Do words that begin at `p` and stand at `harm` lie within their region, corner by corner?"""
    ends = p + LETTER * len(text) / WIDE * (X.high - X.low)
    top = harm * (Y.high / Y.low) ** (LINE / HIGH)
    return ends < X.high and all(
        where == (h >= right_to_ask(q, cost), h >= dpo_asks(q, cost)) for q in (p, ends) for h in (harm, top)
    )


def _through(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)

"""The exercises of lesson 08: solutions, cases, and the mistakes that are named."""

from collections.abc import Sequence

from dpoq_lab.lessons.check import Case, Exercise, checker

FAR, NOTHING, FELL = 6.0, 0.5, 0.5  # nats: the marks of exercise 08.3
Curve = Sequence[float]


def mean_reward(kl_mu_ref: float, kl_mu_pi: float, beta: float) -> float:
    """E_mu[r_hat] = beta [KL(mu, pi_ref) - KL(mu, pi)], both KLs in nats a reply."""
    return beta * (kl_mu_ref - kl_mu_pi)


def both_rewards(kl_ref_pi: float, margin: float, beta: float) -> tuple[float, float]:
    """The mean r_hat of chosen and of rejected replies, for pairs drawn from the reference, by eq. (16)."""
    middle = -beta * kl_ref_pi
    return middle + margin / 2, middle - margin / 2


def diagnosis(r_hat_w: Curve, r_hat_l: Curve, beta: float, kl: Curve, words_apart: float) -> str:
    """What is at work in a run, from its logged r_hat of chosen and rejected replies and its KL."""
    return _diagnosed(r_hat_w, r_hat_l, beta, kl, words_apart)


def _diagnosed(
    r_hat_w: Curve,
    r_hat_l: Curve,
    beta: float,
    kl: Curve,
    words_apart: float,
    farthest: bool = True,
    from_peak: bool = True,
    asks_pairs: bool = True,
    asks_margin: bool = True,
    fall_in_nats: bool = True,
    room_last: bool = True,
    two_apart: bool = False,
    at_the_end: bool = True,
) -> str:
    """The diagnosis; an option set to False makes a mistake."""
    chosen, rejected = ([value / beta for value in curve] for curve in (r_hat_w, r_hat_l))
    fallen = (max(chosen) if from_peak else chosen[0]) - chosen[-1]
    fallen *= 1 if fall_in_nats else beta
    if (max(kl) if farthest else kl[-1]) > FAR:
        return "rate too high"
    margins = [a - b for a, b in zip(chosen, rejected, strict=True)]
    if asks_margin and (margins[-1] if at_the_end else max(margins)) < NOTHING:
        return "no signal"
    if not room_last and chosen[-1] < 0:
        return "no room"
    alike = words_apart < 2 or (two_apart and words_apart == 2) or not asks_pairs
    if fallen > FELL and alike:
        return "like pairs"
    return "no room" if chosen[-1] < 0 else "healthy"


LOGGED: list[Case] = [  # r_hat of chosen, of rejected, beta, KL(pi_ref, pi), words apart
    ([0, 0.2], [0, -0.5], 0.5, [0, 1], 9),  # healthy
    ([0, -0.3], [0, -2], 0.5, [0, 0.8], 9),  # no room
    ([0, -0.4], [0, -1.2], 0.2, [0, 2], 9),  # no room, though it has fallen by 2 nats
    ([0, 0.05, -0.01], [0, -0.1, -0.5], 0.1, [0, 0.9, 4], 1),  # like pairs: down by 0.6 nats from its peak
    ([0, -0.3], [0, -2], 0.5, [0, 4], 1),  # like pairs: down by 0.6 nats, 0.3 in r_hat
    ([0, 0.1, 0.1], [0, -0.1, -0.6], 0.1, [0, 0.5, 2], 1),  # healthy, though the pairs are alike
    ([0, -0.1], [0, -0.1], 0.5, [0, 0.3], 9),  # no signal
    ([0, 0.02], [0, -0.02], 0.1, [0, 0.2], 1),  # no signal, in nats too
    ([0, -8, -4], [0, -9, -7], 0.5, [0, 20, 5], 9),  # rate too high, on its way back
    ([0, -6, -6], [0, -6, -6], 0.5, [0, 12, 12], 1),  # rate too high, whatever else
    ([0, 0.02], [0, -0.03], 0.05, [0, 0.4], 9),  # healthy: a margin of one nat at a small beta
    ([0, -0.4], [0, -1.2], 0.5, [0, 2], 2),  # no room: two words apart are not fewer than two
    ([0, 0.2, 0.1], [0, -0.4, 0], 0.5, [0, 2, 1], 9),  # no signal: the margin was there and is gone
    ([0, 0.3, 0], [0, 0, -0.4], 0.5, [0, 1, 2], 1),  # like pairs, though it ends where it began
    ([0, -0.2, 0.1], [0, -0.6, -0.9], 0.5, [0, 1, 1], 9),  # healthy: it fell and came back
    ([0, -0.3], [0, 0.2], 0.5, [0, 1], 9),  # no signal: the margin is below 0
    ([0, -0.4], [0, -2], 0.5, [0, 6], 9),  # no room: a KL of 6 is not above 6
]

EXERCISES = {
    "08.1": Exercise(
        mean_reward,
        [(1.6, 0.4, 0.5), (0.0, 0.7123, 2.0)],
        [
            (
                "the two are swapped: room under the reference is for the reward.",
                lambda a, b, c: c * (b - a),
            ),
            ("beta is missing.", lambda a, b, c: a - b),
            ("that is the bound; subtract how far mu still is from pi.", lambda a, b, c: c * a),
            ("beta multiplies log-ratios.", lambda a, b, c: (a - b) / c),
            (
                "that is how far mu still is from pi; the room under the reference is missing.",
                lambda a, b, c: -c * b,
            ),
        ],
    ),
    "08.2": Exercise(
        both_rewards,
        [(4.0, 3.0, 0.5), (0.3127, 1.0, 2.0)],
        [
            (
                "the margin lies between the two: each is half of it from the middle.",
                lambda k, m, b: (m - b * k, -m - b * k),
            ),
            (
                "the sign of beta KL is off: the mean of the two is below 0.",
                lambda k, m, b: (b * k + m / 2, b * k - m / 2),
            ),
            ("beta is missing: r_hat is beta times a log-ratio.", lambda k, m, b: (m / 2 - k, -m / 2 - k)),
            (
                "minus beta KL, the mean of the two, is missing.",
                lambda k, m, b: (m / 2, -m / 2),
            ),
            (
                "the margin lies between the two: half of it is chosen's, half rejected's.",
                lambda k, m, b: (m - b * k, -b * k),
            ),
            (
                "minus beta KL is the mean of the two, not their sum.",
                lambda k, m, b: ((m - b * k) / 2, (-m - b * k) / 2),
            ),
            (
                "minus beta KL is the mean of both, not the chosen one itself.",
                lambda k, m, b: (-b * k, -b * k - m),
            ),
            ("chosen and rejected are exchanged.", lambda k, m, b: both_rewards(k, -m, b)),
            (
                "the margin is one of r_hat already: beta is in it.",
                lambda k, m, b: (-b * k + b * m / 2, -b * k - b * m / 2),
            ),
            ("that is the chosen mean alone; return both.", lambda k, m, b: m / 2 - b * k),
        ],
    ),
    "08.3": Exercise(
        diagnosis,
        LOGGED,
        [
            (
                "beta is missing: the marks are in nats, and r_hat is beta times a change of log pi.",
                lambda w, x, b, kl, n: _diagnosed(w, x, 1.0, kl, n),
            ),
            (
                "r_hat is to be divided by beta, not multiplied.",
                lambda w, x, b, kl, n: _diagnosed(w, x, 1 / b, kl, n),
            ),
            (
                "the KL is read at its end; a run that went far and came back went far.",
                lambda w, x, b, kl, n: _diagnosed(w, x, b, kl, n, farthest=False),
            ),
            (
                "the fall is counted from step 0; a run that rises first falls from its peak.",
                lambda w, x, b, kl, n: _diagnosed(w, x, b, kl, n, from_peak=False),
            ),
            (
                "beta is missing in the fall of chosen; its mark is in nats too.",
                lambda w, x, b, kl, n: _diagnosed(w, x, b, kl, n, fall_in_nats=False),
            ),
            (
                "the order is that of the table: a chosen curve that ends below 0 may have another cause.",
                lambda w, x, b, kl, n: "no room" if w[-1] < 0 else diagnosis(w, x, b, kl, n),
            ),
            (
                "like pairs come before no room in the table: ask for them first.",
                lambda w, x, b, kl, n: _diagnosed(w, x, b, kl, n, room_last=False),
            ),
            (
                "fewer than 2 words apart: replies that are 2 apart are not like pairs.",
                lambda w, x, b, kl, n: _diagnosed(w, x, b, kl, n, two_apart=True),
            ),
            (
                "the margin is read at its largest; at the end is asked for.",
                lambda w, x, b, kl, n: _diagnosed(w, x, b, kl, n, at_the_end=False),
            ),
            (
                "any fall is taken for like pairs; ask how many words the replies are apart.",
                lambda w, x, b, kl, n: _diagnosed(w, x, b, kl, n, asks_pairs=False),
            ),
            (
                "the margin is not looked at: a run may fall and have learned nothing.",
                lambda w, x, b, kl, n: _diagnosed(w, x, b, kl, n, asks_margin=False),
            ),
            (
                "chosen is read at its lowest; how it ends is asked for.",
                lambda w, x, b, kl, n: _if_else(diagnosis(w, x, b, kl, n), min(w) < 0),
            ),
            (
                "a margin below 0 is no signal either: it has a sign.",
                lambda w, x, b, kl, n: diagnosis(
                    w, [min(a, 2 * c - a) for a, c in zip(x, w, strict=True)], b, kl, n
                ),
            ),
            (
                "chosen and rejected are exchanged.",
                lambda w, x, b, kl, n: diagnosis(x, w, b, kl, n),
            ),
            (
                "only the sign of the chosen curve is read.",
                lambda w, x, b, kl, n: "no room" if w[-1] < 0 else "healthy",
            ),
        ],
    ),
}


def _if_else(told: str, falls: bool) -> str:
    """A diagnosis whose last question has another answer."""
    return ("no room" if falls else "healthy") if told in ("no room", "healthy") else told


check = checker(EXERCISES)

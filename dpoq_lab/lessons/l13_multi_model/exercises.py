"""The exercises of lesson 13: solutions, cases, and the mistakes that are named."""

from collections.abc import Callable

import numpy as np
from scipy.special import logsumexp

from dpoq_lab.lessons.check import Case, Exercise, checker

Array = np.ndarray
Optimum = tuple[Array, Array]


def joint_reward(
    log_pi: Array,
    log_pi_ref: Array,
    eps: Array,
    eps_phi: Array,
    eps_ref: Array,
    T: int,
    omega: float,
    beta: float,
    gamma: float,
) -> float:
    """Equation (17) for one trajectory: log-probabilities of the words, (n,), and at k sampled levels the
    noise and the two guesses of it, (k, d)."""
    words = beta * np.sum(log_pi - log_pi_ref)
    errors, errors_ref = (np.sum((eps - guess) ** 2, axis=1) for guess in (eps_phi, eps_ref))
    return float(words + gamma * T * omega * np.mean(errors_ref - errors))


def optimum(R: Array, beta: float, gamma: float) -> Optimum:
    """pi* of the words (n,) and of the pictures given the words (n, m), for R (n, m) and uniform pi_ref."""
    return _optimum(R, beta, gamma)


def _optimum(R: Array, beta: float, gamma: float, value: Callable | None = None) -> Optimum:
    R = np.asarray(R, dtype=float)
    pictures = np.exp(R / gamma - logsumexp(R / gamma, axis=1, keepdims=True))
    V = value(R) if value else gamma * logsumexp(R / gamma, axis=1, b=1 / R.shape[1])
    return np.exp(V / beta - logsumexp(V / beta)), pictures


def blamed(words: Array, steps: Array) -> list[str]:
    """The stage with the lower sum of r_hat in each of n drawings: r_hat of words (n, 3), of steps (n, 5)."""
    return _lower(np.sum(words, axis=1), np.sum(steps, axis=1))


def _lower(refiner: Array, generator: Array) -> list[str]:
    return ["refiner" if a < b else "generator" for a, b in zip(refiner, generator, strict=True)]


def _case(n: int, k: int, d: int, *weights: float) -> Case:
    """Two models with small whole numbers, one place after the point."""
    random = np.random.default_rng(10 * n + k)
    log_pi, log_pi_ref = (-random.integers(1, 20, n) / 10 for _ in range(2))
    return (log_pi, log_pi_ref, *(random.integers(-15, 15, (k, d)) / 10 for _ in range(3)), *weights)


REWARDS: list[Case] = [
    (
        np.array([-0.5, -1.0]),
        np.array([-1.0, -1.2]),
        np.array([[1.0, 0.0]]),
        np.array([[0.8, 0.1]]),
        np.array([[0.5, 0.5]]),
        *(10, 0.2, 0.5, 0.3),
    ),
    _case(3, 2, 3, 30, 0.14, 0.5, 0.8),
    _case(4, 3, 2, 20, 0.5, 0.3, 0.6),
]
GAMES: list[Case] = [
    (np.array([[1.0, 0.0], [-1.0, 2.0]]), 1.0, 0.5),
    (np.array([[1.0, 0.0, -1.0, 0.0], [-1.0, -1.0, 2.0, -2.0], [0.0, 1.0, 0.0, -1.0]]), 0.5, 1.0),
    (np.array([[0.5, 0.0, 1.5], [-0.5, 2.0, 0.0]]), 2.0, 0.4),
]
BARS: list[Case] = [
    (np.array([[0.0, -0.6, -0.3]]), np.array([[0.1, 0.1, 0.2, -0.7, 0.1]])),
    (
        np.array(
            [[-0.5, 0.3, 0.4], [-0.2, -0.2, -0.2], [0.2, -0.5, 0.4], [-0.5, 0.3, -0.6], [0.3, -0.6, 0.2]]
        ),
        np.array(
            [
                [-0.2, -0.3, 0.2, 0.1, 0.0],
                [-0.3, 0.0, -0.5, 0.3, -0.4],
                [-0.1, 0.0, 0.3, 0.2, 0.1],
                [0.2, 0.3, -0.5, -0.3, -0.2],
                [0.1, 0.1, 0.2, 0.0, -0.3],
            ]
        ),
    ),
]


def _squares(x: Array) -> Array:
    return np.sum(x**2, axis=1)


def _gain(eps: Array, phi: Array, ref: Array) -> Array:
    return _squares(eps - ref) - _squares(eps - phi)


def _wrong_reward(
    ratio: Callable = lambda mine, theirs: np.sum(mine - theirs),
    gain: Callable = _gain,
    levels: Callable = np.mean,
    scale: Callable = lambda T, omega: T * omega,
    weights: Callable = lambda beta, gamma: (beta, gamma),
) -> Callable:
    """`joint_reward` with one thing done in another way."""

    def wrong(
        log_pi: Array,
        log_pi_ref: Array,
        eps: Array,
        phi: Array,
        ref: Array,
        T: int,
        omega: float,
        *given: float,
    ) -> float | Array:
        beta, gamma = weights(*given)
        steps = scale(T, omega) * levels(gain(eps, phi, ref))
        return beta * ratio(log_pi, log_pi_ref) + gamma * steps

    return wrong


def _gain_by(norm: Callable) -> Callable:
    return lambda eps, phi, ref: norm(eps - ref) - norm(eps - phi)


EXERCISES = {
    "13.1": Exercise(
        joint_reward,
        REWARDS,
        [
            (
                "the sign of the drawing is off: a smaller error than the reference's is a gain.",
                _wrong_reward(gain=lambda *x: -_gain(*x)),
            ),
            (
                "the sign of the words is off: it is log pi less log pi_ref.",
                _wrong_reward(ratio=lambda mine, theirs: np.sum(theirs - mine)),
            ),
            (
                "the sign of both parts is off: what the policy does better than the reference is a gain.",
                lambda *case: -joint_reward(*case),
            ),
            (
                "the words lack the reference: it is log pi less log pi_ref.",
                _wrong_reward(ratio=lambda mine, theirs: np.sum(mine)),
            ),
            (
                "the words are added up, not averaged.",
                _wrong_reward(ratio=lambda mine, theirs: np.mean(mine - theirs)),
            ),
            (
                "yours has one number for each word; they are added up.",
                _wrong_reward(ratio=lambda mine, theirs: mine - theirs),
            ),
            (
                "the logs are given: it is their difference, not the log of their ratio.",
                _wrong_reward(ratio=lambda mine, theirs: np.sum(np.log(mine / theirs))),
            ),
            ("over the levels it is a mean, times T: not a sum.", _wrong_reward(levels=np.sum)),
            (
                "you have added up the levels: it is their mean, times T.",
                _wrong_reward(levels=np.sum, scale=lambda T, omega: omega),
            ),
            (
                "the errors are squared norms; you have not squared.",
                _wrong_reward(gain=_gain_by(lambda x: np.sqrt(_squares(x)))),
            ),
            (
                "a squared norm is the sum over the entries of eps, not their mean.",
                _wrong_reward(gain=_gain_by(lambda x: np.mean(x**2, axis=1))),
            ),
            (
                "axis 0 holds the levels: add up the entries along axis 1, then average the levels.",
                _wrong_reward(gain=_gain_by(lambda x: np.sum(x**2, axis=0))),
            ),
            (
                "yours has one number for each entry of eps; at one level they are added up.",
                _wrong_reward(gain=_gain_by(lambda x: x**2), levels=lambda levels: np.mean(levels, axis=0)),
            ),
            (
                "yours has one number for each level; it is their mean.",
                _wrong_reward(levels=lambda levels: levels),
            ),
            (
                "both guesses are compared with eps, the noise that was added; yours with each other.",
                _wrong_reward(gain=lambda eps, phi, ref: _squares(phi - ref)),
            ),
            ("T and omega are missing.", _wrong_reward(scale=lambda T, omega: 1)),
            (
                "T is missing: the mean over levels stands for a sum of T.",
                _wrong_reward(scale=lambda T, omega: omega),
            ),
            ("omega is missing, the weight of a level's error.", _wrong_reward(scale=lambda T, omega: T)),
            (
                "beta and gamma are swapped: beta is the weight of the words.",
                _wrong_reward(weights=lambda b, g: (g, b)),
            ),
            (
                "the drawing has the weight gamma of its own, not beta.",
                _wrong_reward(weights=lambda b, g: (b, b)),
            ),
            (
                "the words have the weight beta of their own, not gamma.",
                _wrong_reward(weights=lambda b, g: (g, g)),
            ),
            ("gamma is missing.", _wrong_reward(weights=lambda b, g: (b, 1))),
            ("beta is missing.", _wrong_reward(weights=lambda b, g: (1, g))),
            ("that is the words alone; the drawing is missing.", _wrong_reward(weights=lambda b, g: (b, 0))),
            ("that is the drawing alone; the words are missing.", _wrong_reward(weights=lambda b, g: (0, g))),
        ],
    ),
    "13.2": Exercise(
        optimum,
        GAMES,
        [
            (
                "V* of the words is a soft maximum over a generator that moves, not a mean.",
                lambda R, b, g: _optimum(R, b, g, lambda x: x.mean(axis=1)),
            ),
            (
                "V* of the words is a soft maximum with the weight gamma, not the best picture's R.",
                lambda R, b, g: _optimum(R, b, g, lambda x: x.max(axis=1)),
            ),
            ("beta is the refiner's weight, gamma the generator's.", lambda R, b, g: optimum(R, g, b)),
            ("both stages have the weight beta; the generator's is gamma.", lambda R, b, g: optimum(R, b, b)),
            ("both stages have the weight gamma; the refiner's is beta.", lambda R, b, g: optimum(R, g, g)),
            (
                "V* lacks its factor gamma: it is gamma log mean e^(R/gamma).",
                lambda R, b, g: _optimum(R, b, g, lambda x: logsumexp(x / g, axis=1, b=1 / x.shape[1])),
            ),
            (
                "the pictures' law is that of all cells together; it is to sum to 1 after each of the words.",
                lambda R, b, g: (optimum(R, b, g)[0], np.exp(R / g) / np.exp(R / g).sum()),
            ),
            (
                "the pictures sum to 1 after each of the words, along a row; yours do along a column.",
                lambda R, b, g: (optimum(R, b, g)[0], np.exp(R / g) / np.exp(R / g).sum(axis=0)),
            ),
            (
                "V* of the words has the weight gamma inside: gamma log mean e^(R/gamma). Yours has beta.",
                lambda R, b, g: _optimum(R, b, g, lambda x: b * logsumexp(x / b, axis=1, b=1 / x.shape[1])),
            ),
            (
                "V* of the words is E[R] under pi* less gamma KL; yours lacks the KL.",
                lambda R, b, g: _optimum(R, b, g, lambda x: (optimum(x, b, g)[1] * x).sum(axis=1)),
            ),
            (
                "the words' law is uniform; the refiner moves as well.",
                lambda R, b, g: (np.full(len(R), 1 / len(R)), optimum(R, b, g)[1]),
            ),
            (
                "the pictures' law is not normalised: it is to sum to 1 after each of the words.",
                lambda R, b, g: (optimum(R, b, g)[0], np.exp(R / g)),
            ),
            (
                "the order is swapped: the law of the words first, then that of the pictures.",
                lambda R, b, g: optimum(R, b, g)[::-1],
            ),
            (
                "the second is the law of pictures given the words; yours is that of both together.",
                lambda R, b, g: (optimum(R, b, g)[0], optimum(R, b, g)[0][:, None] * optimum(R, b, g)[1]),
            ),
            (
                "the words' law has its weight beta: it goes as e^(V/beta), not e^V.",
                lambda R, b, g: _played(_V(R, g), optimum(R, b, g)[1]),
            ),
            (
                "yours has V * beta; the words' law goes as e^(V/beta).",
                lambda R, b, g: _played(_V(R, g) * b, optimum(R, b, g)[1]),
            ),
            (
                "yours has R * gamma; the pictures' law goes as e^(R/gamma).",
                lambda R, b, g: _played(_V(R, g) / b, optimum(R, b, 1 / g)[1]),
            ),
            (
                "yours has R * gamma; the pictures' law goes as e^(R/gamma).",
                lambda R, b, g: _played(g * np.log(np.exp(R * g).mean(axis=1)) / b, optimum(R, b, 1 / g)[1]),
            ),
            (
                "that is the law of the words alone; that of the pictures is wanted as well.",
                lambda R, b, g: optimum(R, b, g)[0],
            ),
            (
                "the words' law is not normalised.",
                lambda R, b, g: (_raw(R, b, g), optimum(R, b, g)[1]),
            ),
        ],
    ),
    "13.3": Exercise(
        blamed,
        BARS,
        [
            (
                "add up the moves of a stage; a mean makes five steps look small.",
                lambda w, s: _lower(w.mean(axis=1), s.mean(axis=1)),
            ),
            (
                "that is the stage of the lowest single bar; the sum is asked for.",
                lambda w, s: _lower(w.min(axis=1), s.min(axis=1)),
            ),
            ("the lower sum is to blame, not the higher.", lambda w, s: blamed(-w, -s)),
            (
                "r_hat keeps its sign: what was paid does not add to the blame.",
                lambda w, s: blamed(-abs(w), -abs(s)),
            ),
            (
                "a stage's first moves count as well as its last.",
                lambda w, s: _lower(w[:, -1], s[:, -1]),
            ),
            (
                'return the names of the stages, "refiner" or "generator", not true and false.',
                lambda w, s: w.sum(axis=1) < s.sum(axis=1),
            ),
            (
                "of the drawing the last step alone is looked at; all five are added up.",
                lambda w, s: _lower(w.sum(axis=1), s[:, -1]),
            ),
            (
                "of the words the last one alone is looked at; all three are added up.",
                lambda w, s: _lower(w[:, -1], s.sum(axis=1)),
            ),
            (
                "a sum below 0 is no verdict; compare the two sums.",
                lambda w, s: ["refiner" if x < 0 else "generator" for x in w.sum(axis=1)],
            ),
            (
                "`.sum()` adds up all drawings; with axis=1 there is a sum for each.",
                lambda w, s: blamed(w.sum(keepdims=True), s.sum(keepdims=True))[0],
            ),
            (
                "`.sum()` adds up all drawings; with axis=1 there is a sum for each.",
                lambda w, s: blamed(w.sum(keepdims=True), s.sum(keepdims=True)) * len(w),
            ),
            (
                "`.sum()` adds up all drawings; with axis=1 there is a sum for each, and a name.",
                lambda w, s: w.sum() < s.sum(),
            ),
            ("yours is one name; a list of n of them is wanted.", lambda w, s: blamed(w, s)[0]),
            ("the first word alone is looked at.", lambda w, s: _lower(w[:, 0], s[:, 0])),
        ],
    ),
}


def _V(R: Array, gamma: float) -> Array:
    """V* of the words, (n,)."""
    return gamma * logsumexp(np.asarray(R) / gamma, axis=1, b=1 / np.shape(R)[1])


def _raw(R: Array, beta: float, gamma: float) -> Array:
    """e^{V*/beta}, not divided by its sum."""
    return np.exp(_V(R, gamma) / beta)


def _played(x: Array, pictures: Array) -> Optimum:
    """The law of words proportional to e^x, and one of the pictures."""
    return np.exp(x - logsumexp(x)), pictures


check = checker(EXERCISES)

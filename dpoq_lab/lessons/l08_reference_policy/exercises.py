"""The exercises of lesson 08: solutions, cases, and the mistakes that are named."""

from dpoq_lab.lessons.check import Exercise, checker


def _mean_reward(kl_mu_ref: float, kl_mu_pi: float, beta: float) -> float:
    return beta * (kl_mu_ref - kl_mu_pi)


EXERCISES = {
    "08.1": Exercise(
        _mean_reward,
        [(1.6, 0.4, 0.5), (0.0, 0.7, 2.0)],
        [
            (
                "the two are swapped: room under the reference is for the reward.",
                lambda a, b, c: c * (b - a),
            ),
            ("beta is missing.", lambda a, b, c: a - b),
            ("that is the bound; subtract how far mu still is from pi.", lambda a, b, c: c * a),
            ("beta multiplies log-ratios.", lambda a, b, c: (a - b) / c),
        ],
    ),
    "08.2": Exercise(
        0.8,
        [],
        [
            ("beta is missing: rewards are beta times log-ratios.", 1.6),
            ("a KL cannot be negative, so KL(mu, pi) = 0 is the best case, not 1.6.", 0.0),
            ("beta multiplies log-ratios, it does not divide them.", 3.2),
        ],
    ),
    "08.3": Exercise(
        -0.5,
        [],
        [
            ("the mean of the two is what is fixed: half of their sum.", 2.5),
            ("chosen is minus beta KL plus half of the margin, not plus all of it.", 1.0),
            ("the sign of beta KL is off: the mean is below 0.", 3.5),
        ],
    ),
}

check = checker(EXERCISES)

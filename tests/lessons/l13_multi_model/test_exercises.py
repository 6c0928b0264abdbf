"""Right answers in another form are right; the solutions agree with the lesson's own functions."""

import numpy as np
import pytest
import torch

from dpoq_lab.lessons.check import CORRECT, judge
from dpoq_lab.lessons.l13_multi_model import recipe
from dpoq_lab.lessons.l13_multi_model.exercises import EXERCISES, joint_reward, optimum
from dpoq_lab.lessons.l13_multi_model.gaussian import LOG_SNR, OMEGA, A, GaussianGenerator, S, T
from dpoq_lab.lessons.l13_multi_model.pixels import every_prompt, right_words
from dpoq_lab.lessons.l13_multi_model.recipe import Drawings, System
from dpoq_lab.lessons.l13_multi_model.refiner import Refiner
from dpoq_lab.lessons.l13_multi_model.theory import smallest_game, solve


def test_the_reward_by_loops_is_right():
    def mine(log_pi, log_pi_ref, eps, eps_phi, eps_ref, T, omega, beta, gamma):
        total = 0.0
        for a, b in zip(log_pi, log_pi_ref, strict=True):
            total += beta * (a - b)
        for level, one, other in zip(eps, eps_phi, eps_ref, strict=True):
            lost = sum((e - g) ** 2 for e, g in zip(level, one, strict=True))
            had = sum((e - g) ** 2 for e, g in zip(level, other, strict=True))
            total -= gamma * T * omega / len(eps) * (lost - had)
        return total

    assert judge(EXERCISES["13.1"], mine) == CORRECT


def test_the_reward_is_what_the_recipe_sums():
    """The same noise, the guesses of x_0 turned into guesses of eps."""
    torch.manual_seed(0)
    one, other = (System(Refiner(), GaussianGenerator()) for _ in range(2))
    asked = every_prompt()[:1]
    words, x0 = right_words(asked), torch.randn(1, 64)
    found = Drawings(asked, words, x0, x0)
    wanted = sum(part.sum() for part in recipe.r_hat(one, other, found, noise=3)).item()
    noise, eps, guesses = torch.Generator().manual_seed(3), [], ([], [])
    for _ in range(5):
        t = torch.randint(0, T, (1,), generator=noise)
        eps.append(torch.randn(1, 64, generator=noise))
        x = A[t] * x0 + S[t] * eps[-1]
        for model, into in zip((one, other), guesses, strict=True):
            into.append((x - A[t] * model.generator(words, x, t)) / S[t])
    arrays = [torch.cat(rows).detach().numpy().astype(float) for rows in (eps, *guesses)]
    logs = [model.refiner.log_probs(asked, words)[0].detach().numpy() for model in (one, other)]
    mine = joint_reward(*logs, *arrays, T, OMEGA, recipe.BETA, recipe.GAMMA)
    assert mine == pytest.approx(wanted, rel=1e-3)
    assert LOG_SNR.shape == (T,)


def test_the_optimum_by_enumeration_of_cells_is_right():
    def mine(R, beta, gamma):
        n, m = R.shape
        pictures, weights = np.zeros((n, m)), []
        for i in range(n):
            e = [2.0 ** (R[i, j] / gamma / np.log(2)) for j in range(m)]
            pictures[i] = np.array(e) / sum(e)
            weights.append((sum(e) / m) ** (gamma / beta))
        return [w / sum(weights) for w in weights], pictures

    assert judge(EXERCISES["13.2"], mine) == CORRECT


@pytest.mark.parametrize("weights", [(0.5, 0.5), (1.0, 0.5), (0.5, 1.0)])
def test_the_optimum_is_that_of_the_game(weights):
    game = smallest_game(*weights)
    for mine, theirs in zip(optimum(game.R, *weights), solve(game).pi, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-12)


def test_blame_by_the_sign_of_a_difference_is_right():
    def mine(words, steps):
        gap = np.hstack([words, -steps]) @ np.ones(8)
        return np.where(gap < 0, "refiner", "generator").tolist()

    assert judge(EXERCISES["13.3"], mine) == CORRECT


def test_names_for_the_drawings_are_asked_for_and_not_a_mask():
    verdict = judge(EXERCISES["13.3"], lambda words, steps: words.sum(axis=1) < steps.sum(axis=1))
    assert "not true and false" in verdict

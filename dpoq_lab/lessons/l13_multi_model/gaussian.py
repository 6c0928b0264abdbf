"""The Gaussian generator: thirty denoising steps, and the surrogate of equation 17 for their log-ratio.

x_t = a_t x_0 + s_t eps with a_t^2 + s_t^2 = 1 and log(a_t^2/s_t^2) falling linearly in t: then the weight
omega of the squared error of eps, (SNR_{t-1}/SNR_t - 1)/2, is the same at every level t.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dpoq_lab.lessons.l13_multi_model.pixels import SIDE
from dpoq_lab.lessons.l13_multi_model.refiner import N_WORDS, one_hot_words

T, FIRST, LAST, WIDTH = 30, 3.0, -4.0, 256
LOG_SNR = torch.linspace(FIRST, LAST, T)
A, S = LOG_SNR.sigmoid().sqrt(), (-LOG_SNR).sigmoid().sqrt()
OMEGA = (math.exp((FIRST - LAST) / (T - 1)) - 1) / 2
ERRORS = 5  # levels at which a picture is scored in one step of training
PIXELS = SIDE * SIDE


class GaussianGenerator(nn.Module):
    """x_phi(x_t, words, t), the guessed x_0; the guessed noise is eps_phi = (x_t - a_t x_phi)/s_t.

    A drawing is x_0, (B, 64), -1 for an empty pixel and +1 for a full one."""

    def __init__(self, levels: tuple[int, int] = (0, T)) -> None:
        super().__init__()
        self.levels = levels  # those that are scored
        self.net = nn.Sequential(
            nn.Linear(PIXELS + N_WORDS + T, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, PIXELS),
            nn.Tanh(),
        )

    def forward(self, words: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """The guessed x_0, (B, 64), from x_t."""
        return self.net(torch.cat([x, one_hot_words(words), F.one_hot(t, T)], dim=1))

    def starts(self, n: int, random: torch.Generator) -> Tensor:
        """x_T, (n, 64)."""
        return torch.randn(n, PIXELS, generator=random)

    def log_probs(self, words: Tensor, start: Tensor, drawing: Tensor, noise: torch.Generator) -> Tensor:
        """-T omega ||eps - eps_phi||^2 at random levels, (B, ERRORS), each divided by ERRORS: their sum is
        what equation 17 has for log pi. The same `noise` gives policy and reference the same eps."""
        found = []
        for _ in range(ERRORS):
            t = torch.randint(*self.levels, (len(words),), generator=noise)
            eps = torch.randn(drawing.shape, generator=noise)
            guess = self(words, _noised(drawing, eps, t), t)
            error = (LOG_SNR[t].exp()[:, None] * (drawing - guess).square()).sum(dim=1)  # of eps
            found.append(-T * OMEGA * error / ERRORS)
        return torch.stack(found, dim=1)

    @torch.no_grad()
    def draw(self, words: Tensor, start: Tensor, random: torch.Generator) -> Tensor:
        """x_0 by ancestral sampling from x_T, (B, 64)."""
        x, level = start, torch.ones(len(words), dtype=torch.long)
        for t in reversed(range(T)):
            guess = self(words, x, t * level)
            if t == 0:
                return guess
            # q(x_{t-1} | x_t, x_0)
            keep = (A[t] / A[t - 1] * S[t - 1] ** 2 / S[t] ** 2) * x
            width = (S[t - 1] / S[t]) * (1 - (A[t] / A[t - 1]) ** 2).sqrt()
            mean = keep + A[t - 1] * (1 - (A[t] / A[t - 1]) ** 2) / S[t] ** 2 * guess
            x = mean + width * torch.randn(x.shape, generator=random)
        raise AssertionError("T is at least 1")

    def pixels(self, drawing: Tensor) -> Tensor:
        """Drawings as pictures, (B, 8, 8)."""
        return (drawing > 0).long().view(-1, SIDE, SIDE)

    def data_loss(self, words: Tensor, drawing: Tensor, random: torch.Generator) -> Tensor:
        """The mean squared error of x_0 at random levels."""
        t = torch.randint(T, (len(words),), generator=random)
        eps = torch.randn(drawing.shape, generator=random)
        return (drawing - self(words, _noised(drawing, eps, t), t)).square().mean()


def _noised(x: Tensor, eps: Tensor, t: Tensor) -> Tensor:
    return A[t][:, None] * x + S[t][:, None] * eps

"""The masked generator: a picture appears in five steps, and each step has an exact log-probability.

All 16 patches begin masked. A random order says when each is drawn: 1, 1, 2, 4, then 8 at once, those of one
step independently given what is there. The order is no choice of the generator: it is part of the start.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dpoq_lab.lessons.l13_multi_model.pixels import PATCHES, PATTERNS, to_pixels
from dpoq_lab.lessons.l13_multi_model.refiner import N_WORDS, one_hot_words

GROUPS = (1, 1, 2, 4, 8)  # patches of each step
ENDS = torch.tensor(GROUPS).cumsum(0)
MASK, WIDTH = PATTERNS, 160
Noise = torch.Generator | None


class MaskedGenerator(nn.Module):
    """pi(patches of a step | words, patches so far). A drawing is its patches, (B, 16)."""

    steps = len(GROUPS)

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(PATCHES * (PATTERNS + 1) + N_WORDS, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, PATCHES * PATTERNS),
        )

    def forward(self, words: Tensor, patches: Tensor) -> Tensor:
        """log pi of every pattern of every patch, (B, 16, 16); masked patches are MASK."""
        told = [F.one_hot(patches, PATTERNS + 1).flatten(1), one_hot_words(words)]
        logits = self.net(torch.cat(told, dim=1).float())
        return logits.view(-1, PATCHES, PATTERNS).log_softmax(dim=2)

    def starts(self, n: int, random: torch.Generator) -> Tensor:
        """n random orders as ranks, (n, 16): when each patch is drawn."""
        return torch.rand(n, PATCHES, generator=random).argsort(dim=1)

    def log_probs(self, words: Tensor, start: Tensor, drawing: Tensor, noise: Noise = None) -> Tensor:
        """log pi of each step, (B, 5); exact, `noise` is not needed."""
        when = step_of(start)  # (B, 16)
        found = []
        for k in range(self.steps):
            law = self(words, drawing.where(when < k, MASK))
            each = law.gather(2, drawing[:, :, None])[:, :, 0]  # (B, 16)
            found.append((each * (when == k)).sum(dim=1))
        return torch.stack(found, dim=1)

    @torch.no_grad()
    def draw(self, words: Tensor, start: Tensor, random: torch.Generator) -> Tensor:
        """Drawings at temperature 1, (B, 16)."""
        when, drawing = step_of(start), torch.full_like(start, MASK)
        for k in range(self.steps):
            law = self(words, drawing).exp().flatten(0, 1)
            drawn = torch.multinomial(law, 1, generator=random).view(-1, PATCHES)
            drawing = torch.where(when == k, drawn, drawing)
        return drawing

    def pixels(self, drawing: Tensor) -> Tensor:
        """Drawings as pictures, (B, 8, 8)."""
        return to_pixels(drawing)

    def data_loss(self, words: Tensor, drawing: Tensor, random: torch.Generator) -> Tensor:
        """-log pi of the patches of a random step, a mean over patches."""
        when = step_of(self.starts(len(words), random))
        k = torch.randint(self.steps, (len(words), 1), generator=random)
        law = self(words, drawing.where(when < k, MASK))
        each = law.gather(2, drawing[:, :, None])[:, :, 0]
        return -each[when >= k].mean()


def step_of(start: Tensor) -> Tensor:
    """The step at which each patch is drawn, (B, 16), from its rank in the order."""
    return torch.bucketize(start.contiguous(), ENDS, right=True)

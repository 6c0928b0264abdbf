"""The refiner: a language model of three words, each given the prompt and the words before it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dpoq_lab.lessons.l13_multi_model.pixels import GLYPHS, TIMES, WORDS

SIZES = tuple(map(len, WORDS))
N_WORDS = sum(SIZES)
WIDTH = 64


class Refiner(nn.Module):
    """log pi(z_i | x, z_<i) for the three words z of a refined prompt, as one small network."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(len(GLYPHS) + len(TIMES) + N_WORDS, WIDTH), nn.ReLU(), nn.Linear(WIDTH, N_WORDS)
        )

    def word_log_probs(self, asked: Tensor, before: Tensor) -> Tensor:
        """log pi of every next word, (B, n_k), after the words `before`, (B, k)."""
        k = before.shape[1]
        told = [
            F.one_hot(asked[:, 0], len(GLYPHS)),
            F.one_hot(asked[:, 1], len(TIMES)),
            one_hot_words(before),
        ]
        logits = self.net(torch.cat(told, dim=1).float()).split(SIZES, dim=1)[k]
        return logits.log_softmax(dim=1)

    def log_probs(self, asked: Tensor, words: Tensor) -> Tensor:
        """log pi of each word, (B, 3)."""
        steps = [self.word_log_probs(asked, words[:, :k]).gather(1, words[:, k : k + 1]) for k in range(3)]
        return torch.cat(steps, dim=1)

    @torch.no_grad()
    def write(self, asked: Tensor, random: torch.Generator) -> Tensor:
        """Refined prompts at temperature 1, (B, 3)."""
        words = asked[:, :0]
        for _ in SIZES:
            law = self.word_log_probs(asked, words).exp()
            words = torch.cat([words, torch.multinomial(law, 1, generator=random)], dim=1)
        return words


def one_hot_words(words: Tensor) -> Tensor:
    """The first k words of a refined prompt, (B, k), as (B, N_WORDS): 0 where nothing is said yet."""
    k = words.shape[1]
    known = [F.one_hot(words[:, i], SIZES[i]) for i in range(k)]
    return torch.cat([*known, words.new_zeros(len(words), sum(SIZES[k:]))], dim=1)

"""Refiner and generators: laws that sum to one, steps that say the whole, the surrogate by hand."""

from itertools import product

import pytest
import torch

from dpoq_lab.lessons.l13_multi_model.gaussian import LOG_SNR, OMEGA, A, GaussianGenerator, S, T
from dpoq_lab.lessons.l13_multi_model.generator import GROUPS, MASK, MaskedGenerator, step_of
from dpoq_lab.lessons.l13_multi_model.pixels import every_prompt, right_words, stream
from dpoq_lab.lessons.l13_multi_model.refiner import Refiner, one_hot_words

WORDS = right_words(every_prompt())


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_the_refiners_words_have_a_law():
    model, every = Refiner(), torch.tensor(list(product(range(3), range(2), range(2))))
    for asked in every_prompt()[:3]:
        laws = model.log_probs(asked.expand(12, 2), every).sum(dim=1).exp()
        assert laws.sum().item() == pytest.approx(1, abs=1e-6)


def test_the_refiner_writes_by_its_law():
    model, asked = Refiner(), every_prompt()[5].expand(20_000, 2)
    words = model.write(asked, stream(0, "test"))
    wanted = model.word_log_probs(asked[:1], asked[:1, :0]).exp()[0]
    assert words[:, 0].bincount() / 20_000 == pytest.approx(wanted.detach(), abs=0.015)
    assert (words < torch.tensor([3, 2, 2])).all()


def test_words_that_are_not_said_yet_are_not_told():
    assert one_hot_words(WORDS[:1, :0]).tolist() == [[0] * 7]
    assert one_hot_words(torch.tensor([[1, 0, 1]])).tolist() == [[0, 1, 0, 1, 0, 0, 1]]
    assert one_hot_words(torch.tensor([[1, 0]])).tolist() == [[0, 1, 0, 1, 0, 0, 0]]


def test_each_patch_is_drawn_in_one_step():
    when = step_of(MaskedGenerator().starts(40, stream(0, "test")))
    for k, n in enumerate(GROUPS):
        assert ((when == k).sum(dim=1) == n).all()


def test_a_step_is_scored_given_what_was_there_before_it():
    """Changing a patch changes no step before its own, and the log-probability of its own."""
    model, start = MaskedGenerator(), torch.arange(16).expand(1, 16)
    drawing = torch.randint(16, (1, 16), generator=stream(0, "test"))
    before = model.log_probs(WORDS[:1], start, drawing)[0]
    changed = drawing.clone()
    changed[0, 3] = (changed[0, 3] + 1) % 16  # rank 3: step 2
    after = model.log_probs(WORDS[:1], start, changed)[0]
    assert (before == after).tolist() == [True, True, False, False, False]


def test_the_log_probabilities_are_those_that_draw():
    """The first patch's frequencies against its law."""
    model, n = MaskedGenerator(), 20_000
    start, words = torch.arange(16).expand(n, 16), WORDS[:1].expand(n, 3)
    drawing = model.draw(words, start, stream(1, "test"))
    found = drawing[:, 0].bincount(minlength=16) / n
    law = torch.stack(
        [model.log_probs(WORDS[:1], start[:1], torch.tensor([[k] + [0] * 15]))[0, 0].exp() for k in range(16)]
    )
    assert law.sum().item() == pytest.approx(1, abs=1e-6)
    assert found == pytest.approx(law.detach(), abs=0.01)
    assert drawing.max() < MASK


def test_the_weight_of_a_level_is_that_of_the_bound():
    snr = LOG_SNR.exp()
    assert (snr[:-1] / snr[1:] - 1) / 2 == pytest.approx(torch.full((T - 1,), OMEGA), rel=1e-4)
    assert abs(A**2 + S**2 - 1).max() < 1e-6
    assert torch.log(A**2 / S**2) == pytest.approx(LOG_SNR, abs=1e-4)


def test_the_surrogate_is_the_squared_error_of_the_noise():
    """One level, by hand: eps_phi = (x_t - a_t x_phi)/s_t."""
    model = GaussianGenerator(levels=(7, 8))
    x0 = torch.randn(4, 64, generator=stream(0, "test"))
    found = model.log_probs(WORDS[:4], x0, x0, stream(1, "test")).sum(dim=1)
    random, total = stream(1, "test"), torch.zeros(4)
    for _ in range(5):
        torch.randint(7, 8, (4,), generator=random)
        eps = torch.randn(4, 64, generator=random)
        x = A[7] * x0 + S[7] * eps
        guess = (x - A[7] * model(WORDS[:4], x, torch.full((4,), 7))) / S[7]
        total += ((eps - guess) ** 2).sum(dim=1)
    assert found.detach() == pytest.approx((-T * OMEGA * total / 5).detach(), rel=1e-4)


def test_a_denoising_step_has_the_posteriors_mean_and_spread():
    """With a generator that knows x_0 the last guess is x_0 itself, whatever the noise."""

    class Knows(GaussianGenerator):
        def forward(self, words, x, t):
            return torch.full_like(x, 0.25)

    model = Knows()
    random = stream(0, "test")
    drawn = model.draw(WORDS[:3], model.starts(3, random), random)
    assert drawn == pytest.approx(torch.full((3, 64), 0.25))


def test_pictures_of_both_kinds_are_pixels():
    for model in (MaskedGenerator(), GaussianGenerator()):
        random = stream(2, "test")
        drawing = model.draw(WORDS, model.starts(12, random), random)
        image = model.pixels(drawing)
        assert image.shape == (12, 8, 8)
        assert set(image.unique().tolist()) <= {0, 1}
        assert torch.isfinite(model.data_loss(WORDS, drawing, random))

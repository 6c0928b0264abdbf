"""The recipe of lesson 12: an environment that speaks in between, labels with and without luck, one loss."""

import math

import pytest
import torch

from dpoq_lab.batches import collate
from dpoq_lab.lessons.l12_agents import recipe
from dpoq_lab.lessons.l12_agents.desk import (
    Episode,
    Question,
    Rules,
    as_response,
    desk_tokenizer,
    questions,
)
from dpoq_lab.lessons.l12_agents.recipe import DPOWithNLL
from dpoq_lab.lessons.l12_agents.theory import SCALE, word_luck
from dpoq_lab.losses import dpo_loss, token_log_probs

TABLE = {"Ada": "3", "Ben": "7", "Cleo": "0", "Dora": "5"}
HARD = Question("Dora", TABLE, False)
TOLD, BUSY, GUESS = (
    Episode(HARD, turns)
    for turns in (
        ("well call Dora", "5", "say 5"),
        ("well call Dora", "busy", "say unsure"),
        ("so say 5",),
    )
)


@pytest.fixture(scope="module")
def base():
    return recipe.train_base(recipe.SIZES["ci"], 0.5, True, 0)


def test_the_tool_writes_its_word_where_the_model_calls(base):
    asked = questions(60, 1, "test")
    found = recipe.episodes(base, asked, 0.5, 3, n=2)
    assert [episode.question for episode in found[::2]] == asked
    called = [episode for episode in found if episode.called]
    assert called
    for episode in called:
        name = episode.turns[0].split()[2]
        assert episode.turns[1] in ("busy", episode.question.table[name])
    assert {episode.turns[1] == "busy" for episode in called} == {True, False}
    assert recipe.episodes(base, asked, 0.5, 3, n=2) == found
    assert all(
        episode.turns[1] != "busy" for episode in recipe.episodes(base, asked, 0.0, 3) if episode.called
    )


def test_a_turn_that_does_not_end_is_not_in_the_language():
    model = recipe.models.build(desk_tokenizer(), 16, 1, 0)
    found = recipe.episodes(model, questions(40, 0, "test"), 0.0, 0)
    assert not any(episode.well_formed for episode in found)


def test_labels_are_drawn_by_bradley_terry():
    rules = Rules(price=0.3)
    worth = recipe.by_return(rules)
    pairs = recipe.judged([TOLD, BUSY] * 4000, worth, 0)
    won = sum(chosen is TOLD for chosen, _ in pairs) / len(pairs)
    assert won == pytest.approx(1 / (1 + math.exp(-SCALE * (0.7 - 0.05))), abs=0.01)
    assert recipe.judged([GUESS, GUESS], worth, 0) == []
    shuffled = recipe.shuffled(pairs, 1)
    assert sum(chosen is TOLD for chosen, _ in shuffled) / len(pairs) == pytest.approx(0.5, abs=0.03)


def test_without_luck_a_busy_tool_costs_less_and_an_answer_earns_less():
    rules = Rules(busy=0.6)
    full, freed = recipe.by_return(rules), recipe.without_luck(rules)
    assert freed(TOLD) < full(TOLD)
    assert freed(BUSY) > full(BUSY)
    assert freed(GUESS) == full(GUESS)
    assert 0.4 * word_luck(TOLD, rules) + 0.6 * word_luck(BUSY, rules) == pytest.approx(0, abs=1e-12)


def test_pairs_carry_the_mask_that_is_asked_for():
    for masked in (True, False):
        [pair] = recipe.encode([(TOLD, BUSY)], masked)
        assert (pair.chosen, pair.rejected) == (as_response(TOLD, masked), as_response(BUSY, masked))
        assert all(pair.chosen.actions) is not masked


def test_dpo_with_nll_adds_the_chosen_log_ratio():
    chosen, rejected = torch.tensor([[0.5, -0.2], [0.1, 0.0]]), torch.tensor([[-0.3, 0.1], [0.4, 0.2]])
    found = DPOWithNLL(0.5, 0.1).losses(chosen, rejected)
    assert torch.allclose(found, dpo_loss(chosen, rejected, 0.5) - 0.1 * torch.tensor([0.3, 0.1]))


def test_its_gradient_is_that_of_the_likelihood():
    """log pi_ref is a constant: the log-ratio of the chosen reply has the gradient of its log-likelihood."""
    model = recipe.models.build(desk_tokenizer(), 16, 1, 0)
    batch = collate([as_response(TOLD)], 0)
    log_pi = token_log_probs(model, batch)
    by_ratio = torch.autograd.grad(
        (log_pi - log_pi.detach()).sum(), list(model.parameters()), retain_graph=True
    )
    by_nll = torch.autograd.grad(log_pi.sum(), list(model.parameters()))
    assert all(torch.allclose(a, b) for a, b in zip(by_ratio, by_nll, strict=True))

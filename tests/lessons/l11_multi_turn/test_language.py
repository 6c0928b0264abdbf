"""The asking games as a language: every conversation a row, a closed vocabulary, and a policy read off it."""

import numpy as np
import pytest
import torch

from dpoq_lab import models
from dpoq_lab.lessons.l11_multi_turn.language import (
    PRIORS,
    believed,
    policy_of,
    prompts_of,
    said_log_probs,
    step_log_probs,
    table_of,
    tokenizer,
)
from dpoq_lab.theory.soft_bellman import trajectory_log_probs, trajectory_probs

GAMES = ("two bits", "harm", "noisy")


@pytest.fixture(scope="module", params=GAMES)
def table(request):
    return table_of(request.param)


@pytest.fixture(scope="module")
def model():
    return models.build(tokenizer(), 16, 1, 0, initializer_range=0.1)


def words(table, row):
    return tokenizer().convert_ids_to_tokens(table.ids[row].tolist())


def test_every_conversation_of_every_prompt_is_a_row(table):
    assert len(table.law) == sum(len(talk.rows) for talk in table.talks)
    assert table.law.sum() == pytest.approx(1)
    texts = {tuple(words(table, k)) for k in range(len(table.law))}
    assert len(texts) == len(table.law)


def test_conversations_read_as_they_should():
    table = table_of("two bits")
    said = {" ".join(word for word in words(table, k) if word != "<|end|>") for k in range(len(table.law))}
    assert "want ball : small-blue" in said
    assert "want kite : size? big colour? red big-red" in said
    assert not any("size? red" in text or text.endswith("?") for text in said)
    assert all(text.split()[-1].count("-") == 1 for text in said)


def test_whose_step_it_is():
    table = table_of("noisy")
    [row] = [k for k in range(len(table.law)) if "cup : size? big small-red" in " ".join(words(table, k))]
    assert table.acts[row].tolist() == [True, False, True]
    assert table.said[row].tolist() == [False, True, False]


def test_a_model_speaks_messages_only_and_they_add_up(table, model):
    with torch.no_grad():
        found = step_log_probs(model, table).exp()
    assert found.sum(dim=-1).numpy() == pytest.approx(np.ones(found.shape[:2]), abs=1e-5)
    assert (found[~table.legal] == 0).all()
    last = table.legal.shape[1] - 1
    asked = table.acts[:, last]
    assert asked.any()
    assert table.legal[asked, last].sum(dim=-1).unique().tolist() == [len(table.talks[0].rules.prior)]


def test_the_policy_is_the_model_at_every_state(table, model):
    """The probability of a conversation is the product of what the model says and what users say."""
    said = said_log_probs(model, table)
    for prompt in (0, len(table.talks) - 1):
        talk, rows = table.talks[prompt], table.rows_of(prompt)
        pi = policy_of(model, table, prompt)
        mine = said[rows].masked_fill(~table.acts[rows], 0.0).sum(dim=1).double().detach().numpy()
        users = talk.law / np.exp(_by_writer(talk))
        assert trajectory_probs(pi)[talk.rows] == pytest.approx(np.exp(mine) * users, rel=1e-4)
        assert trajectory_probs(pi)[talk.rows].sum() == pytest.approx(1, abs=1e-6)


def _by_writer(talk):
    """log of what the writer alone contributes to a conversation."""
    levels = [
        np.where(chance[:, None], 1.0, pi)
        for chance, pi in zip(talk.game.mdp.chance, talk.game.mdp.pi_ref, strict=True)
    ]
    return trajectory_log_probs(levels)[talk.rows]


def test_what_a_model_believes_of_the_first_reply(model):
    table = table_of("harm")
    for prompt in (0, 5):
        law = believed(model, table, prompt)
        assert law.sum() == pytest.approx(1, abs=1e-6)
    with torch.no_grad():
        other = believed(models.build(tokenizer(), 16, 1, 1, initializer_range=0.1), table, 5)
    assert abs(other - law).max() > 1e-3


def test_the_prompts_of_the_game_of_harm_say_its_numbers():
    known = prompts_of("harm")
    assert known["want p0.85 h32 :"].wrong == -32
    assert known["want p0.6 h2 :"].prior == (0.6, 0.4)
    assert len(known) == 3 * len(PRIORS)

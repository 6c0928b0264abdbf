"""Telegrams: what the writer does, what a reply pays, and the tree that holds all of them."""

from random import Random

import numpy as np
import pytest

from dpoq_lab.lessons.l06_token_rewards import telegrams
from dpoq_lab.lessons.l06_token_rewards.telegrams import (
    MANNERS,
    P_SLIP,
    Telegram,
    by_state,
    notes,
    pairs,
    replies,
    reward,
    telegram_tokenizer,
    tree,
    true_return,
)
from dpoq_lab.theory.soft_bellman import implicit_reward, solve
from dpoq_lab.theory.token_mdp import trajectory_sums

ROME = Telegram(
    "day : Monday ; city : Rome ; price : 20 ; note :\n",
    (MANNERS, ("Monday", "Tuesday"), ("Rome", "Vienna"), ("20", "25")),
)


def writers_log_probs():
    """(16, 5) log-probabilities of the writer himself, EOS being certain."""
    rows = []
    for text in replies(ROME):
        manner, *told = text.split()
        slip = P_SLIP[manner]
        right = [word == choice[0] for word, choice in zip(told, ROME.choices[1:], strict=True)]
        rows.append([0.5, *(1 - slip if ok else slip for ok in right), 1.0])
    return np.log(rows)


def test_there_are_sixteen_replies_in_the_order_of_the_tree():
    texts = replies(ROME)
    assert (texts[0], texts[1], texts[-1]) == (
        "calmly Monday Rome 20",
        "calmly Monday Rome 25",
        "hastily Tuesday Vienna 25",
    )
    assert len(set(texts)) == 16


def test_the_tree_pays_what_a_reply_is_worth():
    mdp, outside = tree(writers_log_probs(), 0.5)
    R = trajectory_sums(reward())
    assert outside == pytest.approx(0.0, abs=1e-12)
    exists = solve(mdp, reward()).pi[-1][:, 2] > 0
    assert exists.all()
    ended = R.reshape(-1)[-16 * 3 :].reshape(16, 3)[:, 2]
    assert ended.tolist() == [true_return(ROME, text) for text in replies(ROME)]


def test_an_innocent_word_that_makes_errors_likely_has_a_negative_advantage():
    """By hand, beta 0.5: V of a fact is 0.5 log((1-p) e^2 + p e^-2), and three facts follow a manner."""
    value = {m: 3 * 0.5 * np.log((1 - p) * np.exp(2) + p * np.exp(-2)) for m, p in P_SLIP.items()}
    start = 0.5 * np.log(0.5 * np.exp(2 * value["calmly"]) + 0.5 * np.exp(2 * value["hastily"]))
    mdp, _ = tree(writers_log_probs(), 0.5)
    A = implicit_reward(mdp, solve(mdp, reward()).pi)
    assert A[0][0, 0] == pytest.approx(value["calmly"] - start)
    assert A[0][0, 1] == pytest.approx(value["hastily"] - start)
    assert A[0][0, 1] < -0.5
    assert reward()[0][0, 1] == 0
    # the same error is blamed less where it was expected
    calm, hasty = A[1][:, 1]
    assert calm < hasty < -1


def test_values_of_replies_return_to_the_state_they_belong_to():
    x = np.arange(80.0).reshape(16, 5)
    levels = by_state(x)
    assert levels[0].tolist() == [[0.0, 40.0, 0.0]]
    assert levels[1].tolist() == [[1.0, 21.0, 0.0], [41.0, 61.0, 0.0]]
    assert levels[4][:, 2].tolist() == x[:, 4].tolist()


def test_mass_outside_the_branch_is_measured_and_left_out():
    log_pi = writers_log_probs()
    log_pi[:, 0] = np.log(0.4)  # a fifth goes to other words
    mdp, outside = tree(log_pi, 0.5)
    assert outside == pytest.approx(0.2)
    assert mdp.pi_ref[0][0].tolist() == pytest.approx([0.5, 0.5, 0.0])


def test_the_writer_slips_as_often_as_his_manner_says():
    slips = {manner: [] for manner in MANNERS}
    random = Random(1)
    for _ in range(4000):
        of = telegrams.telegram(random)
        manner, *told = telegrams.write(of, random).split()
        slips[manner] += [word != choice[0] for word, choice in zip(told, of.choices[1:], strict=True)]
    for manner, found in slips.items():
        assert np.mean(found) == pytest.approx(P_SLIP[manner], abs=0.02)


def test_labels_follow_bradley_terry():
    """Among pairs whose returns differ by 2, the better one is chosen with sigma(2) = 0.88."""
    gaps = []
    for pair in pairs(3000, 0):
        order = dict(part.split(" : ") for part in pair.prompt.strip().split(" ; ")[:3])
        gaps.append(
            sum(
                (word == order[fact]) - (other == order[fact])
                for fact, word, other in zip(
                    telegrams.TOLD, pair.chosen.split()[1:], pair.rejected.split()[1:], strict=True
                )
            )
        )
    gaps = np.array(gaps)
    better = np.mean(gaps[abs(gaps) == 1] > 0)
    assert better == pytest.approx(1 / (1 + np.exp(-2)), abs=0.03)
    assert notes(5, 0) == notes(5, 0)


def test_every_word_is_one_token():
    tokenizer = telegram_tokenizer()
    assert len(tokenizer.encode("hastily Monday Rome 20")) == 4
    assert tokenizer.unk_token_id not in tokenizer.encode(ROME.prompt + "calmly")

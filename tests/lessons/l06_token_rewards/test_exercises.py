"""Lesson 06's exercises: right answers of another form are right."""

import numpy as np
import torch
import torch.nn.functional as F

from dpoq_lab.lessons.check import CORRECT, judge
from dpoq_lab.lessons.l06_token_rewards.exercises import EXERCISES, TEXTS, implicit_rewards


def test_advantages_as_steps_of_the_outlook():
    def steps(r, V):
        paid = np.concatenate([[0.0], np.cumsum(r)])
        return list(np.diff(paid + np.append(V, 0.0)))

    assert judge(EXERCISES["06.1"], steps) == CORRECT


def test_rewards_by_cross_entropy_and_by_a_loop():
    def by_loss(logits, ref_logits, ids, n_prompt, beta):
        nll = [F.cross_entropy(x[:-1], ids[1:], reduction="none") for x in (logits, ref_logits)]
        return beta * (nll[1] - nll[0])[n_prompt - 1 :]

    def by_loop(logits, ref_logits, ids, n_prompt, beta):
        found = []
        for t in range(n_prompt, len(ids)):
            p, q = (x[t - 1].softmax(0)[ids[t]] for x in (logits, ref_logits))
            found.append(beta * float((p / q).log()))
        return found

    assert judge(EXERCISES["06.2"], by_loss) == CORRECT
    assert judge(EXERCISES["06.2"], by_loop) == CORRECT


def test_controls_by_sorting_and_masks():
    def by_sorting(r_hat, log_pi_ref, flaws, coins, orders):
        found = {"blame": [], "surprisal": [], "coin signs": [], "moved flags": []}
        for r, q, bad, coin, order in zip(r_hat, log_pi_ref, flaws, coins, orders, strict=True):
            if bad.sum() == 0:
                continue
            first = np.argsort(r, kind="stable")[0]
            found["blame"].append(bad[first])
            found["surprisal"].append(bad[np.argsort(q, kind="stable")[0]])
            found["coin signs"].append(bad[np.argsort(np.where(coin > 0, abs(r), -abs(r)), kind="stable")[0]])
            found["moved flags"].append(bad[order[first]])
        return {name: sum(hits) / len(hits) for name, hits in found.items()}

    assert judge(EXERCISES["06.3"], by_sorting) == CORRECT


def test_four_numbers_without_their_names_are_told_to_be_a_dictionary():
    def bare(*case):
        return tuple(EXERCISES["06.3"].solution(*case).values())

    assert "dictionary" in judge(EXERCISES["06.3"], bare)


def test_the_last_row_of_logits_chooses_nothing_here():
    z, y, ids, n_prompt, beta = TEXTS[1]
    spoilt = z.clone()
    spoilt[-1] += torch.arange(z.shape[1])
    expected = implicit_rewards(z, y, ids, n_prompt, beta)
    assert torch.equal(implicit_rewards(spoilt, y, ids, n_prompt, beta), expected)

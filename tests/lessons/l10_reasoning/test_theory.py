"""Chains that slip and are repaired: the exact credit, against hand-made values and population DPO."""

import numpy as np
import pytest

from dpoq_lab.lessons.l10_reasoning.theory import (
    BETA,
    along,
    broke_for_good,
    chain_tree,
    chains,
    credit,
    outlook,
    share_found,
)
from dpoq_lab.theory.population_dpo import all_pairs, fit_dpo
from dpoq_lab.theory.soft_bellman import implicit_reward, trajectory_probs
from dpoq_lab.theory.token_mdp import trajectory_sums


def row(*steps):
    return int(np.flatnonzero((chains() == steps).all(axis=1))[0])


@pytest.mark.parametrize(("repair", "share"), [(0.02, 1.0), (0.30, 3 / 7)])
def test_perfect_credit_where_nothing_is_repaired_and_less_than_half_where_much_is(repair, share):
    assert share_found(*credit(repair)) == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize(("repair", "wanted"), [(0.02, [-1.30, -0.19, -0.36]), (0.30, [-0.25, -0.22, -1.42])])
def test_credit_of_the_chain_that_breaks_at_its_first_step(repair, wanted):
    assert credit(repair)[0][row(1, 1, 1)].round(2).tolist() == wanted


def test_one_step_by_hand():
    """Before the last step of a right chain V* = beta log(0.9 e^{1/beta} + 0.1 e^{-1/beta})."""
    by_hand = BETA * np.log(0.9 * np.exp(1 / BETA) + 0.1 * np.exp(-1 / BETA))
    assert outlook(0.3)[row(0, 0, 1), 2] == pytest.approx(by_hand, abs=1e-12)
    mended = BETA * np.log(0.3 * np.exp(1 / BETA) + 0.7 * np.exp(-1 / BETA))
    assert outlook(0.3)[row(0, 1, 1), 2] == pytest.approx(mended, abs=1e-12)


@pytest.mark.parametrize("repair", [0.02, 0.30])
def test_credit_is_the_step_of_the_outlook_and_what_population_dpo_finds(repair):
    mdp, r = chain_tree(repair)
    A, law = credit(repair)
    assert abs(np.diff(outlook(repair), axis=1) - A).max() < 1e-12
    assert law.sum() == pytest.approx(1)
    fit = fit_dpo(mdp, all_pairs(trajectory_sums(r), trajectory_probs(mdp.pi_ref) > 0))
    assert abs(along(implicit_reward(mdp, fit.pi)) - A).max() < 1e-6


def test_the_breaking_step_is_the_last_one_that_left_the_right():
    wanted = {(0, 0, 0): -1, (0, 0, 1): 2, (0, 1, 1): 1, (1, 0, 1): 2, (1, 1, 1): 0, (1, 1, 0): -1}
    broke = broke_for_good()
    assert {steps: broke[row(*steps)] for steps in wanted} == wanted


def test_the_law_of_a_chain_is_the_product_of_its_steps():
    _, law = credit(0.3)
    assert law[row(0, 1, 0)] == pytest.approx(0.9 * 0.1 * 0.3)
    assert law[row(1, 1, 0)] == pytest.approx(0.1 * 0.7 * 0.3)


@pytest.mark.parametrize("rates", [(0.0, 0.1), (0.3, 1.0)])
def test_a_rate_that_is_no_probability_is_refused(rates):
    with pytest.raises(ValueError, match="between 0 and 1"):
        chain_tree(*rates)

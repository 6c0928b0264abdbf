"""Lemma 2 on seven points: round trips, and the start as a state against as an action."""

import numpy as np
import pytest

from dpoq_lab.lessons.l13_multi_model.diffusion import (
    discrete_diffusion,
    paid_at_the_end,
    q_from_r,
    r_from_q,
    random_values,
    unexplained,
    values,
)

WALK = discrete_diffusion()
SHAPE = WALK.pi_ref.shape


def test_a_step_has_a_law():
    assert SHAPE == (3, 7, 7)
    assert abs(WALK.pi_ref.sum(axis=2) - 1).max() < 1e-12
    assert WALK.start.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_both_round_trips(seed):
    x = random_values(WALK, seed, *SHAPE)
    assert abs(r_from_q(WALK, q_from_r(WALK, x)) - x).max() < 1e-12
    assert abs(q_from_r(WALK, r_from_q(WALK, x)) - x).max() < 1e-12


def test_the_value_of_a_start_by_enumeration():
    """V*(x_T) = beta log E_ref e^{R(x_0)/beta}."""
    R = random_values(WALK, 5, 7)
    first, second, third = WALK.pi_ref
    wanted = WALK.beta * np.log(first @ second @ third @ np.exp(R / WALK.beta))
    assert values(WALK, q_from_r(WALK, paid_at_the_end(WALK, R))[0]) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_start_must_be_an_action_or_be_shared(seed):
    """As a state it leaves V*(x_T), which differs; as an action one number; from one start nothing."""
    R = random_values(WALK, seed, 7)
    as_state, as_action = (unexplained(WALK, R, start_is_action) for start_is_action in (False, True))
    assert np.ptp(as_state) > 0.03
    assert np.ptp(as_state.reshape(7, -1), axis=1).max() < 1e-12
    assert np.ptp(as_action) < 1e-12

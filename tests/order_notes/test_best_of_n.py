"""Best of n: the ceiling is a ceiling, and the figures that lesson 07 gives, by one of its seeds."""

import pytest

from dpoq_lab.order_notes.language import order_pairs
from dpoq_lab.order_notes.recipe import encode, stored_policies
from dpoq_lab.order_notes.scoring import best_of_n


@pytest.fixture(scope="module")
def kept():
    policies = stored_policies()
    models = [policies.models[name] for name in ("SFT", "DPO from SFT", "SFT")]
    return best_of_n(*models, policies.tokenizer, encode(order_pairs(60, 12)), 16, seed=0)


def test_the_figures_of_lesson_07(kept):
    """There over five seeds: 3.61, 5.78, 5.82, 4.76 and 5.97, half-widths 0.03 to 0.26."""
    assert kept["one draw"] == pytest.approx(3.61, abs=0.5)
    assert kept["reference's likelihood"] == pytest.approx(5.78, abs=0.3)
    assert kept["policy's likelihood"] == pytest.approx(5.82, abs=0.3)
    assert kept["implicit reward"] == pytest.approx(4.76, abs=0.5)
    assert kept["R itself"] == pytest.approx(5.97, abs=0.1)


def test_best_of_n_is_bounded_by_the_truth_and_n_of_1_is_the_one_draw():
    policies = stored_policies()
    small, tokenizer = policies.models, policies.tokenizer
    models = [small[name] for name in ("SFT", "DPO from SFT", "SFT")]
    pairs = encode(order_pairs(6, 5))
    found = best_of_n(*models, tokenizer, pairs, 4)
    assert max(found.values()) == found["R itself"]
    assert len(set(best_of_n(*models, tokenizer, pairs, 1).values())) == 1

"""Rollouts: values are expected returns, known exactly where nothing is left to chance."""

import pytest

from dpoq_lab.order_notes.language import order_pairs, true_score
from dpoq_lab.order_notes.recipe import encode, stored_policies
from dpoq_lab.order_notes.scoring import rollout_advantages, rollout_values
from dpoq_lab.search.generate import sample_rest


@pytest.fixture(scope="module")
def sft():
    policies = stored_policies()
    return policies.models["SFT"], policies.tokenizer


@pytest.fixture(scope="module")
def pair():
    return next(p for p in encode(order_pairs(40, 11)) if not p.pair.chosen_flaws)


def test_advantages_telescope_from_the_start_to_the_return(sft, pair):
    values = rollout_values(*sft, pair.pair.prompt, pair.rejected, n=4)
    A = rollout_advantages(*sft, pair.pair.prompt, pair.rejected, n=4)
    assert len(A) == len(pair.rejected.ids)
    assert sum(A) == pytest.approx(values[-1] - values[0])
    assert values[-1] == true_score(pair.pair.prompt, pair.rejected.text)


def test_after_a_whole_reply_little_is_left_to_chance(sft, pair):
    values = rollout_values(*sft, pair.pair.prompt, pair.chosen, n=16)
    assert values[-2] == pytest.approx(6, abs=0.5)
    assert values[0] < 6  # from the start the sampler errs


def test_shorter_prefixes_are_padded_on_the_left_and_change_nothing(sft, pair):
    """A prefix alone and the same one beside a longer one give the same tokens while the seed is the same."""
    pi, tokenizer = sft
    ids = pair.chosen.prompt_ids + pair.chosen.ids[:-2]
    alone = sample_rest(pi, tokenizer, [ids], 1, max_new=1, seed=3)
    beside = sample_rest(pi, tokenizer, [ids, ids + pair.chosen.ids[-2:-1]], 1, max_new=1, seed=3)
    assert alone[0] == beside[0]

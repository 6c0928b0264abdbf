"""Lesson 00's explorer: a stored run at any beta."""

import pytest

from dpoq_lab.lessons.l00_start_here.explorer import RunViewer, ranking_at_twice_beta, rewards
from dpoq_lab.views.token_view import signed

# Log-ratios: pair 0 is ranked right by 3 nats to -1, pair 1 wrong by -2 to 0.5
RATIOS = [("chosen", [1.0, 2.0]), ("rejected", [-1.0]), ("chosen", [-2.0]), ("rejected", [0.25, 0.25])]
PROMPTS = ["Why <b>so</b>?", "Who?"]


def record(role, ratios):
    return {
        "role": role,
        "tokens": [f"{role}{t}" for t in range(len(ratios))],
        "logp_policy": [ratio - 4.0 for ratio in ratios],
        "logp_reference": [-4.0] * len(ratios),
    }


@pytest.fixture
def viewer():
    return RunViewer([record(*one) for one in RATIOS], PROMPTS, 0.1)


def test_it_shows_the_prompt_and_both_sums_of_a_pair_at_any_beta(viewer):
    assert "Why &lt;b&gt;so&lt;/b&gt;?" in viewer.picture.value
    assert f"chosen: sum of r_hat {signed(0.3)}" in viewer.picture.value
    assert f"rejected: sum of r_hat {signed(-0.1)}" in viewer.picture.value
    viewer.beta.value = 0.5
    assert f"chosen: sum of r_hat {signed(1.5)}" in viewer.picture.value
    viewer.pair.value = 1
    assert "Who?" in viewer.picture.value
    assert f"chosen: sum of r_hat {signed(-1.0)}" in viewer.picture.value


def test_it_counts_the_pairs_that_are_ranked_right(viewer):
    assert "beta 0.10: 1 of 2 pairs ranked right." in viewer.picture.value
    assert rewards(record(*RATIOS[0]), 0.5) == [0.5, 1.0]


def test_the_prediction_waits_for_twice_the_beta_and_then_compares(viewer):
    viewer.beta.value = 0.15
    assert ranking_at_twice_beta(viewer) is None
    viewer.beta.value = 0.2
    assert ranking_at_twice_beta(viewer) == "exactly as many"
    viewer.ranked_at_first = 2
    assert ranking_at_twice_beta(viewer) == "fewer of them"
    viewer.ranked_at_first = 0
    assert ranking_at_twice_beta(viewer) == "more of them"

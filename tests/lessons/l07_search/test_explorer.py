"""The beam explorer: moving widgets changes tree, marker and reading; its numbers are those of the models."""

import numpy as np
import pytest

from dpoq_lab.lessons.l07_search.explorer import SearchExplorer, leaders, replay, wide_beam
from dpoq_lab.lessons.l07_search.figures import parting_figure, places, regret_figure, width_figure
from dpoq_lab.order_notes.language import order_pairs
from dpoq_lab.order_notes.recipe import encode, stored_policies
from dpoq_lab.search.beams import beam_search
from dpoq_lab.search.scorers import ModelScorer


@pytest.fixture(scope="module")
def policies():
    return stored_policies()


@pytest.fixture(scope="module")
def pairs():
    return encode(order_pairs(3, 11))


@pytest.fixture
def explorer(policies, pairs):
    return SearchExplorer(policies, pairs)


def drawn(panel):
    return {status: len(nodes) for status, nodes in panel.picture.data.items()}


def test_the_tree_grows_with_the_step_and_shows_a_window(explorer):
    explorer.step.value = 1
    assert drawn(explorer.left) == {"kept": 3, "pruned": 3, "finished": 0}
    explorer.step.value = 4
    assert drawn(explorer.left)["kept"] == 12
    explorer.step.value = 60
    assert drawn(explorer.left)["finished"] > 0
    nodes = explorer.left.found.tree.nodes
    assert min(nodes[i].step for i in explorer.left.picture.data["kept"]) > 6


def test_width_penalty_policy_and_prompt_search_again(explorer):
    before = explorer.right.reading.value
    explorer.left.width.value = 5
    explorer.step.value = 1
    assert drawn(explorer.left)["kept"] == 5
    assert explorer.right.reading.value == before
    explorer.right.policy.value = "SFT"
    assert explorer.right.reading.value != before
    explorer.pair.value = 1
    assert "true score" in explorer.left.reading.value
    explorer.left.penalty.value = 0.0
    assert explorer.left.found.hypotheses[0].score == pytest.approx(
        explorer.left.found.hypotheses[0].log_pi, abs=1e-4
    )


def test_a_replay_under_the_same_policy_gives_the_same_sums(policies, pairs):
    """The search read a token a step; the replay reads the tree at once."""
    model = policies.models["SFT"]
    prompt = tuple(pairs[0].chosen.prompt_ids)
    tree = beam_search(ModelScorer(model, policies.tokenizer.eos_token_id), prompt, 4, 40).tree
    assert replay(tree, model, prompt) == pytest.approx([n.sum_log_pi for n in tree.nodes], abs=1e-3)


def test_hovers_say_log_pi_reward_and_score_escaped(explorer):
    text = explorer.left._hovers[0]
    assert all(part in text for part in ("log pi", "sum of r_hat", "true score so far"))
    panel = explorer.left
    ends = [w for w, n in zip(panel._words, panel.found.tree.nodes, strict=True) if n.token == 0]
    assert set(ends) == {"<|end|>"}
    explorer.step.value = 60
    assert "&lt;|end|&gt;" in explorer.left.picture.value
    assert "<title>" in explorer.left.picture.value


def test_nodes_of_a_step_stand_below_one_another_in_order(explorer):
    at = places(explorer.left.found.tree)
    assert at[:6] == [(1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (1, 5)]


def test_figures_of_the_lesson_hold_their_curves():
    figure = regret_figure([0.0, 1.0], {name: np.array([[0.0, 0.0], [0.5, 1.0]]) for name in "abcd"})
    assert list(figure.data) == list("abcd")
    assert figure.data["a"].y == [0.0, 0.75]
    assert figure.data["a"].half[1] == pytest.approx(1.96 * 0.25)  # sd 0.3536 over the root of 2
    assert len({(s.look.dash, s.look.symbol) for s in figure.data.values()}) == 4  # told apart without colour
    row = {"mean": 1.0, "half_95": 0.2}
    summary = {name: {"width 1, penalty 0": {"score": row}} for name in "abcd"}
    widths = width_figure(summary, "score", 0, [1], "score", "reading")
    assert widths.data["a"].half == [0.2]
    assert len({s.x[0] for s in widths.data.values()}) == 4  # no whisker lies on another


def test_what_leads_is_the_best_of_the_ended_and_the_kept(explorer):
    explorer.right.width.value, explorer.right.penalty.value = 10, 0.0
    tree = explorer.right.found.tree
    found = leaders(tree, 0.0)
    assert [tree.nodes[i].step for i in found[:9]] == list(range(1, 10))
    assert tree.nodes[found[-1]].step == 2  # the nearly empty reply leads at last
    assert tree.tokens(found[-1]) == explorer.right.found.hypotheses[0].tokens
    assert explorer.right.truth[-1] == explorer.right.worth()
    assert [tree.nodes[i].step for i in leaders(tree, 1.0)][-1] > 20


def test_the_picture_follows_both_searches_up_to_the_step(explorer):
    explorer.step.value = 4
    assert explorer.picture.data["left"].y == [0.0, *explorer.left.truth[:4]]
    before = explorer.picture.data["right"].y
    explorer.right.width.value, explorer.right.penalty.value = 10, 0.0
    explorer.step.value = 60
    assert explorer.picture.data["right"].y == [0.0, *explorer.right.truth] != before
    assert "left +6, right +0" in explorer.picture.reading


def test_the_axis_of_the_picture_is_that_of_all_steps():
    truths = {"left": [1.0, -4.0], "right": [0.0]}
    early, late = (parting_figure(truths, step, 60) for step in (1, 2))
    assert early.data["left"].y == [0.0, 1.0]
    assert [part in late.body for part in early.body.split("<text")[1:4]] == [True] * 3


@pytest.mark.parametrize(
    ("pair", "policy", "outcome"),
    [
        (0, "base", "a reply of less than half the length"),
        (2, "base", "a reply as good"),
        (0, "DPO from SFT", "a reply as good"),
    ],
)
def test_what_a_wide_beam_finds_is_read_from_the_two_replies(explorer, pair, policy, outcome):
    explorer.pair.value = pair
    assert wide_beam(explorer) is None
    explorer.right.policy.value = policy
    explorer.right.width.value = 10
    assert wide_beam(explorer) is None
    explorer.right.penalty.value = 0.0
    assert wide_beam(explorer) == outcome
    explorer.left.width.value, explorer.left.penalty.value = 10, 0.0
    assert wide_beam(explorer) is not None
    explorer.right.width.value = 9
    assert wide_beam(explorer) is None

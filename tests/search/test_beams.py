"""Search: beams equal transformers' and brute force; endings, ties and limits are handled and said."""

import math

import numpy as np
import pytest
import torch

from dpoq_lab import models
from dpoq_lab.lessons.l07_search import speed_study
from dpoq_lab.search.beams import (
    Hypothesis,
    Node,
    SearchTree,
    beam_search,
    greedy,
    room_for,
    sample,
    value_beam,
)
from dpoq_lab.search.scorers import ModelScorer, TabularScorer
from dpoq_lab.theory.soft_bellman import solve, trajectory_log_probs
from dpoq_lab.theory.token_mdp import random_reward, random_tree, trajectories, trajectory_sums, uniform_tree


@pytest.fixture(scope="module")
def model():
    """A random model of 40 tokens whose distributions are peaked enough for beams to differ."""
    tokenizer = models.tiny_tokenizer()
    tokenizer_config = models.build(tokenizer, 32, 2, seed=1, initializer_range=0.3).config
    tokenizer_config.update({"vocab_size": 40, "eos_token_id": 3, "pad_token_id": 0})
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return type(models.tiny())(tokenizer_config).eval()


@pytest.fixture(scope="module")
def frequent(model):
    """The token that this model likes best: as EOS it ends nearly every reply."""
    prompts = ((5, 6, 7), (11, 30), (39,), (17, 4))
    said = [greedy(ModelScorer(model, -1), prompt, 8).hypotheses[0].tokens[1:] for prompt in prompts]
    return int(np.bincount(np.concatenate(said)).argmax())


def theirs(model, prompt, width, max_tokens, eos_token_id=3, **settings):
    """transformers' hypotheses: tokens after the prompt without padding, and scores."""
    with torch.no_grad():
        out = model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            num_beams=width,
            num_return_sequences=width,
            do_sample=False,
            max_new_tokens=max_tokens,
            return_dict_in_generate=True,
            output_scores=True,
            eos_token_id=eos_token_id,
            **settings,
        )
    found = []
    scores = out.sequences_scores if width > 1 else [None]
    for row, score in zip(out.sequences[:, len(prompt) :].tolist(), scores, strict=True):
        cut = row.index(eos_token_id) + 1 if eos_token_id in row else len(row)
        found.append((tuple(row[:cut]), None if score is None else float(score)))
    return found


@pytest.mark.parametrize("early_stopping", [False, True, "never"])
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("width", [2, 3, 5])
def test_a_beam_is_transformers_hypothesis_for_hypothesis(
    model, frequent, width, length_penalty, early_stopping
):
    """With an EOS that comes rarely, and with one that comes in nearly every reply."""
    settings, ended = {"length_penalty": length_penalty, "early_stopping": early_stopping}, []
    for eos in (3, frequent):
        for prompt in ([5, 6, 7], [11, 30], [8, 9, 10, 20, 21], [39], [17, 4]):
            mine = beam_search(ModelScorer(model, eos), tuple(prompt), width, 10, **settings).hypotheses
            peer = theirs(model, prompt, width, 10, eos_token_id=eos, **settings)
            assert [h.tokens for h in mine] == [tokens for tokens, _ in peer]
            assert [h.score for h in mine] == pytest.approx([score for _, score in peer], abs=1e-4)
            assert all(h.finished == (h.tokens[-1] == eos) for h in mine)
            ended += [h.finished for h in mine]
    assert 0 < sum(ended) < len(ended)


def test_greedy_is_transformers_greedy(model):
    for prompt in ([5, 6, 7], [11, 30], [39]):
        assert (
            greedy(ModelScorer(model, 3), tuple(prompt), 12).hypotheses[0].tokens
            == theirs(model, prompt, 1, 12)[0][0]
        )


@pytest.mark.parametrize("early_stopping", [False, True, "never"])
@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
def test_a_beam_of_width_1_is_greedy_whatever_the_length_penalty(model, frequent, penalty, early_stopping):
    for eos in (3, frequent):
        for prompt in ((5, 6, 7), (11, 30), (8, 9, 10, 20, 21), (39,), (17, 4)):
            scorer = ModelScorer(model, eos)
            found = beam_search(scorer, prompt, 1, 12, penalty, early_stopping).hypotheses
            assert [h.tokens for h in found] == [greedy(scorer, prompt, 12).hypotheses[0].tokens]


def test_the_bench_compares_equal_replies():
    assert [(width, same) for width, _, _, same in speed_study.timings((2,), 1, 1)] == [(2, 1.0)]


def test_a_beam_as_wide_as_the_tree_is_brute_force():
    for seed in range(10):
        mdp = random_tree(4, 4, 0.5, seed)
        pi = solve(mdp, random_reward(mdp, seed)).pi
        log_pi, every = trajectory_log_probs(pi), trajectories(mdp)
        order = np.argsort(-log_pi)[:5]
        found = beam_search(TabularScorer(mdp, pi), (), 200, 4, length_penalty=0.0).hypotheses
        assert len(found) == min(200, mdp.n_trajectories)
        for i, hypothesis in zip(order, found, strict=False):
            assert hypothesis.tokens == tuple(every.tokens[i, : every.lengths[i]])
            assert hypothesis.log_pi == pytest.approx(log_pi[i], abs=1e-12)
            assert hypothesis.finished


def test_ties_go_to_the_smaller_token_and_the_earlier_reply():
    scorer = TabularScorer(uniform_tree(3, 2, 1.0), uniform_tree(3, 2, 1.0).pi_ref)
    found = beam_search(scorer, (), 3, 2, length_penalty=0.0).hypotheses
    assert [h.tokens for h in found] == [(2,), (0, 0), (0, 1)]


def test_a_prefix_that_ended_is_never_continued_nor_shown_as_open(model):
    tree = beam_search(ModelScorer(model, 3), (5, 6), 4, 10).tree
    parents = {node.parent for node in tree.nodes}
    for index, node in enumerate(tree.nodes):
        if node.token == 3:
            assert node.status in ("finished", "pruned")
            assert index not in parents


def test_a_width_larger_than_the_continuations_returns_all_of_them():
    mdp = random_tree(2, 2, 1.0, 0)
    found = beam_search(TabularScorer(mdp, mdp.pi_ref), (), 50, 2).hypotheses
    assert {h.tokens for h in found} == {(1,), (0, 0), (0, 1)}


def test_a_prompt_that_fills_the_context_is_refused_in_one_line(model):
    limit = model.config.max_position_embeddings
    with pytest.raises(ValueError, match="leaves no room"):
        beam_search(ModelScorer(model, 3), (5,) * limit, 2, 10)
    [cut] = greedy(ModelScorer(model, 3), (5,) * (limit - 1), 10).hypotheses
    assert (len(cut.tokens), cut.finished) == (1, False)


def test_a_model_that_never_ends_is_cut_and_says_so(model):
    found = beam_search(ModelScorer(model, eos=-1), (5, 6), 3, 6).hypotheses
    assert [h.finished for h in found] == [False] * 3
    assert {len(h.tokens) for h in found} == {6}


def test_sampling_follows_pi_and_top_k_and_temperature():
    mdp = random_tree(4, 2, 1.0, 3)
    scorer, generator = TabularScorer(mdp, mdp.pi_ref), torch.Generator().manual_seed(0)
    drawn = sample(scorer, (), 2, n=4000, generator=generator).hypotheses
    first = np.bincount([h.tokens[0] for h in drawn], minlength=4) / 4000
    assert first == pytest.approx(mdp.pi_ref[0][0], abs=0.03)
    top = sample(scorer, (), 2, n=200, top_k=1, generator=generator).hypotheses
    assert {h.tokens for h in top} == {greedy(scorer, (), 2).hypotheses[0].tokens}
    cold = sample(scorer, (), 2, n=200, temperature=1e-3, generator=generator).hypotheses
    assert {h.tokens for h in cold} == {greedy(scorer, (), 2).hypotheses[0].tokens}
    assert drawn[0].score == pytest.approx(drawn[0].log_pi)


def test_a_value_beam_with_the_sum_of_log_pi_is_the_likelihood_beam():
    mdp = random_tree(4, 4, 0.7, 2)
    pi = solve(mdp, random_reward(mdp, 2)).pi
    scorer = TabularScorer(mdp, pi)

    def value(tokens):
        state, log_pi = scorer.start(())
        total = 0.0
        for t, token in enumerate(tokens):
            total += float(log_pi[0, token])
            if t < len(tokens) - 1:
                state, log_pi = scorer.step(state, torch.tensor([0]), torch.tensor([token]))
        return total

    for width in (1, 2, 3):
        a = beam_search(scorer, (), width, 4, length_penalty=0.0).hypotheses
        b = value_beam(scorer, value, (), width, 4).hypotheses
        assert [h.tokens for h in a] == [h.tokens for h in b]


def test_the_cache_gives_what_a_whole_forward_pass_gives(model):
    scorer = ModelScorer(model, 3)
    state, _ = scorer.start((5, 6, 7))
    state, _ = scorer.step(state, torch.tensor([0, 0]), torch.tensor([8, 9]))
    _, log_pi = scorer.step(state, torch.tensor([1, 0, 1]), torch.tensor([10, 11, 12]))
    with torch.no_grad():
        whole = model(torch.tensor([[5, 6, 7, 9, 10], [5, 6, 7, 8, 11], [5, 6, 7, 9, 12]])).logits[:, -1]
    assert torch.allclose(log_pi, whole.log_softmax(-1), atol=1e-4)


def test_the_sums_in_the_tree_add_up():
    mdp = random_tree(4, 3, 1.0, 5)
    R = trajectory_sums([np.log(level) for level in mdp.pi_ref])
    tree = beam_search(TabularScorer(mdp, mdp.pi_ref), (), 100, 3).tree
    ends = [node.sum_log_pi for node in tree.nodes if node.status == "finished"]
    assert sorted(ends) == pytest.approx(sorted(R))


# A tree of three replies, 0 0, 0 EOS and EOS, whose states give the first token 0.75 and 0.6
SMALL = TabularScorer(uniform_tree(2, 2, 1.0), [np.array([[0.75, 0.25]]), np.array([[0.6, 0.4]])])
LOG = {share: math.log(share) for share in (0.75, 0.25, 0.6, 0.4)}
SUMS = {"00": LOG[0.75] + LOG[0.6], "0E": LOG[0.75] + LOG[0.4]}


def nodes(first, end, both, ended):
    """The four tokens that a beam looks at, with what becomes of them."""
    return [
        Node(-1, 0, LOG[0.75], LOG[0.75], 1, first),
        Node(-1, 1, LOG[0.25], LOG[0.25], 1, end),
        Node(0, 0, LOG[0.6], SUMS["00"], 2, both),
        Node(0, 1, LOG[0.4], SUMS["0E"], 2, ended),
    ]


def told(search):
    return [(h.tokens, h.finished, round(h.score, 9)) for h in search.hypotheses]


def test_beams_by_hand():
    """By sum ln 0.45, ln 0.3, ln 0.25; by the mean of two tokens -0.40 and -0.60, of one -1.39."""
    wide = beam_search(SMALL, (), 2, 2, length_penalty=0.0)
    assert told(wide) == [((0, 0), True, round(SUMS["00"], 9)), ((0, 1), True, round(SUMS["0E"], 9))]
    assert wide.tree.nodes == nodes("kept", "finished", "finished", "finished")
    assert wide.hypotheses[1].log_pis == (LOG[0.75], LOG[0.4])
    assert [round(h.score, 9) for h in beam_search(SMALL, (), 2, 2).hypotheses] == [
        *(round(SUMS["00"] / 2, 9), round(SUMS["0E"] / 2, 9)),
    ]
    narrow = greedy(SMALL, (), 2)
    assert told(narrow) == [((0, 0), True, round(SUMS["00"], 9))]
    assert narrow.tree.nodes == nodes("kept", "pruned", "finished", "pruned")
    assert len(beam_search(SMALL, (), 3, 2).hypotheses) == 3


def test_a_beam_without_room_is_cut_and_a_prompt_counts():
    """One token is room for an ending, or for a first token that is not finished; after 0 both end."""
    cut = beam_search(SMALL, (), 2, 1)
    assert told(cut) == [((0,), False, round(LOG[0.75], 9)), ((1,), True, round(LOG[0.25], 9))]
    assert told(beam_search(SMALL, (0,), 2, 5)) == [
        *(((0,), True, round(LOG[0.6], 9)), ((1,), True, round(LOG[0.4], 9))),
    ]
    assert (room_for(SMALL, (), 1), room_for(SMALL, (), 5), room_for(SMALL, (0,), 5)) == (1, 2, 1)
    for prompt, most, limit in (((0, 0), 5, 2), ((), 0, 2)):
        with pytest.raises(ValueError, match="leaves no room") as caught:
            room_for(SMALL, prompt, most)
        said = f"a prompt of {len(prompt)} tokens leaves no room for a reply within {limit}"
        assert str(caught.value) == said


def test_value_beams_by_hand():
    """The first tokens are worth 1 and, ended, 2; two tokens 5 and -1: a beam of one never sees the 5."""
    value = {(0,): 1.0, (1,): 2.0, (0, 0): 5.0, (0, 1): -1.0}.__getitem__
    one = value_beam(SMALL, value, (), 1, 2)
    assert told(one) == [((1,), True, 2.0)]
    assert [(node.token, node.status) for node in one.tree.nodes] == [(1, "finished"), (0, "kept")]
    assert told(value_beam(SMALL, value, (), 2, 2)) == [((0, 0), True, 5.0), ((1,), True, 2.0)]
    assert [h[2] for h in told(value_beam(SMALL, value, (), 3, 2))] == [5.0, 2.0, -1.0]
    even = {(0,): 2.0, (1,): 2.0, (0, 0): 5.0, (0, 1): -1.0}.__getitem__
    assert told(value_beam(SMALL, even, (), 1, 2)) == [((0, 0), True, 5.0)]  # of equals the smaller token


def test_samples_have_the_log_pi_of_pi_whatever_the_temperature():
    """Each reply of the tree, finished or cut, with its own sums; one draw if nothing is said."""
    generator = torch.Generator().manual_seed(0)
    for most, temperature in ((2, 1.0), (1, 3.0)):
        drawn = sample(SMALL, (), most, n=40, temperature=temperature, generator=generator)
        known = {(0, 0): (LOG[0.75], LOG[0.6]), (0, 1): (LOG[0.75], LOG[0.4])}
        known |= {(1,): (LOG[0.25],), (0,): (LOG[0.75],)}
        assert {h.tokens for h in drawn.hypotheses} == ({(0, 0), (0, 1), (1,)} if most == 2 else {(0,), (1,)})
        for h in drawn.hypotheses:
            assert h.log_pis == pytest.approx(known[h.tokens])
            assert h.score == pytest.approx(sum(known[h.tokens]))
            assert h.finished == (h.tokens != (0,))
        assert {node.status for node in drawn.tree.nodes} == {"kept", "finished"}
        assert all((node.step == 1) == (node.parent == -1) for node in drawn.tree.nodes)
    assert len(sample(SMALL, (), 2, generator=generator).hypotheses) == 1
    hot = [h.tokens[0] for h in sample(SMALL, (), 2, 400, temperature=100.0, generator=generator).hypotheses]
    assert np.mean(hot) == pytest.approx(0.5, abs=0.1)
    both = {h.tokens[0] for h in sample(SMALL, (), 2, 40, top_k=2, generator=generator).hypotheses}
    assert both == {0, 1}


def test_the_tree_of_a_search():
    tree = SearchTree(nodes("kept", "finished", "finished", "pruned"))
    assert (tree.path(-1), tree.tokens(-1), tree.sum_log_pi(-1)) == ([], (), 0.0)
    assert (tree.path(3), tree.tokens(3)) == ([tree.nodes[0], tree.nodes[3]], (0, 1))
    assert (tree.sum_log_pi(3), tree.sum_log_pi(0)) == (SUMS["0E"], LOG[0.75])
    assert tree.add(Node(0, 5, -1.0, -2.0, 2)) == 4
    assert tree.nodes[4].status == "pruned"
    found = tree.hypothesis(2, 7.0)
    assert found == Hypothesis((0, 0), (LOG[0.75], LOG[0.6]), True, 7.0)
    assert found.log_pi == pytest.approx(SUMS["00"])
    assert not tree.hypothesis(0, 7.0).finished


def test_a_token_that_cannot_be_is_never_looked_at():
    """Of three tokens the first has no probability: neither beam has it in its tree, however wide."""
    pi = [np.array([[0.0, 0.75, 0.25]]), np.array([[0.0, 1.0, 0.0]] * 2)]
    scorer = TabularScorer(uniform_tree(3, 2, 1.0), pi)
    for search in (
        beam_search(scorer, (), 9, 2, length_penalty=0.0),
        value_beam(scorer, lambda tokens: -float(len(tokens)), (), 9, 2),
    ):
        assert [(node.parent, node.token) for node in search.tree.nodes] == [(-1, 1), (-1, 2), (0, 1)]
        assert {h.tokens for h in search.hypotheses} == {(1, 1), (2,)}


def test_a_search_stops_where_what_is_open_can_only_draw_level():
    """Values of 2 for an ending and for what is open: nothing is looked at after the first step."""
    value = {(0,): 2.0, (1,): 2.5, (0, 0): 2.5, (0, 1): 0.0}.__getitem__
    assert len(value_beam(SMALL, value, (), 1, 2).tree.nodes) == 2
    level = {(0,): 2.5, (1,): 2.5, (0, 0): 2.5, (0, 1): 0.0}.__getitem__
    assert len(value_beam(SMALL, level, (), 1, 2).tree.nodes) == 4  # the open one comes first
    levels = [[[0.5, 0.2, 0.3]], [[0.5, 0.0, 0.5], [0.0, 0.0, 1.0]], [[0.0, 0.0, 1.0]] * 4]
    halves = TabularScorer(uniform_tree(3, 3, 1.0), [np.array(level) for level in levels])
    tree = beam_search(halves, (), 2, 3, length_penalty=0.0).tree
    assert max(node.step for node in tree.nodes) == 2  # of 0.3 and 0.25 ended; 0.25 is open

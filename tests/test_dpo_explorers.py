"""The explorers of lessons 03 and 04: widgets are moved, and the drawing is held against the solver."""

import time

import numpy as np
import pytest

from dpoq_lab.dpo_explorers import ReductionExplorer, RepresentationExplorer, largest, removals, token_names
from dpoq_lab.dpo_trees import TOKENS, polite_tree
from dpoq_lab.population_dpo import all_pairs, fit_dpo, undetermined
from dpoq_lab.soft_bellman import implicit_reward, reverse_kl, shape, solve
from dpoq_lab.token_mdp import terminal_only, trajectory_sums
from dpoq_lab.token_view import signed


def flat(levels):
    return np.concatenate(levels).ravel()


def drawn(explorer):
    return np.array(explorer.figure.data[1].x), np.array(explorer.figure.data[1].y)


@pytest.mark.parametrize(("beta", "reward"), [(0.1, 4.0), (0.5, 0.0), (3.0, -2.0)])
def test_with_the_sum_every_token_lies_on_the_diagonal(beta, reward):
    explorer = ReductionExplorer()
    explorer.beta.value, explorer.reward.value = beta, reward
    mdp, r = polite_tree(beta)
    r[1][1, 0] = reward
    exact = solve(mdp, r)
    x, y = drawn(explorer)
    assert x == pytest.approx(flat(implicit_reward(mdp, exact.pi)).clip(-6, 6), abs=1e-12)
    assert y == pytest.approx(x, abs=1e-5)
    kl = reverse_kl(mdp, exact.pi)
    assert list(explorer.figure.data[4].y) == pytest.approx([kl, beta / 2])
    assert (
        f"largest error of a token 0.00, median 0.00. KL of the optimum {kl:.2f} nats"
        in explorer.reading.value
    )


def test_the_mean_has_the_same_loss_and_other_tokens():
    explorer = ReductionExplorer()
    loss = explorer.reading.value.split(". beta")[0].removeprefix("sum")
    explorer.reduction.value = "mean"
    assert explorer.reading.value.startswith(f"mean{loss}. ")
    mdp, r = polite_tree()
    found = implicit_reward(mdp, fit_dpo(mdp, all_pairs(trajectory_sums(r)), "mean").pi)
    assert drawn(explorer)[1] == pytest.approx(flat(found).clip(-6, 6), abs=1e-4)
    assert largest(found, implicit_reward(mdp, solve(mdp, r).pi)) > 5


def test_without_eos_tokens_leave_the_frame():
    explorer = ReductionExplorer()
    explorer.reduction.value = "sum without EOS"
    assert "Beyond the frame" in explorer.reading.value
    assert not explorer.reading.value.startswith("sum without EOS: loss 0.5267")


def test_token_names_say_what_went_before():
    names = token_names(polite_tree()[0])
    assert names[:4] == [*TOKENS, "thanks after 'thanks'"]
    assert names[-1] == f"{TOKENS[2]} after 'no no'"


@pytest.fixture
def explorer():
    return RepresentationExplorer()


mdp, r = polite_tree()
A = implicit_reward(mdp, solve(mdp, r).pi)


def labels(explorer):
    return explorer.figure.data[3].text


def credits(explorer):
    return [label.split("<b>A ")[1].rstrip("?</b>") for label in labels(explorer)]


def test_moving_reward_to_the_end_moves_r_and_no_credit(explorer):
    before, text = credits(explorer), labels(explorer)
    explorer.late.value = 1.0
    assert largest(explorer.reward(), terminal_only(mdp, r)) < 1e-12
    assert credits(explorer) == before
    assert labels(explorer) != text
    assert sorted(before) == sorted(signed(a) for a in flat(A))
    assert (
        "reward of a token 2.00, A* of a token 0.00, probability of a preference 0.00"
        in explorer.reading.value
    )


@pytest.mark.parametrize(("end", "broken"), [(0, False), (1, False), (2, True)])
def test_a_potential_matters_only_if_it_varies_over_the_ends(explorer, end, broken):
    before = credits(explorer)
    explorer.phi.value, explorer.end.index = 1.5, end
    phi = [np.zeros(1), np.array([0, 1.5]), np.zeros(4)]
    if end < 2:
        assert largest(explorer.reward(), shape(mdp, r, phi, [0.0, 2.0][end])) < 1e-12
    assert (credits(explorer) != before) == broken
    assert ("A* of a token 0.00" not in explorer.reading.value) == broken


def test_removed_pairs_mark_the_tokens_left_open(explorer):
    data = removals(mdp, all_pairs(trajectory_sums(r)))
    for name, count in zip(explorer.data.options, (0, 9, 3, 9), strict=True):
        explorer.data.value = name
        assert np.concatenate(undetermined(mdp, data[name])).sum() == count
        assert sum("?" in label for label in labels(explorer)) == count
        assert f"left open by the pairs: {count} of 21" in explorer.reading.value


def test_what_is_not_left_open_is_recovered():
    for data in removals(mdp, all_pairs(trajectory_sums(r))).values():
        found = implicit_reward(mdp, fit_dpo(mdp, data).pi)
        for x, y, left_open in zip(found, A, undetermined(mdp, data), strict=True):
            assert abs(x - y)[~left_open].max(initial=0) < 1e-6


@pytest.mark.parametrize("kind", [ReductionExplorer, RepresentationExplorer])
def test_every_move_redraws_within_100_ms(kind):
    explorer = kind()
    if kind is ReductionExplorer:
        ways = [explorer.reduction, explorer.beta, explorer.reward]
    else:
        ways = [explorer.end, explorer.data, explorer.late, explorer.phi]
    times = []
    for option in ways[0].options:
        ways[0].value = option
        for control in ways[1:]:
            for value in positions(control):
                start = time.thread_time()
                control.value = value
                times.append(time.thread_time() - start)
    assert len(times) > 60
    assert np.quantile(times, 0.95) < 0.1


def positions(control):
    return getattr(control, "options", None) or np.linspace(control.min, control.max, 12).tolist()

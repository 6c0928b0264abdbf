"""Lesson 03's explorer: widgets are moved, and the drawing is held against the solver."""

import numpy as np
import pytest
from hand_made import redraws

from dpoq_lab.lessons.l03_inverse_q.explorer import ReductionExplorer, token_names, told_by_the_loss
from dpoq_lab.theory.example_trees import TOKENS, polite_tree
from dpoq_lab.theory.population_dpo import all_pairs, fit_dpo
from dpoq_lab.theory.soft_bellman import implicit_reward, reverse_kl, solve
from dpoq_lab.theory.token_mdp import flat, largest, trajectory_sums
from dpoq_lab.views.prediction import Prediction


def drawn(explorer):
    tokens = explorer.picture.data["a token"]
    return np.array(tokens.x), np.array(tokens.y)


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
    assert list(explorer.picture.data["this beta"].y) == pytest.approx([kl, beta / 2])
    assert (
        f"largest error of a token 0.00, median 0.00. KL of the optimum {kl:.2f} nats"
        in explorer.picture.reading
    )


def test_the_mean_has_the_same_loss_and_other_tokens():
    explorer = ReductionExplorer()
    loss = explorer.picture.reading.split(". beta")[0].removeprefix("sum")
    explorer.reduction.value = "mean"
    assert explorer.picture.reading.startswith(f"mean{loss}. ")
    mdp, r = polite_tree()
    found = implicit_reward(mdp, fit_dpo(mdp, all_pairs(trajectory_sums(r)), "mean").pi)
    assert drawn(explorer)[1] == pytest.approx(flat(found).clip(-6, 6), abs=1e-4)
    assert largest(found, implicit_reward(mdp, solve(mdp, r).pi)) > 5


def test_without_eos_tokens_leave_the_frame():
    explorer = ReductionExplorer()
    explorer.reduction.value = "sum without EOS"
    assert "Beyond the frame" in explorer.picture.reading
    assert not explorer.picture.reading.startswith("sum without EOS: loss 0.5267")


def fit_by_all(explorer):
    for name in ("mean", "sum without EOS", "sum"):
        explorer.reduction.value = name


def test_the_outcome_of_the_prediction_waits_for_all_three_at_one_setting():
    explorer = ReductionExplorer()
    explorer.reduction.value = "mean"
    assert told_by_the_loss(explorer) is None
    explorer.beta.value = 0.5
    explorer.reduction.value = "sum without EOS"
    assert set(explorer.losses) == {"mean", "sum without EOS"}  # the sum was seen at another beta
    assert told_by_the_loss(explorer) is None
    explorer.reduction.value = "sum"
    assert told_by_the_loss(explorer) == "that of the sum without EOS alone"


def test_the_outcome_of_the_prediction_is_what_the_losses_show():
    explorer = ReductionExplorer()
    prediction = Prediction("?", ["neither of them", "that of the sum without EOS alone"])
    prediction.judge_by(explorer, told_by_the_loss)
    explorer.beta.value = 3.0  # there the fit without EOS is as good, to 0.01
    fit_by_all(explorer)
    assert told_by_the_loss(explorer) == "neither of them"
    explorer.beta.value = 1.0
    prediction.choice.value = "neither of them"
    fit_by_all(explorer)
    assert "It is: that of the sum without EOS alone." in prediction.verdict.value
    explorer.losses["mean"] += 0.02
    assert told_by_the_loss(explorer) == "both"
    explorer.losses["sum without EOS"] = explorer.losses["sum"]
    assert told_by_the_loss(explorer) == "the mean's alone"


def test_token_names_say_what_went_before():
    names = token_names(polite_tree()[0])
    assert names[:4] == [*TOKENS, "thanks after 'thanks'"]
    assert names[-1] == f"{TOKENS[2]} after 'no no'"


def test_every_move_redraws_within_100_ms():
    explorer = ReductionExplorer()
    times = redraws(explorer.reduction, [explorer.beta, explorer.reward])
    assert len(times) > 60
    assert np.quantile(times, 0.95) < 0.1

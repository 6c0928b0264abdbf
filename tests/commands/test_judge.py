"""Held-out pairs, ranked by reward and by likelihood."""

import torch

from dpoq_lab.commands.judge import Judge, zeros
from dpoq_lab.intervals import accuracy_with_interval
from dpoq_lab.objectives import DPO
from dpoq_lab.schedule import Settings


def test_a_judge_by_hand():
    """Sums of the policy: -3, -1, -4 and -3.5, -2, -1, so two of three are likelier; of the reference: -5,
    -1, -2 and -3, -3, -4. Rewards are half of 2, 0, -2 and -0.5, 1, 3: right in the first alone."""

    def of(*pairs):
        return [tuple(torch.tensor(side) for side in pair) for pair in pairs]

    policy = of(([-1.0, -2.0], [-3.5]), ([-1.0], [-1.5, -0.5]), ([-4.0], [-1.0]))
    reference = of(([-2.0, -3.0], [-3.0]), ([-1.0], [-1.0, -2.0]), ([-2.0], [-4.0]))
    judge = Judge(None, [1, 2, 3], 0, Settings(DPO(0.5), 1.0, 1, 1, 1, bf16=True), 0.5)
    assert judge.report(policy, reference) == {
        "by_reward": accuracy_with_interval([1.0, -1.0, -1.0]),
        "by_likelihood": accuracy_with_interval([1.0, 1.0, -1.0]),
        **{"chosen_reward_sum": 0.0, "rejected_reward_sum": 0.5833},
    }
    assert not judge.settings.bf16  # whatever the run has
    assert Judge(None, [], 0, judge.settings, 0.5).report([], []) is None
    without = [[side.tolist() for side in pair] for pair in zeros(policy[:2])]
    assert without == [[[0.0, 0.0], [0.0]], [[0.0], [0.0, 0.0]]]

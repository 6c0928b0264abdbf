"""Tree search by hand: a tree of three replies, its scores of four simulations, what each adds."""

import math

import numpy as np
import pytest

from dpoq_lab.search.beams import Hypothesis, Node
from dpoq_lab.search.mcts import mcts
from dpoq_lab.search.scorers import TabularScorer
from dpoq_lab.theory.token_mdp import uniform_tree

MDP = uniform_tree(2, 2, 1.0)  # replies 0 0, 0 EOS and EOS, of the tokens 0 and 1
PI = [np.array([[0.75, 0.25]]), np.array([[0.6, 0.4]])]
VALUES = {(): 0.0, (0,): 1.0, (0, 0): 5.0, (0, 1): -1.0, (1,): 2.0}
LOGS = {share: math.log(share) for share in (0.75, 0.25, 0.6, 0.4)}
NODES = [
    Node(-1, 0, LOGS[0.75], LOGS[0.75], 1, "kept"),
    Node(0, 0, LOGS[0.6], LOGS[0.75] + LOGS[0.6], 2, "finished"),
    Node(0, 1, LOGS[0.4], LOGS[0.75] + LOGS[0.4], 2, "finished"),
    Node(-1, 1, LOGS[0.25], LOGS[0.25], 1, "finished"),
]
BEST = Hypothesis((0, 0), (LOGS[0.75], LOGS[0.6]), True, 5.0)
CUT = Hypothesis((0,), (LOGS[0.75],), False, 1.0)
ENDED = Hypothesis((0, 1), (LOGS[0.75], LOGS[0.4]), True, -1.0)
SHORT = Hypothesis((1,), (LOGS[0.25],), True, 2.0)


@pytest.mark.parametrize(
    ("simulations", "found"), [(1, [CUT]), (2, [BEST]), (3, [BEST, ENDED]), (4, [BEST, SHORT, ENDED])]
)
def test_four_simulations_by_hand(simulations, found):
    """Value + 41 pi sqrt(1 + N) / (1 + N of the token), of the first token and, after 0, of the second:

    1: 30.75, 10.25, so 0.  2: 22.7, 14.5, so 0; 25.6, 17.4, so 0, worth 5.
    3: 22.8, 17.8, so 0; 22.4, 24.2, so 1, worth -1, and 5 is still the best.  4: 20.4, 20.5, so 1, worth 2.
    """
    search = mcts(TabularScorer(MDP, PI), VALUES.__getitem__, (), 2, simulations, exploration=41.0)
    assert search.hypotheses == found
    assert search.tree.nodes == NODES[:simulations]


def test_with_little_exploration_the_best_reply_is_visited_again_and_of_equals_the_first():
    """The default of 1: 5 is never left. Where nothing tells the tokens apart the smaller id is tried."""
    again = mcts(TabularScorer(MDP, PI), VALUES.__getitem__, (), 2, 9)
    assert (again.hypotheses, len(again.tree.nodes)) == ([BEST], 2)
    even = [np.array([[0.5, 0.5]]), np.array([[0.5, 0.5]])]
    tokens = [node.token for node in mcts(TabularScorer(MDP, even), lambda _: 0.0, (), 2, 1).tree.nodes]
    assert tokens == [0]


def test_a_reply_that_has_no_more_room_is_over_but_not_finished():
    [only] = mcts(TabularScorer(MDP, PI), VALUES.__getitem__, (), 1, 1).hypotheses
    assert only == CUT

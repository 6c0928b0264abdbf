"""Trees written node by node: laws, payments, who moves, and where a reply has ended."""

import numpy as np
import pytest

from dpoq_lab.theory.games import Node, game_of
from dpoq_lab.theory.soft_bellman import solve, trajectory_probs
from dpoq_lab.theory.token_mdp import trajectory_sums

ASK = {
    (): Node((0.4, 0.5), (-1.0, 2.0, 0.5)),  # EOS has the other 0.1, and pays 0.5
    (0,): Node((0.25, 0.75), (0.0, 3.0), "tool"),
}


def test_the_laws_and_payments_are_those_of_the_nodes():
    game = game_of(ASK, 3, 0.7)
    assert game.mdp.pi_ref[0][0] == pytest.approx([0.4, 0.5, 0.1])
    assert game.r[0].tolist() == [[-1.0, 2.0, 0.5]]
    assert [who.tolist() for who in game.who] == [["model"], ["tool", ""], ["", "", "", ""]]
    assert [chance.tolist() for chance in game.mdp.chance] == [[False], [True, False], [False] * 4]


def test_where_there_is_no_node_the_reply_has_ended():
    game = game_of(ASK, 3, 0.7)
    assert game.mdp.pi_ref[1][1].tolist() == [0.0, 0.0, 1.0]
    assert game.r[1][1].tolist() == [0.0, 0.0, 0.0]
    law, paid = trajectory_probs(game.mdp.pi_ref), trajectory_sums(game.r)
    ends = sorted((round(r, 9), round(p, 9)) for p, r in zip(law, paid, strict=True) if p > 0)
    assert ends == [(-1.0, 0.1), (0.5, 0.1), (2.0, 0.3), (2.0, 0.5)]  # asked: -1, or -1 + 3


def test_values_by_hand():
    """The tool's node is a mean: -1 + 0.75 * 3 = 1.25; the root a soft maximum over 1.25, 2 and 0.5."""
    game = game_of(ASK, 3, 0.7)
    V = 0.7 * np.log(0.4 * np.exp(1.25 / 0.7) + 0.5 * np.exp(2 / 0.7) + 0.1 * np.exp(0.5 / 0.7))
    assert solve(game.mdp, game.r).V[0][0] == pytest.approx(V, abs=1e-12)

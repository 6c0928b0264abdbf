"""The readable trees, against counts by hand."""

import numpy as np
import pytest

from dpoq_lab.theory.example_trees import TOKENS, polite_tree, random_replies
from dpoq_lab.theory.soft_bellman import implicit_reward, solve
from dpoq_lab.theory.token_mdp import reply_names, trajectory_sums

EOS = TOKENS[2]


def test_the_returns_of_the_readable_tree_are_those_of_its_rules():
    """thanks first +1, no -1, thanks after no +2, thanks again -1, empty -1."""
    mdp, r = polite_tree()
    R = dict(zip(reply_names(mdp, TOKENS), trajectory_sums(r), strict=True))
    assert len(R) == 15
    expected = {
        EOS: -1,
        f"thanks {EOS}": 1,
        f"no {EOS}": -1,
        f"no thanks {EOS}": 1,
        f"thanks thanks {EOS}": 0,
        "thanks thanks thanks": -1,
        "no thanks no": 0,
        "no no thanks": 0,
        "no no no": -3,
    }
    for text, value in expected.items():
        assert R[text] == value, text


def test_p_thanks_is_the_reference_after_no():
    mdp, _ = polite_tree(beta=0.3, p_thanks=0.9)
    assert mdp.beta == 0.3
    assert mdp.pi_ref[1][1] == pytest.approx([0.9, 0.02, 0.08])


def test_the_fifteen_replies_of_the_table():
    mdp, r, exists = random_replies()
    assert exists.sum() == 15
    assert mdp.beta == 0.5
    A = implicit_reward(mdp, solve(mdp, r).pi)
    average = (np.exp(log_p(mdp)) * trajectory_sums(A))[exists].sum()
    assert average == pytest.approx(-0.4470463455, abs=1e-9)


def log_p(mdp):
    with np.errstate(divide="ignore"):
        return trajectory_sums([np.log(level) for level in mdp.pi_ref])

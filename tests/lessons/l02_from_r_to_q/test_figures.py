"""Lesson 02's tree: every number on it is the exact solver's."""

from dpoq_lab.lessons.l02_from_r_to_q.figures import implied_labels
from dpoq_lab.theory.example_trees import WORDS, mushroom_tree
from dpoq_lab.theory.soft_bellman import reward_from_q, solve
from dpoq_lab.theory.token_mdp import flat, random_reward
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.trees import FELL, ROSE, STAYED

MDP, _ = mushroom_tree(1.0)
EDGES = MDP.n_states * MDP.n_actions


def test_the_implied_reward_stands_on_the_tree_and_what_moved_is_marked():
    Q = random_reward(MDP, 3)
    before = reward_from_q(MDP, Q)
    Q[1][0, 1] += 1.0
    r = reward_from_q(MDP, Q)
    labels = implied_labels(MDP, WORDS, r, before, solve(MDP, r), state=1)
    assert labels.below == [f"r {signed(x)}" for x in flat(r)]
    assert all(f"Q {signed(q)}" in text for text, q in zip(labels.above, flat(Q), strict=True))
    looks = labels.looks()
    assert (looks[4], looks[0]) == (ROSE, FELL)  # its own edge, and the one into its state
    assert looks.count(STAYED) == EDGES - 2

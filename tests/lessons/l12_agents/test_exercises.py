"""Right answers in another form are right; the solutions agree with the package."""

import numpy as np
import pytest

from dpoq_lab.lessons.check import CORRECT, judge
from dpoq_lab.lessons.l12_agents.desk import Episode, Question, as_response
from dpoq_lab.lessons.l12_agents.exercises import CALL, EXERCISES, action_mask, luck
from dpoq_lab.lessons.l12_agents.theory import BETA, smallest_game, tool_luck
from dpoq_lab.theory.token_mdp import trajectories


def test_a_mask_by_a_loop_over_words_is_right():
    def mine(turns):
        mask = []
        for role, words in turns:
            for _ in words:
                mask.append(1 if role == "assistant" else 0)
            if role == "assistant":
                mask.append(1)
        return np.array(mask)

    assert judge(EXERCISES["12.1"], mine) == CORRECT


def test_the_mask_is_that_of_the_desk():
    table = {"Ada": "3", "Ben": "7", "Cleo": "0", "Dora": "5"}
    episode = Episode(Question("Dora", table, False), tuple(" ".join(words) for _, words in CALL))
    assert action_mask(CALL) == as_response(episode).actions


def test_luck_by_recursion_along_the_path_is_right():
    def value(node, beta):
        if node is None:
            return 0.0
        total = 0.0
        for p, paid, after in node[1]:
            worth = paid + value(after, beta)
            total += p * (worth if node[0] == "tool" else np.exp(worth / beta))
        return total if node[0] == "tool" else beta * np.log(total)

    def mine(tree, path, beta):
        if not len(path):
            return 0.0
        p, paid, after = tree[1][path[0]]
        here = paid + value(after, beta) - value(tree, beta) if tree[0] == "tool" else 0.0
        return here + mine(after, path[1:], beta)

    assert judge(EXERCISES["12.2"], mine) == CORRECT


def smallest_tree():
    """`theory.smallest_game` as the exercise writes trees."""

    def verdict(right, paid):
        return "tool", [(right, 1 - paid, None), (1 - right, -1 - paid, None)]

    said = [
        ("model", [(0.5, 0.0, verdict(0.9 if heard == word else 0.1, 0.2)) for word in (0, 1)])
        for heard in (0, 1)
    ]
    call = "tool", [(0.5, 0.0, said[0]), (0.5, 0.0, said[1])]
    return "model", [(0.8, 0.0, verdict(0.5, 0.0)), (0.2, 0.0, call)]


@pytest.mark.parametrize("path", [[0, 0], [0, 1], [1, 0, 0, 0], [1, 0, 1, 0], [1, 1, 0, 1]])
def test_luck_of_the_smallest_game(path):
    game = smallest_game()
    every = trajectories(game.mdp).tokens
    [row] = [k for k, tokens in enumerate(every) if tokens[: len(path) + 1].tolist() == [*path, 2]]
    assert luck(smallest_tree(), path, BETA) == pytest.approx(tool_luck(game)[row], abs=1e-12)


def test_payments_by_sorted_words_are_right():
    def mine(words, r_hat, actions):
        rows = zip(map(list, words), map(list, r_hat), map(list, actions), strict=True)
        flat = [(w, x) for row in rows for w, x, own in zip(*row, strict=True) if not own]
        return {w: sum(x for v, x in flat if v == w) / sum(v == w for v, _ in flat) for w, _ in flat}

    assert judge(EXERCISES["12.3"], mine) == CORRECT

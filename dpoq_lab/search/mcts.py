"""Monte Carlo tree search (PUCT) over tokens, with priors pi and a value function in place of rollouts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dpoq_lab.search.beams import Node, Search, SearchTree, is_end, room_for
from dpoq_lab.search.scorers import Scorer
from dpoq_lab.theory.token_mdp import Tokens


@dataclass
class Place:
    """A state that was reached: the index of its last `node` in the `SearchTree`, -1 for the prompt, its
    `step`, what the scorer said, and per token, (n_actions,), the best `values` known below and `visits`."""

    node: int
    step: int
    state: Any
    log_pi: Tensor
    values: Tensor
    visits: Tensor
    children: dict[int, "Place | int"] = field(default_factory=dict)  # an int is the node of a last token


def mcts(
    scorer: Scorer,
    value: Callable[[Tokens], float],
    prompt: Tokens,
    max_tokens: int,
    simulations: int,
    exploration: float = 1.0,
) -> Search:
    """`simulations` times: descend by PUCT, add one token, and pass its `value` up, of siblings the best.

    PUCT takes the largest value + exploration * pi(a|s) sqrt(1 + N(s)) / (1 + N(s,a)); a token not tried yet
    has the value of its state. The tree is deterministic, so the best below counts, not a mean. `value`
    is that of `value_beam`. Returns the complete (or cut) replies that were met, by value; before any is met,
    the path of most visits, unfinished.
    """
    room, tree = room_for(scorer, prompt, max_tokens), SearchTree()
    root = _place(-1, 0, *scorer.start(prompt), value(()))
    last: dict[int, float] = {}
    for _ in range(simulations):
        child, path = root, []
        while isinstance(child, Place):
            token = _choose(child, exploration)
            path.append((child, token))
            if token not in child.children:
                worth = _grow(scorer, value, tree, child, token, len(prompt), room)
                if isinstance(node := child.children[token], int):
                    last[node] = worth
                break
            child = child.children[token]
        else:
            worth = last[child]
        for place, token in reversed(path):
            place.visits[token] += 1
            place.values[token] = worth
            worth = float(place.values.max())
    if not last:
        node = _most_visited(root)
        last[node] = value(tree.tokens(node))
    ranked = sorted(last.items(), key=lambda pair: -pair[1])
    return Search([tree.hypothesis(node, score) for node, score in ranked], tree)


def _choose(place: Place, exploration: float) -> int:
    """The token of the largest PUCT score; of equals the smallest id."""
    bonus = place.log_pi.exp() * (1 + place.visits.sum()).sqrt() / (1 + place.visits)
    scores = place.values + exploration * bonus
    return int((scores == scores.max()).nonzero()[0, 0])


def _grow(
    scorer: Scorer,
    value: Callable[[Tokens], float],
    tree: SearchTree,
    place: Place,
    token: int,
    prompt_length: int,
    room: int,
) -> float:
    """Add the child of `place` by `token` to the tree, and return its value."""
    log_p, step = float(place.log_pi[token]), place.step + 1
    before = tree.sum_log_pi(place.node)
    end = is_end(scorer, prompt_length + step, token)
    node = tree.add(Node(place.node, token, log_p, before + log_p, step, "finished" if end else "kept"))
    worth = value(tree.tokens(node))
    if end or step == room:
        place.children[token] = node
    else:
        state, log_pi = scorer.step(place.state, torch.tensor([0]), torch.tensor([token]))
        place.children[token] = _place(node, step, state, log_pi, worth)
    return worth


def _place(node: int, step: int, state: Any, log_pi: Tensor, worth: float) -> Place:
    log_pi = log_pi[0].double()
    values = torch.full_like(log_pi, worth).masked_fill(log_pi.isneginf(), -torch.inf)
    return Place(node, step, state, log_pi, values, torch.zeros_like(values))


def _most_visited(place: Place) -> int:
    """The node at the end of the path of most visits."""
    while place.children:
        place = place.children[int(place.visits.argmax())]
    return place.node

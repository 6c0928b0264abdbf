"""Monte-Carlo tree search over tokens: PUCT with pi as prior and a value of prefixes, no rollouts.

A simulation walks down by Q(s,a) + c pi(a|s) sqrt(N(s)) / (1 + N(s,a)), expands one state, values it, and
adds the value to every token on the way; Q is the mean value below a token, scaled to [0, 1] by those seen.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dpoq_lab.scorers import Scorer, Tokens
from dpoq_lab.search import Node, Search, SearchTree, _ends, room_for


@dataclass
class _State:
    """A prefix: its node in the drawn tree, the scorer's state, log pi (V,), and its tokens' children."""

    node: int
    state: Any
    log_pi: Tensor | None  # None where the reply ends
    visits: int = 0
    total: float = 0.0
    children: dict[int, "_State"] = field(default_factory=dict)


def mcts(
    scorer: Scorer,
    value: Callable[[Tokens], float],
    prompt: Tokens,
    simulations: int,
    max_tokens: int,
    c: float = 1.0,
) -> Search:
    """Search for the reply with the largest `value`; its score is that value.

    `value` of a prefix is sum (r + beta log pi_ref) + V at its end (eq. 12), exact for a complete reply.
    The hypotheses are the complete replies that were reached, best first; none if no simulation ended one.
    """
    room = room_for(scorer, prompt, max_tokens)
    state, log_pi = scorer.start(prompt)
    tree, root, seen = SearchTree(), _State(-1, state, log_pi[0]), []
    ended: dict[int, float] = {}
    for _ in range(simulations):
        path = [root]
        while path[-1].log_pi is not None:
            token = _select(path[-1], seen, c)
            child = path[-1].children.get(token)
            if child is None:
                child = _expand(scorer, prompt, tree, path[-1], token, room)
                path.append(child)
                break
            path.append(child)
        found = value(tree.tokens(path[-1].node))
        seen.append(found)
        if path[-1].node >= 0 and tree.nodes[path[-1].node].status == "finished":
            ended[path[-1].node] = found
        for visited in path:
            visited.visits += 1
            visited.total += found
    best = sorted(ended, key=lambda node: -ended[node])
    return Search([tree.hypothesis(node, ended[node]) for node in best], tree)


def _select(state: _State, seen: list[float], c: float) -> int:
    """The token with the largest PUCT score; an unvisited one counts as worth the mean of its state."""
    low, high = (min(seen), max(seen)) if seen else (0.0, 1.0)
    span = max(high - low, 1e-12)
    default = (state.total / state.visits - low) / span if state.visits else 0.0
    Q = torch.full_like(state.log_pi, default)
    n = torch.zeros_like(state.log_pi)
    for token, child in state.children.items():
        Q[token] = (child.total / child.visits - low) / span
        n[token] = child.visits
    puct = Q + c * state.log_pi.exp() * max(state.visits, 1) ** 0.5 / (1 + n)
    return int(puct.masked_fill(state.log_pi == -torch.inf, -torch.inf).argmax())


def _expand(scorer: Scorer, prompt: Tokens, tree: SearchTree, state: _State, token: int, room: int) -> _State:
    """The state after `token`, added to the tree; a reply without room is cut there."""
    log_p = float(state.log_pi[token])
    step = len(tree.path(state.node)) + 1
    ended = _ends(scorer, prompt, token, step)
    node = Node(state.node, token, log_p, tree.sum_log_pi(state.node) + log_p, step)
    node.status = "finished" if ended else "kept"
    index, log_pi, after = tree.add(node), None, None
    if not ended and step < room:
        after, log_pi = scorer.step(state.state, torch.tensor([0]), torch.tensor([token]))
        log_pi = log_pi[0]
    state.children[token] = _State(index, after, log_pi)
    return state.children[token]

"""Search over the tokens of one reply: greedy, sampling, beam search, value-guided beam search.

Likelihood search ranks a prefix by sum log pi; value-guided search by sum (r + beta log pi_ref) + V(s)
(eq. 12). With the exact V* and pi* the second is V*(s_0) + beta times the first (eq. 13). Each search
takes a scorer of `scorers`, and returns hypotheses and the tree of all tokens that it looked at.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from dpoq_lab.search.scorers import Scorer
from dpoq_lab.theory.token_mdp import Tokens

Status = Literal["kept", "pruned", "finished"]


@dataclass(frozen=True)
class Hypothesis:
    """A reply: its `tokens` after the prompt, EOS included, their log pi in nats, and the search's `score`.

    It is `finished` if it is a complete trajectory; otherwise it was cut.
    """

    tokens: Tokens
    log_pis: tuple[float, ...]
    finished: bool
    score: float

    @property
    def log_pi(self) -> float:
        """sum_t log pi(a_t|s_t), in nats."""
        return sum(self.log_pis)


@dataclass
class Node:
    """A token that was looked at: the index of its `parent`, -1 for the prompt, and its `step`, from 1."""

    parent: int
    token: int
    log_pi: float
    sum_log_pi: float
    step: int
    status: Status = "pruned"


@dataclass
class SearchTree:
    """Nodes in the order in which they were looked at."""

    nodes: list[Node] = field(default_factory=list)

    def add(self, node: Node) -> int:
        """Append a node and return its index."""
        self.nodes.append(node)
        return len(self.nodes) - 1

    def path(self, index: int) -> list[Node]:
        """The nodes from the first token to node `index`; [] for -1, the prompt."""
        path = []
        while index >= 0:
            path.append(self.nodes[index])
            index = path[-1].parent
        return path[::-1]

    def tokens(self, index: int) -> Tokens:
        """The tokens from the prompt to node `index`."""
        return tuple(node.token for node in self.path(index))

    def sum_log_pi(self, index: int) -> float:
        """sum log pi from the prompt to node `index`; 0 for -1, the prompt."""
        return self.nodes[index].sum_log_pi if index >= 0 else 0.0

    def hypothesis(self, index: int, score: float) -> Hypothesis:
        """The reply that ends in node `index`."""
        path = self.path(index)
        log_pis = tuple(node.log_pi for node in path)
        return Hypothesis(self.tokens(index), log_pis, path[-1].status == "finished", score)


class Search(NamedTuple):
    """The `hypotheses`, best first, and the `tree`."""

    hypotheses: list[Hypothesis]
    tree: SearchTree


def greedy(scorer: Scorer, prompt: Tokens, max_tokens: int) -> Search:
    """The likeliest token each time: a beam of width 1."""
    return beam_search(scorer, prompt, 1, max_tokens, length_penalty=0.0)


def sample(
    scorer: Scorer,
    prompt: Tokens,
    max_tokens: int,
    n: int = 1,
    temperature: float = 1.0,
    top_k: int | None = None,
    generator: torch.Generator | None = None,
) -> Search:
    """`n` replies drawn from pi at `temperature`, cut to the `top_k` likeliest tokens, in the order drawn.

    Their log_pis are those of pi itself, and the score is their sum.
    """
    room = room_for(scorer, prompt, max_tokens)
    state, log_pi = scorer.start(prompt)
    tree, rows, parents = SearchTree(), list(range(n)), [0] * n
    ends = [-1] * n  # the last node of each reply
    for step in range(1, room + 1):
        log_pi = log_pi[parents]  # (open, n_actions)
        kept = _only_top(log_pi, top_k) / temperature
        tokens = torch.multinomial(kept.softmax(-1), 1, generator=generator)[:, 0]
        for i, row in enumerate(rows):
            token, log_p = int(tokens[i]), float(log_pi[i, tokens[i]])
            before = tree.sum_log_pi(ends[row])
            status = "finished" if is_end(scorer, len(prompt) + step, token) else "kept"
            ends[row] = tree.add(Node(ends[row], token, log_p, before + log_p, step, status))
        still = [i for i, row in enumerate(rows) if tree.nodes[ends[row]].status == "kept"]
        if not still or step == room:
            break
        state, log_pi = scorer.step(state, torch.tensor(parents)[still], tokens[still])
        rows, parents = [rows[i] for i in still], list(range(len(still)))
    return Search([tree.hypothesis(end, tree.nodes[end].sum_log_pi) for end in ends], tree)


def _only_top(log_pi: Tensor, top_k: int | None) -> Tensor:
    if top_k is None or top_k >= log_pi.shape[-1]:
        return log_pi
    return log_pi.masked_fill(log_pi < log_pi.topk(top_k, dim=-1).values[:, -1:], -torch.inf)


def room_for(scorer: Scorer, prompt: Tokens, max_tokens: int) -> int:
    """How many tokens a reply can have. Raises ValueError if the prompt leaves room for none."""
    room = max_tokens if scorer.limit is None else min(max_tokens, scorer.limit - len(prompt))
    if room < 1:
        raise ValueError(f"a prompt of {len(prompt)} tokens leaves no room for a reply within {scorer.limit}")
    return room


def is_end(scorer: Scorer, length: int, token: int) -> bool:
    """Whether `token` completes a trajectory of `length` tokens, prompt included."""
    return token == scorer.eos or (scorer.limit_is_terminal and length == scorer.limit)


# the tree, its open nodes, and sum log pi of their continuations (n, n_actions) -> ranks (n, n_actions)
Rank = Callable[[SearchTree, list[int], Tensor], Tensor]
EarlyStopping = Literal[False, True, "never"]


def beam_search(
    scorer: Scorer,
    prompt: Tokens,
    width: int,
    max_tokens: int,
    length_penalty: float = 1.0,
    early_stopping: EarlyStopping = False,
) -> Search:
    """The `width` best replies by sum log pi / length**length_penalty that a beam finds (length with EOS).

    A step looks at the best 2 `width` continuations by sum log pi; one that ends counts if it is among the
    best `width`. Stops when no open reply could still enter: judged at its present length (False), at the
    longest one ("never"), or as soon as `width` replies ended (True). Ties go to the earlier reply and the
    smaller token. Equals transformers' `generate(num_beams=width)`.
    """

    def hopeless(best_open: float, worst_done: float, step: int, room: int) -> bool:
        if width == 1:
            return True  # a greedy reply is over at its EOS, whatever a longer one might score
        length = room if early_stopping == "never" and length_penalty > 0 else step
        return early_stopping is True or best_open / length**length_penalty <= worst_done

    def final(node: Node, rank: float) -> float:
        return rank / node.step**length_penalty

    return _beam(scorer, prompt, width, max_tokens, lambda tree, opened, sums: sums, final, hopeless)


def value_beam(
    scorer: Scorer, value: Callable[[Tokens], float], prompt: Tokens, width: int, max_tokens: int
) -> Search:
    """A beam that ranks every prefix by `value`: sum (r + beta log pi_ref) + V at its end (eq. 12)."""

    def rank(tree: SearchTree, opened: list[int], sums: Tensor) -> Tensor:
        told, exists = [tree.tokens(i) for i in opened], sums > -torch.inf
        ranks = torch.full(sums.shape, -torch.inf, dtype=torch.float64)
        for i, token in exists.nonzero().tolist():
            ranks[i, token] = value((*told[i], token))
        return ranks

    def hopeless(best_open: float, worst_done: float, step: int, room: int) -> bool:
        return best_open <= worst_done

    return _beam(scorer, prompt, width, max_tokens, rank, lambda _, value: value, hopeless)


def _beam(
    scorer: Scorer,
    prompt: Tokens,
    width: int,
    max_tokens: int,
    rank: Rank,
    final: Callable[[Node, float], float],
    hopeless: Callable[[float, float, int, int], bool],
) -> Search:
    """One beam for both rankings: look, add the best to the tree, keep `width` open ones and the ended."""
    room = room_for(scorer, prompt, max_tokens)
    state, log_pi = scorer.start(prompt)
    tree, opened, done = SearchTree(), [-1], []  # done: (score, node), best first
    for step in range(1, room + 1):
        sums = torch.tensor([tree.sum_log_pi(i) for i in opened], dtype=log_pi.dtype)[:, None] + log_pi
        ranks = rank(tree, opened, sums)
        kept = []  # (rank, row, node)
        for place, (row, token, log_p, total, found) in enumerate(_best(2 * width, log_pi, sums, ranks)):
            index = tree.add(node := Node(opened[row], token, log_p, total, step))
            if (ended := is_end(scorer, len(prompt) + step, token)) or step == room:
                if place < width:
                    node.status = "finished" if ended else "kept"
                    done.append((final(node, found), index))
            elif len(kept) < width:
                node.status = "kept"
                kept.append((found, row, index))
        done = sorted(done, key=lambda pair: -pair[0])[:width]
        full = len(done) == width
        if not kept or (full and hopeless(kept[0][0], done[-1][0], step, room)):
            break
        opened = [index for _, _, index in kept]
        parents, tokens = [row for _, row, _ in kept], [tree.nodes[i].token for i in opened]
        state, log_pi = scorer.step(state, torch.tensor(parents), torch.tensor(tokens))
    return Search([tree.hypothesis(index, score) for score, index in done], tree)


def _best(
    n: int, log_pi: Tensor, sums: Tensor, ranks: Tensor
) -> Iterator[tuple[int, int, float, float, float]]:
    """Row, token, log pi, sum log pi and rank of the `n` largest finite ranks (rows, n_actions), best first.

    Ties go by row and token.
    """
    flat = ranks.flatten()
    least = flat.topk(min(n, len(flat))).values[-1]
    near = ((flat >= least) & (flat > -torch.inf)).nonzero()[:, 0]  # ascending, so a stable sort breaks ties
    best = near[flat[near].sort(descending=True, stable=True).indices][:n]
    places = (divmod(i, ranks.shape[-1]) for i in best.tolist())
    columns = [x.flatten()[best].tolist() for x in (log_pi, sums, ranks)]  # three reads, not three a place
    return ((row, token, *told) for (row, token), *told in zip(places, *columns, strict=True))

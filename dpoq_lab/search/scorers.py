"""Next-token scorers: the one thing that a search needs to know of a policy.

`start(prompt)` reads a prompt and returns a state with log pi(.|s_0), (1, n_actions); `step(state, parents,
tokens)` continues row `parents[i]` of the state with `tokens[i]`, both (n,), and returns the new state with
log pi, (n, n_actions), in nats. Rows may repeat or drop out, and the old state stays usable: all that beams
and trees ask. `eos` is the token that ends a reply. A sequence holds at most `limit` tokens, prompt included;
at the limit a tree's trajectory is complete (`limit_is_terminal`), a model's reply is cut.
"""

from copy import copy
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from dpoq_lab.theory.token_mdp import Levels, TokenMDP, Tokens, state_of


class Scorer(Protocol):
    """What every search takes."""

    eos: int
    limit: int | None
    limit_is_terminal: bool

    def start(self, prompt: Tokens) -> tuple[Any, Tensor]:
        """State and log pi(.|s_0), (1, n_actions)."""

    def step(self, state: Any, parents: Tensor, tokens: Tensor) -> tuple[Any, Tensor]:
        """State and log pi, (n, n_actions), after `tokens` (n,) were appended to rows `parents` (n,)."""


class TabularScorer:
    """A policy `pi`, levels (n_t, n_actions), on a tree; float64. A prompt is a prefix, () the root."""

    limit_is_terminal = True

    def __init__(self, mdp: TokenMDP, pi: Levels) -> None:
        mdp.check_shapes("pi", pi)
        self._mdp, self.eos, self.limit = mdp, mdp.n_actions - 1, mdp.horizon
        self._log_pi = [torch.as_tensor(level, dtype=torch.float64).log() for level in pi]

    def start(self, prompt: Tokens = ()) -> tuple[tuple[int, Tensor], Tensor]:
        """State (level, rows of the level) and log pi there, (1, n_actions)."""
        return self._at(len(prompt), torch.tensor([state_of(self._mdp, prompt)]))

    def step(self, state: tuple[int, Tensor], parents: Tensor, tokens: Tensor) -> tuple[Any, Tensor]:
        """Token a leads from state i of level t to state i (n_actions - 1) + a of level t+1."""
        level, rows = state
        return self._at(level + 1, rows[parents] * self.eos + tokens)

    def _at(self, level: int, rows: Tensor) -> tuple[tuple[int, Tensor], Tensor]:
        return (level, rows), self._log_pi[level][rows]


class ModelScorer:
    """A causal language model with a KV cache; float32 log-probabilities, dropout off."""

    limit_is_terminal = False

    def __init__(self, model: PreTrainedModel, eos: int) -> None:
        self.model, self.eos, self.limit = model.eval(), eos, model.config.max_position_embeddings

    @torch.inference_mode()
    def start(self, prompt: Tokens) -> tuple[DynamicCache, Tensor]:
        """The cache of the prompt and log pi of the first token, (1, n_actions)."""
        return self._forward(torch.tensor([list(prompt)]), DynamicCache())

    @torch.inference_mode()
    def step(self, state: DynamicCache, parents: Tensor, tokens: Tensor) -> tuple[DynamicCache, Tensor]:
        """Copy the parents' keys and values, then read one token a row."""
        rows, cache = parents.to(self.model.device), copy(state)
        cache.layers = list(map(copy, state.layers))
        for layer in cache.layers:
            layer.keys, layer.values = layer.keys.index_select(0, rows), layer.values.index_select(0, rows)
        return self._forward(tokens[:, None], cache)

    def _forward(self, ids: Tensor, cache: DynamicCache) -> tuple[DynamicCache, Tensor]:
        out = self.model(ids.to(self.model.device), past_key_values=cache, use_cache=True, logits_to_keep=1)
        return out.past_key_values, out.logits[:, -1].float().log_softmax(-1).cpu()

"""The token MDP on a prefix tree: its states, its trajectories, and exact sums along them.

A state s_t is a prefix of t tokens, an action one of n_actions tokens of which the last is EOS.
A transition is terminal after EOS and, whatever the token, at the horizon: every action of the last
level t = H-1 ends the trajectory. V*(terminal) = 0 and nothing is discounted.

Shapes: level t has n_t = (n_actions - 1)**t states; one per token is a list of H arrays (n_t, n_actions),
one per state a list of H arrays (n_t,). Any other token a leads from state i of level t to state
i * (n_actions - 1) + a of level t+1. The N trajectories are ordered by the level at which they end, then by
state, then by token.
All arrays are float64, all logarithms natural, all costs linear in the number of states.

A disallowed action has pi_ref = 0, Q* = -inf, pi* = 0; its reward is ignored and its log-ratio is 0.
At a chance node nature moves (a user, a tool), not the policy: pi_ref holds its probabilities, which no
policy can change. A deterministic tree has none.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

Levels = list[np.ndarray]
Tokens = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class TokenMDP:
    """A prefix tree with its reference policy `pi_ref`, levels (n_t, n_actions), and temperature `beta` > 0.

    `allowed` marks with True the actions that exist; without it every action does, and a zero in
    `pi_ref` is an error. `chance` marks with True the states at which nature moves, levels (n_t,); without it
    there is none.
    Raises ValueError, naming level and state, for anything that is not such a tree.
    """

    pi_ref: Levels
    beta: float
    allowed: Levels = field(default_factory=list)
    chance: Levels = field(default_factory=list)

    def __post_init__(self) -> None:
        if not (np.isfinite(self.beta) and self.beta > 0):
            raise ValueError(f"beta is {self.beta}; it must be a positive number")
        if len(self.pi_ref) < 1:
            raise ValueError("the horizon is 0; a tree needs at least one level")
        pi_ref = [np.asarray(level, dtype=np.float64) for level in self.pi_ref]
        if pi_ref[0].ndim != 2 or pi_ref[0].shape[1] < 2:
            raise ValueError(f"pi_ref level 0: shape {pi_ref[0].shape}; a vocabulary needs EOS and a token")
        object.__setattr__(self, "pi_ref", pi_ref)
        self.check_shapes("pi_ref", pi_ref)
        every = [np.ones(level.shape, dtype=bool) for level in pi_ref]
        allowed = [np.asarray(level, dtype=bool) for level in self.allowed] or every
        object.__setattr__(self, "allowed", allowed)
        self.check_shapes("allowed", allowed)
        _check_policy("pi_ref", pi_ref, allowed)
        none = [np.zeros(len(level), dtype=bool) for level in pi_ref]
        chance = [np.asarray(level, dtype=bool) for level in self.chance] or none
        if [level.shape for level in chance] != [level.shape for level in none]:
            found, expected = ([level.shape for level in levels] for levels in (chance, none))
            raise ValueError(f"chance has shapes {found}; expected {expected}")
        object.__setattr__(self, "chance", chance)

    @property
    def n_actions(self) -> int:
        """The number of tokens, EOS included."""
        return self.pi_ref[0].shape[1]

    @property
    def horizon(self) -> int:
        """H, the number of levels and the length of the longest trajectory."""
        return len(self.pi_ref)

    @property
    def n_states(self) -> int:
        """The number of non-terminal states."""
        return sum(len(level) for level in self.pi_ref)

    @property
    def n_trajectories(self) -> int:
        """N, the number of complete trajectories, those through disallowed actions included."""
        return sum(len(level) for level in self.pi_ref[:-1]) + self.pi_ref[-1].size

    def check_shapes(self, name: str, x: Sequence[np.ndarray]) -> None:
        """Raise ValueError unless `x` has H levels (n_t, n_actions)."""
        if len(x) != self.horizon:
            raise ValueError(f"{name} has {len(x)} levels; the horizon is {self.horizon}")
        for t, (level, expected) in enumerate(zip(x, _shapes(self.n_actions, self.horizon), strict=True)):
            if np.shape(level) != expected:
                raise ValueError(f"{name} level {t}: shape {np.shape(level)}, expected {expected}")

    def check_values(self, name: str, x: Sequence[np.ndarray]) -> None:
        """Raise ValueError unless `x` has H levels (n_t, n_actions), finite at every allowed action."""
        self.check_shapes(name, x)
        for t, (level, allowed) in enumerate(zip(x, self.allowed, strict=True)):
            _refuse(name, t, ~np.isfinite(level) & allowed, level, "not a finite number")


def _shapes(n_actions: int, horizon: int) -> list[tuple[int, int]]:
    return [(max(n_actions - 1, 0) ** t, n_actions) for t in range(horizon)]


def _check_policy(name: str, pi: Levels, allowed: Levels) -> None:
    for t, (level, mask) in enumerate(zip(pi, allowed, strict=True)):
        _refuse(name, t, ~np.isfinite(level) | (level < 0), level, "not a probability")
        _refuse(name, t, (level == 0) & mask, level, "zero where an action is allowed")
        _refuse(name, t, (level > 0) & ~mask, level, "positive where an action is disallowed")
        total = level.sum(axis=1)
        if (wrong := np.flatnonzero(abs(total - 1) > 1e-9)).size:
            raise ValueError(f"{name} level {t} state {wrong[0]}: sums to {total[wrong[0]]:.12g}, not 1")


def _refuse(name: str, t: int, wrong: np.ndarray, level: np.ndarray, why: str) -> None:
    if wrong.any():
        i, a = np.argwhere(wrong)[0]
        raise ValueError(f"{name} level {t} state {i} action {a}: {level[i, a]} is {why}")


# Trees and their trajectories.


def uniform_tree(n_actions: int, horizon: int, beta: float) -> TokenMDP:
    """The tree with pi_ref = 1 / n_actions everywhere."""
    return TokenMDP([np.ones(shape) / n_actions for shape in _shapes(n_actions, horizon)], beta)


def random_tree(
    n_actions: int,
    horizon: int,
    beta: float,
    seed: int,
    chance: Collection[int] = (),
    forbidden: float = 0.0,
    nature: float = 0.0,
) -> TokenMDP:
    """A tree with pi_ref = softmax of standard normal logits.

    After level 0 each token but EOS is disallowed with probability `forbidden`. At the levels `chance` nature
    moves, and elsewhere in each state with probability `nature`.
    """
    rng = stream(seed, "tree")
    pi_ref, allowed = [], []
    for shape in _shapes(n_actions, horizon):
        logits = rng.standard_normal(shape)
        mask = rng.random(shape) >= (forbidden if pi_ref else 0)
        mask[:, -1:] = True
        weight = np.exp(logits) * mask
        pi_ref.append(weight / weight.sum(axis=1, keepdims=True))
        allowed.append(mask)
    coin = stream(seed, "nature")
    moves = [(coin.random(len(level)) < nature) | (t in chance) for t, level in enumerate(pi_ref)]
    return TokenMDP(pi_ref, beta, allowed, moves)


def stream(seed: int, what: str) -> np.random.Generator:
    """Random numbers for `what` alone: other things drawn with the same seed do not depend on them."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(what.encode())))


def random_reward(mdp: TokenMDP, seed: int, scale: float = 1.0) -> Levels:
    """A normal reward of standard deviation `scale` for each token, levels (n_t, n_actions)."""
    rng = stream(seed, "reward")
    return [scale * rng.standard_normal(level.shape) for level in mdp.pi_ref]


def join_prompts(trees: Sequence[TokenMDP], rewards: Sequence[Levels]) -> tuple[TokenMDP, Levels]:
    """One tree whose level 0 is the draw of a prompt, uniform over `trees`, and its reward, 0 there.

    Token a of level 0 leads to the root of tree a: rho_0 is a chance node. The trees share
    n_actions, H and beta; there are at most n_actions - 1. Raises ValueError otherwise.
    """
    n_actions, H, beta = trees[0].n_actions, trees[0].horizon, trees[0].beta
    if any((tree.n_actions, tree.horizon, tree.beta) != (n_actions, H, beta) for tree in trees):
        raise ValueError("the trees of several prompts must share vocabulary, horizon and beta")
    if len(trees) >= n_actions:
        raise ValueError(f"{len(trees)} prompts; a vocabulary of {n_actions} has room for {n_actions - 1}")
    spare = n_actions - 1 - len(trees)  # the unused prompts are disallowed copies of the first
    trees, rewards = [*trees, *[trees[0]] * spare], [*rewards, *[rewards[0]] * spare]
    exists = np.arange(n_actions)[None] < len(trees)
    mdp = TokenMDP(
        [exists / exists.sum(), *_stack([tree.pi_ref for tree in trees])],
        beta,
        [exists, *_stack([tree.allowed for tree in trees])],
        [np.array([True]), *_stack([tree.chance for tree in trees])],
    )
    return mdp, [np.zeros((1, n_actions)), *_stack(rewards)]


def _stack(levels: Sequence[Levels]) -> Levels:
    return [np.concatenate(level) for level in zip(*levels, strict=True)]


def prefix(mdp: TokenMDP, t: int, i: int) -> tuple[int, ...]:
    """The t tokens that lead from s_0 to state `i` of level `t`."""
    base = mdp.n_actions - 1
    return tuple(int(i) // base ** (t - 1 - k) % base for k in range(t))


def state_of(mdp: TokenMDP, tokens: Sequence[int]) -> int:
    """The state of level len(tokens) that `tokens`, none of them EOS, lead to: the inverse of `prefix`."""
    i = 0
    for token in tokens:
        i = i * (mdp.n_actions - 1) + token
    return i


@dataclass(frozen=True, eq=False)
class Trajectories:
    """All complete trajectories: `tokens` and visited `states`, both (N, H) with -1 after the end, and
    `lengths` (N,), the number of actions, the ending one included."""

    tokens: np.ndarray
    states: np.ndarray
    lengths: np.ndarray


def trajectories(mdp: TokenMDP) -> Trajectories:
    """Every complete trajectory, in the order of `trajectory_sums`; memory N * H."""
    H, base = mdp.horizon, mdp.n_actions - 1
    tokens, states = (np.full((mdp.n_trajectories, H), -1) for _ in range(2))
    lengths = np.empty(mdp.n_trajectories, dtype=int)
    start = 0
    for t, level in enumerate(mdp.pi_ref):
        i = np.arange(len(level)) if t < H - 1 else np.repeat(np.arange(len(level)), mdp.n_actions)
        rows = slice(start, start + len(i))
        for k in range(t + 1):
            states[rows, k] = i // base ** (t - k)
            tokens[rows, k] = i // base ** (t - 1 - k) % base if k < t else mdp.n_actions - 1
        lengths[rows] = t + 1
        start += len(i)
    tokens[-mdp.pi_ref[-1].size :, H - 1] = np.tile(np.arange(mdp.n_actions), len(mdp.pi_ref[-1]))
    return Trajectories(tokens, states, lengths)


# Sums along the tree.


def prefix_sums(x: Levels) -> Levels:
    """sum_{k<t} x(s_k, a_k) on the way to each state, levels (n_t,)."""
    sums = [np.zeros(1)]
    for level in x[:-1]:
        sums.append((sums[-1][:, None] + level[:, :-1]).ravel())
    return sums


def trajectory_sums(x: Levels) -> np.ndarray:
    """sum_t x(s_t, a_t) over each complete trajectory, (N,): the return R if x is r."""
    sums = prefix_sums(x)
    ended = [before + level[:, -1] for before, level in zip(sums[:-1], x[:-1], strict=True)]
    return np.concatenate([*ended, (sums[-1][:, None] + x[-1]).ravel()])


def at_endings(mdp: TokenMDP, values: float | np.ndarray) -> Levels:
    """(N,) values of the terminal states as levels (n_t, 1) under EOS, (n_{H-1}, n_actions) at the end."""
    values = np.broadcast_to(np.asarray(values, dtype=np.float64), (mdp.n_trajectories,))
    parts = np.split(values, np.cumsum([len(level) for level in mdp.pi_ref[:-1]]))
    return [part.reshape(len(level), -1) for part, level in zip(parts, mdp.pi_ref, strict=True)]


def next_value(mdp: TokenMDP, t: int, after: np.ndarray, ending: float | np.ndarray = 0.0) -> np.ndarray:
    """x(s_{t+1}) of each token of level `t`, (n_t, n_actions), from x at level t+1, `after` (n_{t+1},).

    `ending` is x at the terminal states that follow level `t`; at the last level `after` is not read.
    """
    x = np.broadcast_to(ending, mdp.pi_ref[t].shape).astype(np.float64)
    if t < mdp.horizon - 1:
        x[:, :-1] = after.reshape(len(x), -1)
    return x


def next_values(mdp: TokenMDP, x: Levels, terminal: float | np.ndarray = 0.0) -> Levels:
    """x(s_{t+1}) of each token, levels (n_t, n_actions), for x with levels (n_t,).

    `terminal` is x at the terminal states: a number, or (N,) in the order of the trajectories.
    """
    endings = at_endings(mdp, terminal)
    return [next_value(mdp, t, x[min(t + 1, mdp.horizon - 1)], end) for t, end in enumerate(endings)]


def terminal_only(mdp: TokenMDP, r: Levels) -> Levels:
    """The reward that pays the whole return of `r` at the last token and nothing before."""
    endings = at_endings(mdp, trajectory_sums(r))
    inner = [np.pad(end, ((0, 0), (mdp.n_actions - 1, 0))) for end in endings[:-1]]
    return [*inner, endings[-1]]


def flat(levels: Levels) -> np.ndarray:
    """The levels of a quantity per state or token as one array, (S,) or (E,)."""
    return np.concatenate([level.ravel() for level in levels])


def levels(mdp: TokenMDP, x: np.ndarray) -> Levels:
    """An array (E,) as levels (n_t, n_actions); the inverse of `flat`."""
    ends = np.cumsum([level.size for level in mdp.pi_ref])
    return [part.reshape(-1, mdp.n_actions) for part in np.split(x, ends[:-1])]


def state_names(mdp: TokenMDP, words: Sequence[str]) -> list[str]:
    """The words that lead to each state, (S,); s_0 for the root."""
    prefixes = [prefix(mdp, t, i) for t, level in enumerate(mdp.pi_ref) for i in range(len(level))]
    return [" ".join(words[a] for a in tokens) or "s_0" for tokens in prefixes]


def reply_names(mdp: TokenMDP, words: Sequence[str]) -> list[str]:
    """The words of each complete reply, (N,)."""
    every: list[list[int]] = trajectories(mdp).tokens.tolist()
    return [" ".join(words[a] for a in tokens if a >= 0) for tokens in every]


def largest(x: Levels, y: Levels) -> float:
    """The largest absolute difference of two quantities given by levels."""
    return max(float(abs(a - b).max()) for a, b in zip(x, y, strict=True))

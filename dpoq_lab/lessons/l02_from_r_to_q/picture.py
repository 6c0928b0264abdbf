"""Lesson 02's picture: a constant is added to every Q of one state, and travels through the tree."""

import numpy as np

from dpoq_lab.lessons.l02_from_r_to_q.explorer import edge_into
from dpoq_lab.theory.example_trees import PROMPT, WORDS, mushroom_tree
from dpoq_lab.theory.soft_bellman import Solution, reward_from_q, solve
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, flat, trajectories, trajectory_sums
from dpoq_lab.views.charts import label
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.trees import TreeLabels, edge_words, tree_figure

C = 1.0  # what is added to every Q of a state
STATE = 1  # "not"; 0 is the root
TITLE = 20  # pixels, of the line above a tree
ARROW = " \u2192 "
ALT = (
    f"Two trees of replies to: {PROMPT} Q, pi and the implied reward r on each token, V in each state, R at "
    "each end. Above, a constant is added to Q at the state 'not'; below, at the root"
)
LINES = (
    "Logits as Q, and the one reward r for which they are optimal. Next: a constant on every Q of 'not'.",
    "The three Q at 'not' rise by 1. What else does?",
    "V, their soft maximum, rises by 1 too. So Q - V stays, and \u03c0 with it: sampling sees nothing.",
    "Each reward OUT of 'not' contains its own Q: it rises by 1.",
    "The reward INTO 'not' subtracts its V: it falls by 1.",
    "Every reply through 'not' takes that edge in and one edge out: no return R moves.",
    "At the root there is no edge in: every return rises by 1. Still \u03c0 does not move, nor a preference.",
)
_DONE = ("Q +1", "V +1, \u03c0 stays", "r out +1", "r in \u22121", "returns stay")
AT_STATE = (
    "The state \u2018not\u2019 (thick frame): nothing is added yet",
    *(f"A constant of 1 at \u2018not\u2019: {'; '.join(_DONE[:n])}" for n in range(1, 6)),
)
AT_ROOT = (
    "The root: nothing is added yet (a square: all replies that begin so)",
    "A constant of 1 at the root: Q +1; V +1, \u03c0 stays; r out +1; no edge in; every return +1",
)


def frames() -> list[Figure]:
    """The constant at 'not', step by step; last, the constant at the root, in the tree below."""
    mdp, Q = two_tokens()
    last = len(AT_STATE) - 1
    return [
        _stacked(_tree(mdp, Q, min(step, last)), _root(mdp, Q, step > last), step, LINES[step])
        for step in range(len(LINES))
    ]


def two_tokens() -> tuple[TokenMDP, Levels]:
    """Lesson 01's tree cut to replies of two tokens, and its Q* at beta 1, levels (n_t, n_actions)."""
    whole, r = mushroom_tree(1.0)
    mdp = TokenMDP(whole.pi_ref[:2], whole.beta)
    return mdp, solve(mdp, r[:2]).Q


def shifted(mdp: TokenMDP, Q: Levels, state: int, c: float) -> tuple[Levels, Solution]:
    """The reward of which `Q` with `c` added at `state`, 0..S-1, is the optimum, and that optimum."""
    states = np.repeat(np.arange(mdp.n_states), mdp.n_actions)
    moved, first = [], 0
    for level in Q:
        here = states[first : first + level.size].reshape(level.shape) == state
        moved.append(level + c * here)
        first += level.size
    r = reward_from_q(mdp, moved)
    return r, solve(mdp, r)


def _tree(mdp: TokenMDP, Q: Levels, step: int) -> Figure:
    """The tree after `step` of AT_STATE; what is not worked out yet is a question mark."""
    (r_0, before), (r_1, after) = shifted(mdp, Q, STATE, 0.0), shifted(mdp, Q, STATE, C)
    out = np.repeat(np.arange(mdp.n_states), mdp.n_actions) == STATE
    into = np.arange(out.size) == edge_into(mdp, STATE)
    touched, known = out | into, step in (0, 5) or (out & (step >= 3)) | (into & (step >= 4))
    q = [_moved("Q", *pair, step >= 1) for pair in zip(flat(before.Q), flat(after.Q), strict=True)]
    pi = ["?" if o and step == 1 else f"{p:.2f}" for o, p in zip(out, flat(before.pi), strict=True)]
    is_open = touched & ~np.broadcast_to(known, out.shape)
    pays = [
        "r ?" if o else _moved("r", *pair, step >= 1)
        for o, pair in zip(is_open, zip(flat(r_0), flat(r_1), strict=True), strict=True)
    ]
    V = [signed(v) for v in flat(after.V if step >= 2 else before.V)]
    if step == 1:
        V[STATE] = "?"
    labels = TreeLabels(
        words=edge_words(mdp, WORDS),
        above=[f"{a}, \u03c0 {b}".ljust(24) for a, b in zip(q, pi, strict=True)],
        below=pays,
        value="V",
        states=V,
        endings=_endings(mdp, r_0, r_1, step),
        width=flat(before.pi),
        change=(flat(r_1) - flat(r_0)) * (step > 0),
        open=is_open,
        marked=STATE,
    )
    return tree_figure(mdp, labels, ALT, AT_STATE[step])


def _endings(mdp: TokenMDP, r_0: Levels, r_1: Levels, step: int) -> list[str]:
    """R of each reply; of those through STATE open until the rewards on both sides are known."""
    through = trajectories(mdp).tokens[:, 0] == STATE - 1
    pairs = zip(through, trajectory_sums(r_0), trajectory_sums(r_1), strict=True)
    texts = []
    for on_it, R_0, R_1 in pairs:
        stays = (
            "" if step < 5 or not on_it else ", stays" if abs(R_1 - R_0) < 1e-9 else f"{ARROW}{signed(R_1)}"
        )
        texts.append("R ?" if on_it and 0 < step < 5 else f"R {signed(R_0)}{stays}")
    return [text.ljust(22) for text in texts]


def _root(mdp: TokenMDP, Q: Levels, moved: bool) -> Figure:
    """The first tokens alone, before and after the constant at the root."""
    (r_0, before), (r_1, after) = shifted(mdp, Q, 0, 0.0), shifted(mdp, Q, 0, C)
    gain = (trajectory_sums(r_1) - trajectory_sums(r_0)) * moved
    first = trajectories(mdp).tokens[:, 0]
    every = [gain[first == a] for a in range(mdp.n_actions)]
    assert all(np.ptp(one) < 1e-9 for one in every)
    names = [f"all {len(one)} replies" if len(one) > 1 else "the reply" for one in every]
    top = TokenMDP(mdp.pi_ref[:1], mdp.beta)
    q = [_moved("Q", *pair, moved) for pair in zip(before.Q[0][0], after.Q[0][0], strict=True)]
    labels = TreeLabels(
        words=edge_words(top, WORDS),
        above=[f"{a}, \u03c0 {p:.2f}".ljust(24) for a, p in zip(q, before.pi[0][0], strict=True)],
        below=[_moved("r", *pair, moved) for pair in zip(r_0[0][0], r_1[0][0], strict=True)],
        value="V",
        states=[signed((after if moved else before).V[0][0])],
        endings=[
            f"{name}: R rises by {one[0]:.2f}" if moved else name
            for name, one in zip(names, every, strict=True)
        ],
        width=before.pi[0][0],
        change=(r_1[0][0] - r_0[0][0]) * moved,
        marked=0,
    )
    return tree_figure(top, labels, ALT, AT_ROOT[moved])


def _moved(name: str, before: float, after: float, shown: bool) -> str:
    """'Q +1.00', or 'Q +1.00 -> +2.00' where it moved and that is to be shown."""
    arrow = f"{ARROW}{signed(after)}" if shown and abs(after - before) > 1e-9 else ""
    return f"{name} {signed(before)}{arrow}"


def _stacked(above: Figure, below: Figure, step: int, reading: str) -> Figure:
    """Both trees with their titles, one above the other."""
    at = TITLE + above.height
    parts = [
        label(2, 14, above.reading, kind="word"),
        f'<g transform="translate(0,{TITLE})">{above.body}</g>',
        label(2, at + 14, below.reading, kind="word"),
        f'<g transform="translate(0,{at + TITLE:g})">{below.body}</g>',
    ]
    data = {"at not": above.data["labels"], "at the root": below.data["labels"], "step": step}
    return Figure("".join(parts), above.width, at + TITLE + below.height, ALT, reading, data)

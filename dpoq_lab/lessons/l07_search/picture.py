"""Lesson 07's picture: two beams on one tree, one guided by V*, one by a value that dislikes a word."""

import numpy as np

from dpoq_lab.lessons.l07_search.theory import Beam, beam_steps
from dpoq_lab.theory.example_trees import PROMPT, WORDS, mushroom_tree
from dpoq_lab.theory.search_values import value_objective
from dpoq_lab.theory.soft_bellman import solve
from dpoq_lab.theory.token_mdp import Levels, TokenMDP, Tokens, trajectory_sums
from dpoq_lab.views.charts import Look, label, path, symbol
from dpoq_lab.views.figures import Figure, beside
from dpoq_lab.views.token_view import signed
from dpoq_lab.views.trees import tree_rows

WIDTH, DISLIKE = 2, 4.0  # of both beams; what the wrong value takes off wherever "not" was said
COLUMN, BEND, ROW, TOP = 136, 34, 25, 48  # pixels
LOOKS = {
    "kept": Look("more"),
    "dropped": Look("less", "7 5"),
    "": Look("grey", "1 5"),
}
ALT = (
    f"The tree of replies to {PROMPT} twice, with the beam that V* guides on the left and the one that a "
    "wrong value guides on the right: kept tokens solid, dropped thin and dashed, R of each reply at its end"
)
LINES = (
    "Nothing is looked at yet. The best reply is 'not safe', R +2; beside each end stands what it is worth.",
    "One token: here they part. Left 'not' ranks first, though it pays nothing; right it is dropped.",
    "Two tokens: left goes on with 'not safe'. Right holds two ended replies, and is done.",
    "Left ends with 'not safe', R +2; right with 'safe', R -1. One rule, one width: the value alone differs.",
)


def disliked(mdp: TokenMDP, V: Levels) -> Levels:
    """V less DISLIKE in every state whose prefix says token 0, "not"; levels (n_t,)."""
    said, found = np.array([False]), []
    for level in V:
        found.append(level - DISLIKE * said)
        said = np.repeat(said, mdp.n_actions - 1) | np.tile(np.arange(mdp.n_actions - 1) == 0, len(said))
    return found


def searched(beta: float = 1.0) -> tuple[TokenMDP, np.ndarray, list[tuple[list[Beam], Levels]]]:
    """The tree, R of each reply (N,), and both beams by step with what they rank prefixes by, eq. (12)."""
    mdp, r = mushroom_tree(beta)
    solution = solve(mdp, r)
    found = []
    for V in (solution.V, disliked(mdp, solution.V)):
        ranks = value_objective(mdp, r, V)
        found.append((beam_steps(ranks, WIDTH), ranks))
    return mdp, trajectory_sums(r), found


def frames() -> list[Figure]:
    """Nothing looked at, then one step more at a time, the ends in the last."""
    mdp, R, (left, right) = searched()
    titles = ("guided by V*", f"guided by a wrong V: {DISLIKE:g} too low wherever 'not' was said")
    shown = []
    for step, reading in enumerate(LINES):
        panels = [
            _panel(mdp, R, beams, ranks, step, title)
            for (beams, ranks), title in zip((left, right), titles, strict=True)
        ]
        figure = beside(*panels, alt=ALT, reading=reading.replace("R -1", "R \u22121"), gap=34)
        data = {side: panel.data for side, panel in zip(("left", "right"), panels, strict=True)}
        shown.append(Figure(figure.body, figure.width, figure.height, ALT, figure.reading, data))
    return shown


def statuses(mdp: TokenMDP, beams: list[Beam], step: int) -> dict[Tokens, str]:
    """What became of every prefix that was looked at up to `step`: "kept" or "dropped"."""
    found: dict[Tokens, str] = {}
    before: list[Tokens] = [()]
    for t, beam in enumerate(beams[:step]):
        going = [tokens for tokens in before if len(tokens) == t and not _ended(mdp, tokens)]
        before = [hypothesis.tokens for hypothesis in beam]
        looked_at = [(*tokens, a) for tokens in going for a in range(mdp.n_actions)]
        found |= {tokens: "kept" if tokens in before else "dropped" for tokens in looked_at}
    return found


def _ended(mdp: TokenMDP, tokens: Tokens) -> bool:
    return len(tokens) == mdp.horizon or (len(tokens) > 0 and tokens[-1] == mdp.n_actions - 1)


def _panel(mdp: TokenMDP, R: np.ndarray, beams: list[Beam], ranks: Levels, step: int, title: str) -> Figure:
    """One tree up to `step`; `data` has the statuses, and the reply that is found once the search is over."""
    status, best = statuses(mdp, beams, step), beams[-1][0].tokens
    over = step > 0 and all(hypothesis.ended for hypothesis in beams[step - 1])
    states, ends = tree_rows(mdp)
    body = [label(8, 22, title, "start", "word")]
    for t, level in enumerate(ends):
        for i, a in np.ndindex(level.shape):
            tokens = (*_prefix(mdp, t, i), a)
            found = status.get(tokens, "")
            start, end = (10 + COLUMN * t, states[t][i]), (10 + COLUMN * (t + 1), level[i, a])
            on_answer = over and tokens == best[: t + 1]
            rank = signed(ranks[t][i, a]) if found else ""
            body.append(_edge(WORDS[a], rank, found, start, end, on_answer))
    for (tokens, row), paid in zip(_endings(mdp, ends), R, strict=True):
        answer = over and tokens == best
        x, y = 10 + COLUMN * len(tokens), TOP + ROW * row
        mark = Look("more" if paid > 0 else "less", "", "star") if answer else Look("grey", "", "square")
        body.append(symbol(x, y, mark, 7 if answer else 3, "dpoq-dot fill"))
        text = f"R {signed(paid)[:-3]}"
        body.append(
            label(
                x + (20 if answer else 14),
                y + (5 if len(tokens) == mdp.horizon else 1),
                text,
                "start",
                "word" if answer else "quiet",
            )
        )
    data = {"status": status, "answer": best if over else None}
    return Figure("".join(body), 10 + COLUMN * mdp.horizon + 64, TOP + ROW * len(R) - 10, title, title, data)


def _prefix(mdp: TokenMDP, t: int, i: int) -> Tokens:
    """The tokens that lead to state i of level t."""
    tokens: Tokens = ()
    for _ in range(t):
        i, a = divmod(i, mdp.n_actions - 1)
        tokens = (a, *tokens)
    return tokens


def _endings(mdp: TokenMDP, ends: Levels) -> list[tuple[Tokens, float]]:
    """The tokens and the row of every reply, in the order of `trajectories`."""
    return [
        ((*_prefix(mdp, t, i), a), float(level[i, a]))
        for t, level in enumerate(ends)
        for i, a in np.ndindex(level.shape)
        if t == mdp.horizon - 1 or a == mdp.n_actions - 1
    ]


def _edge(
    word: str, rank: str, status: str, start: tuple[float, float], end: tuple[float, float], on_answer: bool
) -> str:
    """A token from its state to what it leads to; pixels across and row."""
    (x0, row0), (x1, row1) = start, end
    y0, y1 = TOP + ROW * row0, TOP + ROW * row1
    curve = f"M{x0} {y0:.1f}C{x0 + BEND} {y0:.1f} {x0} {y1:.1f} {x0 + BEND} {y1:.1f}H{x1}"
    thick = 6 if on_answer else 3.5 if status == "kept" else 1.5
    drawn = path(curve, LOOKS[status], thick)
    kind = "quiet" if status != "kept" else "word"
    return drawn + label(x0 + BEND + 4, y1 - 5, f"{word} {rank}".strip(), "start", kind)

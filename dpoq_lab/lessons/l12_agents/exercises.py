"""The exercises of lesson 12: solutions, cases, and the mistakes that are named."""

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

from dpoq_lab.lessons.check import Case, Exercise, checker

Turns = Sequence[tuple[str, Sequence[str]]]  # a role and its words
Node = tuple | None  # who moves, and the branches: (probability, what is paid, the node after it)


def action_mask(turns: Turns) -> list[bool]:
    """True at the tokens that the model chose: its words and the EOS that ends each of its turns."""
    mask: list[bool] = []
    for role, words in turns:
        own = role == "assistant"
        mask += [own] * (len(words) + own)
    return mask


def luck(tree: tuple, path: Sequence[int], beta: float) -> float:
    """The luck of a trajectory: over its moves of the tool, the sum of what they pay and V*(s') less V*(s).
    V* is a soft maximum under pi_ref where the model moves and a mean where the tool does."""
    return _luck(tree, path, beta)


def _luck(
    tree: tuple,
    path: Sequence[int],
    beta: float,
    soft_tool: bool = False,
    mean_model: bool = False,
    of: tuple[str, ...] = ("tool",),
    paid: bool = True,
    weighted: bool = True,
    first: bool = False,
) -> float:
    def value(node: Node) -> float:
        if node is None:
            return 0.0
        who, branches = node
        p = np.array([branch[0] for branch in branches])
        Q = np.array([branch[1] + value(branch[2]) for branch in branches])
        if (who == "tool" and not soft_tool) or (who == "model" and mean_model):
            return float(p @ Q)
        return float(beta * logsumexp(Q / beta, b=p if weighted else np.ones_like(p)))

    total, node = 0.0, tree
    for k in path:
        who, branches = node
        _, pays, after = branches[k]
        if who in of and not (first and total):
            total += pays * paid + value(after) - value(node)
        node = after
    return total


def paid_words(
    words: Sequence[Sequence[str]], r_hat: Sequence[np.ndarray], actions: Sequence[Sequence[bool]]
) -> dict[str, float]:
    """The mean r_hat of each word that stands where it is no action, by word."""
    found: dict[str, list[float]] = {}
    for some, values, chosen in zip(words, r_hat, actions, strict=True):
        for word, value, own in zip(some, values, chosen, strict=True):
            if not own:
                found.setdefault(word, []).append(value)
    return {word: float(np.mean(values)) for word, values in found.items()}


CALL: Turns = [
    ("assistant", ["well", "call", "Dora"]),
    ("tool", ["busy"]),
    ("assistant", ["say", "unsure"]),
]
TURNS: list[Case] = [
    ([("assistant", ["say", "4"])],),
    (CALL,),
    ([("assistant", ["When"]), ("user", ["at", "six"]), *CALL[:2], ("assistant", ["no"])],),
]

END = None
TOLD = ("model", [(0.5, 2.0, END), (0.5, 0.0, END)])
TREES: list[Case] = [
    (("tool", [(0.25, 1.0, END), (0.75, 0.0, END)]), [0], 1.0),
    (
        ("model", [(0.4, 0.0, ("tool", [(0.2, -1.0, TOLD), (0.8, 0.5, END)])), (0.6, 1.0, END)]),
        [0, 0, 1],
        0.5,
    ),
    (
        ("model", [(0.4, 0.0, ("tool", [(0.2, -1.0, TOLD), (0.8, 0.5, TOLD)])), (0.6, 1.0, END)]),
        [0, 1, 0],
        2.0,
    ),
    (("model", [(0.4, 0.0, ("tool", [(0.3, 2.0, TOLD), (0.7, 0.0, END)])), (0.6, 1.0, END)]), [1], 0.5),
    (("tool", [(0.3, 0.0, ("tool", [(0.5, 1.0, TOLD), (0.5, 0.0, END)])), (0.7, 0.5, END)]), [0, 1], 1.0),
]
PAID: list[Case] = [
    (
        [["call", "busy", "say"], ["call", "5", "say"]],
        [np.array([0.4, -2.0, 0.3]), np.array([0.6, 0.5, 0.1])],
        [[True, False, True], [True, False, True]],
    ),
    (
        [["busy", "busy"], ["5", "say", "5"], ["busy", "ok", "busy"], ["5"]],
        [np.array([0.7, -1.0]), np.array([0.2, 0.1, 0.9]), np.array([-2.5, 0.3, -1.4]), np.array([0.6])],
        [[True, False], [False, True, True], [False, True, False], [False]],
    ),
]

EXERCISES = {
    "12.1": Exercise(
        action_mask,
        TURNS,
        [
            (
                "the tool's and the user's words are no actions: others wrote them.",
                lambda turns: [True for role, words in turns for _ in [*words, *_eos(role)]],
            ),
            (
                "the EOS that ends a turn of the model is missing: it has chosen it, and it counts.",
                lambda turns: [role == "assistant" for role, words in turns for _ in words],
            ),
            (
                "the model chose the EOS of its turns: True there.",
                lambda turns: [
                    own
                    for role, words in turns
                    for own in [role == "assistant"] * len(words) + [False] * len(_eos(role))
                ],
            ),
            (
                "a user is no assistant: ask for the role assistant, for the words and for the EOS.",
                lambda turns: [
                    role != "tool" for role, words in turns for _ in [*words, *["EOS"][role == "tool" :]]
                ],
            ),
            (
                "that is a list for each turn; return one list, with an entry a token.",
                lambda turns: [action_mask([turn]) for turn in turns],
            ),
            (
                "only the last turn is marked; the decision to call stands in the first.",
                lambda turns: [False] * len(action_mask(turns[:-1])) + [True] * len(action_mask(turns[-1:])),
            ),
            (
                "that is upside down: True is for what the model chose.",
                lambda turns: [not own for own in action_mask(turns)],
            ),
            (
                "the words of others end with no EOS here.",
                lambda turns: [role == "assistant" for role, words in turns for _ in [*words, ""]],
            ),
            (
                "every turn of the model ends with an EOS, not the reply alone.",
                lambda turns: [role == "assistant" for role, words in turns for _ in words] + [True],
            ),
            (
                "a user's words are no actions, and no EOS follows them.",
                lambda turns: [role != "tool" for role, words in turns for _ in [*words, ""]],
            ),
            (
                "a user's words are no actions either: ask for the role assistant, not for all but tool.",
                lambda turns: [role != "tool" for role, words in turns for _ in [*words, *_eos(role)]],
            ),
        ],
    ),
    "12.2": Exercise(
        luck,
        TREES,
        [
            (
                "at the tool's nodes V* is a mean: nobody chooses there.",
                lambda t, p, b: _luck(t, p, b, soft_tool=True),
            ),
            (
                "at the model's nodes V* is beta log E exp(Q/beta), not a mean.",
                lambda t, p, b: _luck(t, p, b, mean_model=True),
            ),
            (
                "the model's moves are no luck: add up the tool's alone.",
                lambda t, p, b: _luck(t, p, b, of=("tool", "model")),
            ),
            ("that is the credit of the model's moves.", lambda t, p, b: _luck(t, p, b, of=("model",))),
            ("the sign is off: a better word than the mean is good luck.", lambda t, p, b: -luck(t, p, b)),
            (
                "what the branch pays belongs to it: paid + V*(s'), less V*(s).",
                lambda t, p, b: _luck(t, p, b, paid=False),
            ),
            ("beta is forgotten in V*.", lambda t, p, b: luck(t, p, 1.0)),
            (
                "what is paid is missing, in V* and on the path.",
                lambda t, p, b: luck(_unpaid(t), p, b),
            ),
            (
                "the probabilities are missing: V* is beta log of the mean under pi_ref, not of the sum.",
                lambda t, p, b: _luck(t, p, b, weighted=False),
            ),
            (
                "V* of the model is a soft maximum; max is the limit beta -> 0.",
                lambda t, p, b: _luck(t, p, 1e-3),
            ),
            (
                "only the tool's first move is counted; add up all of them.",
                lambda t, p, b: _luck(t, p, b, first=True),
            ),
        ],
    ),
    "12.3": Exercise(
        paid_words,
        PAID,
        [
            (
                "the words of the model are in it; ask for those that are no actions.",
                lambda w, r, a: paid_words(w, r, [[False] * len(some) for some in a]),
            ),
            (
                "those are the model's own words; the others are asked for.",
                lambda w, r, a: paid_words(w, r, [[not own for own in some] for some in a]),
            ),
            ("that is the sum over all places; return the mean.", lambda w, r, a: _sums(w, r, a)),
            (
                "r_hat keeps its sign: who was paid, and who had to pay?",
                lambda w, r, a: paid_words(w, [abs(values) for values in r], a),
            ),
            (
                "those are all values of a word; return their mean.",
                lambda w, r, a: _all(w, r, a),
            ),
            (
                "that is a mean of the replies' means; every place counts once.",
                lambda w, r, a: _means_of_means(w, r, a),
            ),
            (
                "a word that comes again replaces what was there; collect all of its values.",
                lambda w, r, a: _last(w, r, a),
            ),
        ],
    ),
}


def _eos(role: str) -> list[str]:
    return ["EOS"] if role == "assistant" else []


def _triples(words: Sequence, r_hat: Sequence, actions: Sequence) -> list[tuple[str, float]]:
    rows = zip(words, r_hat, actions, strict=True)
    return [(word, x) for row in rows for word, x, own in zip(*row, strict=True) if not own]


def _sums(words: Sequence, r_hat: Sequence, actions: Sequence) -> dict[str, float]:
    found: dict[str, float] = {}
    for word, value in _triples(words, r_hat, actions):
        found[word] = found.get(word, 0.0) + value
    return found


def _all(words: Sequence, r_hat: Sequence, actions: Sequence) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for word, value in _triples(words, r_hat, actions):
        found.setdefault(word, []).append(float(value))
    return found


def _means_of_means(words: Sequence, r_hat: Sequence, actions: Sequence) -> dict[str, float]:
    rows = [paid_words(*([one] for one in row)) for row in zip(words, r_hat, actions, strict=True)]
    names = {word for row in rows for word in row}
    return {word: float(np.mean([row[word] for row in rows if word in row])) for word in names}


def _unpaid(node: Node) -> Node:
    return node and (node[0], [(p, 0.0, _unpaid(after)) for p, _, after in node[1]])


def _last(words: Sequence, r_hat: Sequence, actions: Sequence) -> dict[str, float]:
    return dict(_triples(words, r_hat, actions))


check = checker(EXERCISES)

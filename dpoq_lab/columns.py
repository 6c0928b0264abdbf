"""What the columns of a preference record mean, whatever family of data it comes from.

`canonical` gives every record the same few fields. Each column is used, known to describe the pair and not to
condition it (an id, a score, a source), or named: as a FieldError where the pair cannot be read without it,
else among the columns that are not read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dpoq_lab.sources import kind_of


class FieldError(ValueError):
    """A flaw in one field of one record."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class How:
    """How to read a source: the columns of prompt and replies, None: by name; the split and the config of a
    dataset that has several; variables of the chat template for pairs that do not say otherwise."""

    prompt_field: str | None = None
    chosen_field: str | None = None
    rejected_field: str | None = None
    split: str | None = None
    config: str | None = None
    chat_template_kwargs: dict | None = None

    def __post_init__(self) -> None:
        """Raise ValueError if one column is to be two things."""
        named = [name for name in (self.prompt_field, self.chosen_field, self.rejected_field) if name]
        if len(set(named)) < len(named):
            raise ValueError(f"{max(named, key=named.count)} is named as two of prompt, chosen and rejected")


@dataclass
class Canonical:
    """A record by meaning. `prompt` is a string or messages, None if the replies hold it; `plain` says that a
    string is used word for word, and not as a user's message."""

    chosen: Any
    rejected: Any
    prompt: Any = None
    plain: bool = False
    prompt_field: str = "prompt"
    system: str | None = None
    tools: Any = None
    arguments: Any = None
    flaws: dict[str, Any] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    scores: tuple[float, float] | None = None


REPLIES = (
    ("chosen", "rejected"),
    ("chosen_response", "rejected_response"),
    ("response_chosen", "response_rejected"),
    ("chosen_messages", "rejected_messages"),
    ("chosen_answer", "rejected_answer"),
    ("accepted", "rejected"),
    ("preferred", "dispreferred"),
    ("response_j", "response_k"),
    ("winner", "loser"),
    ("better", "worse"),
)
PROMPTS = ("prompt", "question", "query", "instruction", "input", "problem", "user_prompt", "post")
CHATS = ("messages", "conversations", "conversation", "context_messages", "context", "dialogue")
SYSTEMS = ("system", "system_prompt", "system_message")
MEDIA = ("image", "images", "video", "videos", "audio", "audios", "picture", "pictures")
SCORES = (
    ("score_chosen", "score_rejected"),
    ("chosen_score", "rejected_score"),
    ("rating_chosen", "rating_rejected"),
    ("chosen_rating", "rejected_rating"),
    ("chosen_reward", "rejected_reward"),
    ("chosen_avg_rating", "rejected_avg_rating"),
)
DESCRIBES = set(
    "id ids uid uuid idx index hash md5 source sources dataset split subset lang language languages locale "
    "category type topic task tag tags score scores rating ratings rationale rationales reward rewards logp "
    "logps margin model models author authors date time timestamp created url license version status "
    "annotator annotators annotation annotations metadata meta origin original rank label labels preference "
    "domain name generations generation difficulty feedback critique critiques upvotes key keys turns".split()
)


ARGUMENTS = "chat_template_kwargs"  # further variables of the chat template, as TRL calls them
BY_NAME = How()


def canonical(record: Mapping[str, Any], how: How = BY_NAME) -> Canonical:
    """One record by meaning. Raises FieldError naming the column."""
    left = dict(record)
    _refuse_media(left)
    chosen, rejected, rest = _replies(left, how)
    found = Canonical(chosen, rejected, **rest)
    _take_prompt(left, found, how)
    _take_system(left, found)
    found.tools = left.pop("tools", None)
    found.arguments = left.pop(ARGUMENTS, None)
    found.flaws = {f"{side}_flaws": left.pop(f"{side}_flaws", None) for side in ("chosen", "rejected")}
    found.scores = _scores(left)
    found.unread = [name for name, value in left.items() if not _describes(name, value)]
    return found


def _refuse_media(left: dict) -> None:
    for name in MEDIA:
        if left.get(name) not in (None, "", []):
            raise FieldError(name, "pictures and sound are not supported: the reply answers what is not read")
        left.pop(name, None)


# The two replies.


def _replies(left: dict, how: How) -> tuple[Any, Any, dict]:
    """Chosen and rejected, taken out of `left`, and what else the way they are stored settles."""
    named = how.chosen_field or "chosen", how.rejected_field or "rejected"
    if how.chosen_field or how.rejected_field:
        return _taken(left, *named)
    for pair in REPLIES:
        if all(name in left for name in pair):
            return _taken(left, *pair)
    for way in (_swift, _by_label, _by_rank):
        if found := way(left):
            return found
    if "completion" in left or ("response" in left and "label" in left):
        raise FieldError(
            "completion" if "completion" in left else "response",
            "is one reply with a label of its own, as KTO trains on; a pair needs two replies to one prompt",
        )
    missing = next(name for name in ("chosen", "rejected") if name not in left)
    known = {*PROMPTS, *CHATS, *SYSTEMS, "chosen", "rejected", "tools"}
    others = [str(n) for n, value in left.items() if n not in known and not _describes(str(n), value)]
    which = f"; of {', '.join(others)} say which with --chosen-field and --rejected-field" if others else ""
    raise FieldError(missing, f"is missing{which}")


def _taken(left: dict, chosen: str, rejected: str) -> tuple[Any, Any, dict]:
    for name in (chosen, rejected):
        if name not in left:
            raise FieldError(name, "is missing")
    return left.pop(chosen), left.pop(rejected), {}


def _swift(left: dict) -> tuple[Any, Any, dict] | None:
    """Messages that end with the chosen reply, and a rejected one beside them."""
    other = next((n for n in ("rejected_response", "rejected_messages", "rejected") if n in left), None)
    if other is None or not isinstance(left.get("messages"), list) or not left["messages"]:
        return None
    messages, rejected = left.pop("messages"), left.pop(other)
    if isinstance(rejected, list):
        return messages, rejected, {}
    return [messages[-1]], [{"role": "assistant", "content": rejected}], {"prompt": messages[:-1]}


def _by_label(left: dict) -> tuple[Any, Any, dict] | None:
    """Two replies and a column that says which one is preferred."""
    for first, second, label, prefers_first in (
        ("human_ref_A", "human_ref_B", "labels", {1: True, 0: False}),
        ("response_0", "response_1", "better_response_id", {0: True, 1: False}),
        ("response_a", "response_b", "winner", {"model_a": True, "a": True, "model_b": False, "b": False}),
        ("response1", "response2", "overall_preference", {-3: 1, -2: 1, -1: 1, 1: 0, 2: 0, 3: 0}),
    ):
        if not all(name in left for name in (first, second, label)):
            continue
        said = left.pop(label)
        if isinstance(said, list | dict) or said not in prefers_first:
            raise FieldError(label, f"is {said!r}: it prefers neither of {first} and {second}")
        both = left.pop(first), left.pop(second)
        prompt = {"prompt": left.pop("history"), "prompt_field": "history"} if "history" in left else {}
        return (*(both if prefers_first[said] else both[::-1]), prompt)
    return None


def _by_rank(left: dict) -> tuple[Any, Any, dict] | None:
    """Completions with ranks, 0 for the best; just two can be a pair."""
    ranked = left.get("completions")
    if not isinstance(ranked, list) or not all(isinstance(one, dict) and "rank" in one for one in ranked):
        return None
    if not all(isinstance(one["rank"], int | float) for one in ranked):
        raise FieldError("completions", "holds a rank that is no number")
    if len(ranked) != 2 or ranked[0]["rank"] == ranked[1]["rank"]:
        raise FieldError("completions", f"holds {len(ranked)} completions, not two of different rank")
    best, worst = sorted(left.pop("completions"), key=lambda one: one["rank"])
    return best.get("completion"), worst.get("completion"), {}


# Prompt, system, earlier turns.


def _take_prompt(left: dict, found: Canonical, how: How) -> None:
    if how.prompt_field:
        if how.prompt_field not in left:
            raise FieldError(how.prompt_field, "is missing")
        found.prompt, found.plain, found.prompt_field = left.pop(how.prompt_field), True, how.prompt_field
    else:
        _take_named_prompt(left, found)
    _take_history(left, found)


def _take_named_prompt(left: dict, found: Canonical) -> None:
    """The one column that holds the prompt, by its name; others may only say the same once more."""
    named = {name: left.pop(name) for name in (*CHATS, *PROMPTS) if name in left}
    named = {name: value for name, value in named.items() if name not in CHATS or value != found.chosen}
    said = {name: value for name, value in named.items() if value not in (None, "", [])}
    for name in CHATS:
        if isinstance(said.get(name), str):
            how = (
                "put it into the prompt" if len(said) > 1 else f"--prompt-field {name} takes it as it stands"
            )
            raise FieldError(name, f"conditions the reply and is text, not messages; {how}")
    if said.keys() == {"instruction", "input"}:
        said = {"instruction": _with_input(said["instruction"], said["input"])}
    if not said and "prompt" in named:
        said = {"prompt": named["prompt"]}  # empty: to be named as such
    for name, value in said.items():
        if found.prompt is None:
            found.prompt, found.plain, found.prompt_field = value, name == "prompt", name
        elif not _says_again(value, found.prompt):
            raise FieldError(name, f"is a prompt beside {found.prompt_field}; say which with --prompt-field")


def _says_again(value: Any, prompt: Any) -> bool:
    """Whether a column repeats the prompt, or one message of it."""
    return value == prompt or (
        isinstance(prompt, list)
        and any(isinstance(m, dict) and value in (m.get("content"), m.get("value")) for m in prompt)
    )


def _with_input(instruction: Any, extra: Any) -> Any:
    """An instruction and its input as one message."""
    if not isinstance(extra, str):
        raise FieldError("input", f"is {kind_of(extra)}, not a string")
    return f"{instruction}\n\n{extra}" if isinstance(instruction, str) and extra.strip() else instruction


def _take_history(left: dict, found: Canonical) -> None:
    """Earlier turns, [user, assistant] each, before the prompt."""
    history = left.pop("history", None)
    if history in (None, "", []):
        return
    turns = history if isinstance(history, list) else None
    if turns is None or not all(isinstance(t, list | tuple) and len(t) == 2 for t in turns):
        raise FieldError("history", "is not a list of [user, assistant] turns")
    before = [
        {"role": role, "content": text}
        for turn in turns
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]
    found.prompt = before + _as_messages(found.prompt)


def _take_system(left: dict, found: Canonical) -> None:
    """The system message, by column; with such a column a string prompt is a user's message."""
    for name in SYSTEMS:
        if name not in left:
            continue
        text = left.pop(name)
        found.plain = False
        if text is None or text == "":
            continue
        if not isinstance(text, str):
            raise FieldError(name, f"is {kind_of(text)}, not a string")
        found.system = text


def _as_messages(prompt: Any) -> list:
    if isinstance(prompt, list):
        return prompt
    return [] if prompt is None else [{"role": "user", "content": prompt}]


# What describes a pair.


def _scores(left: dict) -> tuple[float, float] | None:
    """What the two replies were rated, chosen first, if the record says so."""
    for pair in SCORES:
        values = [left.pop(name, None) for name in pair]
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            return float(values[0]), float(values[1])
    return None


def _describes(name: str, value: Any) -> bool:
    """Whether a column tells something about a pair that no reply answers to."""
    if value in (None, "", [], {}) or isinstance(value, bool | int | float):
        return True
    return bool(set(re.split(r"[^a-z0-9]+", name.lower())) & DESCRIBES)

"""Preference pairs: one record, from whatever form people have it in.

A pair is a prompt (the shared start state s_0 of section 3.1) and two responses to it.
Every flaw of a file is reported as `file:line: field: what is wrong`, and all are reported at once.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from dpoq_lab.columns import ARGUMENTS, BY_NAME, Canonical, FieldError, How, canonical
from dpoq_lab.messages import (
    Message,
    checked_text,
    messages_in,
    parse_arguments,
    parse_messages,
    parse_tools,
)
from dpoq_lab.sources import Problem, Rows, kind_of, none_usable, records

Reply = str | list[Message]  # one plain reply, or turns of the assistant with what others say between
Span = tuple[int, int]
SIDES = ("chosen", "rejected")
HUMAN, ASSISTANT = "\n\nHuman:", "\n\nAssistant:"  # turns in the text of hh-rlhf


@dataclass(frozen=True, slots=True)
class Pair:
    """Two responses to one prompt.

    `prompt` is a string, used word for word, or a list of chat messages that the model's chat template
    renders, with `tools` and further `arguments` if there are any. A response is a reply or, in a chat,
    several messages that begin and end with the assistant's; beside a string prompt these are written one
    after the other. The spans `[start, end)` count characters of their own reply. `notes` says what was done
    or not read, `scores` what the replies were rated.
    """

    prompt: str | list[Message]
    chosen: Reply
    rejected: Reply
    chosen_flaws: tuple[Span, ...] = ()
    rejected_flaws: tuple[Span, ...] = ()
    form: str = "standard"
    where: str = ""
    tools: list[dict] | None = None
    arguments: dict | None = None
    notes: tuple[str, ...] = ()
    scores: tuple[float, float] | None = None

    def to_record(self) -> dict:
        """The pair as a JSON-ready record in the standard, conversational or implicit form."""
        chat = isinstance(self.prompt, list)
        if not chat and not (isinstance(self.chosen, str) and isinstance(self.rejected, str)):
            return {role: f"{self.prompt}{written(getattr(self, role))}" for role in SIDES}
        record: dict = {"prompt": self.prompt} | ({"tools": self.tools} if self.tools else {})
        if self.arguments:
            record[ARGUMENTS] = self.arguments
        again = self._repeated_prompt()
        for role in SIDES:
            reply = getattr(self, role)
            if isinstance(reply, str):
                reply = [{"role": "assistant", "content": reply}] if chat else again + reply
            record[role] = reply
            if spans := getattr(self, f"{role}_flaws"):
                record[f"{role}_flaws"] = [[start + len(again), end + len(again)] for start, end in spans]
        return record

    def _repeated_prompt(self) -> str:
        """The prompt if both replies begin with its words: a reader takes off what both repeat."""
        texts = (self.prompt, self.chosen, self.rejected)
        if not all(isinstance(text, str) for text in texts):
            return ""
        prompt, *replies = map(str, texts)
        return prompt if all(reply.startswith(prompt) for reply in replies) else ""


def written(reply: Reply) -> str:
    """A plain reply, or turns that are written one after the other."""
    return reply if isinstance(reply, str) else "".join(message["content"] for message in reply)


@dataclass
class Reading:
    """What a source held: the usable pairs and every problem."""

    pairs: list[Pair] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def notes(self) -> Counter[str]:
        """What was done to pairs, or not read of them, and of how many."""
        return Counter(note for pair in self.pairs for note in pair.notes)


def read_pairs(source: Rows, how: How = BY_NAME) -> Reading:
    """Read and validate preference pairs: a file or folder that `sources` reads, a dataset's name, or rows.

    Flaws of single records are problems. Raises PairsError if the source itself cannot be opened, TypeError
    if it can hold no rows.
    """
    reading = Reading()
    for found in stream_pairs(source, how):
        if isinstance(found, Problem):
            reading.problems.append(found)
        else:
            reading.pairs.append(found)
    return reading


def stream_pairs(source: Rows, how: How = BY_NAME) -> Iterator[Pair | Problem]:
    """What `read_pairs` reads, one by one in the order of the source: a usable pair or what is wrong."""
    empty = True
    for where, record in records(source, how.split, how.config):
        empty = False
        try:
            yield record if isinstance(record, Problem) else parse_pair(record, where, how)
        except FieldError as flaw:
            yield Problem(where, flaw.field, str(flaw))
    if empty:
        where = str(source) if isinstance(source, str | Path) else "rows"
        yield Problem(where, "", "holds no pairs")


def usable_pairs(source: Rows, how: How = BY_NAME) -> list[Pair]:
    """The usable pairs of a source; raises PairsError if there is none."""
    reading = read_pairs(source, how)
    if not reading.pairs:
        raise none_usable(reading.problems)
    return reading.pairs


def write_pairs(pairs: list[Pair], path: Path) -> None:
    """Write pairs as JSON lines that `read_pairs` reads back."""
    lines = (json.dumps(pair.to_record(), ensure_ascii=False) + "\n" for pair in pairs)
    path.write_text("".join(lines), encoding="utf-8")


def parse_pair(record: object, where: str = "", how: How = BY_NAME) -> Pair:
    """One record in any of the known forms to a Pair; raises FieldError naming the field."""
    if not isinstance(record, dict):
        raise FieldError("", f"is {kind_of(record)}, not a JSON object")
    found = canonical(record, how)
    for name in ("prompt", "chosen", "rejected"):
        setattr(found, name, _unpacked(getattr(found, name)))
    for role, other in (("chosen", "rejected"), ("rejected", "chosen")):
        if isinstance(getattr(found, role), str) and isinstance(getattr(found, other), list):
            raise FieldError(role, "is not a list of messages")
    form = _form_of(found, record)
    prompt, chosen, rejected, shift = _FORMS[form](found)
    notes = [f"column {name} is not read" for name in found.unread]
    if form == "standard" and shift:
        notes.append("the prompt is repeated in both replies: taken off")
    for role, reply in (("chosen", chosen), ("rejected", rejected)):
        if isinstance(reply, str) and not reply.strip():
            raise FieldError(role, "is empty")
    if chosen == rejected:
        raise FieldError("rejected", "is equal to chosen")
    good, bad = (
        _spans(found.flaws, role, x, shift) for role, x in (("chosen", chosen), ("rejected", rejected))
    )
    tools, arguments = parse_tools(found.tools, prompt), parse_arguments(found.arguments, prompt)
    if how.chat_template_kwargs and not isinstance(prompt, str):
        arguments = how.chat_template_kwargs | (arguments or {})
    return Pair(
        *(prompt, chosen, rejected, good, bad, form, where),
        tools=tools,
        arguments=arguments,
        notes=tuple(notes),
        scores=found.scores,
    )


def _form_of(found: Canonical, record: dict) -> str:
    """Which of `_FORMS` a record has."""
    if any(isinstance(value, list) for value in (found.prompt, found.chosen, found.rejected)):
        return "conversational"
    if found.prompt is None and found.prompt_field not in record:
        return "implicit"
    return "standard" if found.plain else "instruction"


def _unpacked(value: Any) -> Any:
    """A single message as a list of one, and messages that are stored as a string as messages."""
    if isinstance(value, dict):
        return [value]
    return (messages_in(value) or value) if isinstance(value, str) else value


# The four forms: each returns (prompt, chosen, rejected, characters cut off before the responses).


def _standard(found: Canonical) -> tuple[str, str, str, int]:
    prompt = checked_text(found.prompt, found.prompt_field)
    chosen, rejected = checked_text(found.chosen, "chosen"), checked_text(found.rejected, "rejected")
    if chosen.startswith(prompt) and rejected.startswith(prompt):
        return prompt, chosen[len(prompt) :], rejected[len(prompt) :], len(prompt)
    return prompt, chosen, rejected, 0


def _instruction(found: Canonical) -> tuple[list[Message], str, str, int]:
    asked = {"role": "user", "content": checked_text(found.prompt, found.prompt_field)}
    start = [{"role": "system", "content": checked_text(found.system, "system")}] if found.system else []
    return [*start, asked], checked_text(found.chosen, "chosen"), checked_text(found.rejected, "rejected"), 0


def _implicit(found: Canonical) -> tuple[str, Reply, Reply, int]:
    chosen, rejected = checked_text(found.chosen, "chosen"), checked_text(found.rejected, "rejected")
    if found.system:
        raise FieldError("system", "stands beside replies that hold their prompt; put it into them")
    if chosen == rejected:
        raise FieldError("rejected", "is equal to chosen")
    cut = shared_prefix_end(chosen, rejected)
    if cut == 0:
        raise FieldError("rejected", "shares no prefix with chosen, and there is no prompt field")
    return chosen[:cut], _turns_of(chosen[cut:]), _turns_of(rejected[cut:]), cut


def _turns_of(text: str) -> Reply:
    """A reply of hh-rlhf: as it is, or as turns where a human speaks again before it ends."""
    parts = re.split(f"({HUMAN}.*?{ASSISTANT})", text, flags=re.DOTALL)
    if len(parts) == 1:
        return text
    return [{"role": "user" if k % 2 else "assistant", "content": part} for k, part in enumerate(parts)]


def shared_length(one: Sequence, other: Sequence) -> int:
    """How many characters two texts, or tokens two replies, begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((k for k, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def shared_prefix_end(chosen: str, rejected: str) -> int:
    """Where the shared prompt of two full texts ends, in characters; 0 if they share none.

    The last "Assistant:" turn of the shared prefix if there is one (as in hh-rlhf), else the last
    white space in it, so that both responses begin with that white space and no word is cut.
    """
    shared = shared_length(chosen, rejected)
    turn = chosen.rfind(ASSISTANT, 0, shared)
    if turn >= 0:
        return turn + len(ASSISTANT)
    return max((i for i in range(1, shared) if chosen[i].isspace()), default=0)


def _conversational(found: Canonical) -> tuple[list[Message], Reply, Reply, int]:
    start, prompt = [], found.prompt
    if not isinstance(prompt, str | list | None):
        raise FieldError(found.prompt_field, f"is {kind_of(prompt)}, not messages")
    if isinstance(prompt, list):
        start = parse_messages(prompt, found.prompt_field)
    chosen, rejected = (_continuation(getattr(found, role), role, start) for role in ("chosen", "rejected"))
    shared = 0
    while shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
        shared += 1
    while shared and chosen[shared - 1]["role"] == "assistant":
        shared -= 1  # s_0 is a state in which the assistant acts
    start = start + chosen[:shared]
    if isinstance(prompt, str):
        start = _with_prompt(start, checked_text(prompt, found.prompt_field), found.prompt_field)
    start = _with_system(start, found.system)
    for role, turns in (("chosen", chosen[shared:]), ("rejected", rejected[shared:])):
        if not start:
            raise FieldError(role, "shares no message with the other response, and there is no prompt")
        _check_turns(start, turns, role)
    return start, _reply(chosen[shared:]), _reply(rejected[shared:]), 0


_FORMS = {
    "standard": _standard,
    "instruction": _instruction,
    "conversational": _conversational,
    "implicit": _implicit,
}


def _with_prompt(start: list[Message], prompt: str, field: str) -> list[Message]:
    """Shared messages beside a prompt of its own: what it says is one of them, or there are none."""
    if not start:
        return [{"role": "user", "content": prompt}]
    said = [str(message["content"]).strip() for message in start if message["role"] != "assistant"]
    if prompt.strip() not in said:
        raise FieldError(field, "is not what the messages say; say which it is with --prompt-field")
    return start


def _with_system(start: list[Message], system: str | None) -> list[Message]:
    """The system message of a column before the messages, which may hold it already."""
    message = {"role": "system", "content": system}
    if not system or start[:1] == [message]:
        return start
    if start and start[0]["role"] == "system":
        raise FieldError("system", "is not what the system message says")
    return [message, *start]


def _reply(turns: list[Message]) -> Reply:
    """One plain message as its text, anything else as it is."""
    plain = len(turns) == 1 and turns[0].keys() == {"role", "content"}
    return turns[0]["content"] if plain else turns


def _check_turns(start: list[Message], turns: list[Message], field: str) -> None:
    """A response goes on where another spoke, begins and ends with the assistant, and answers its tools."""
    if start[-1]["role"] == "assistant":
        raise FieldError(field, "goes on after a message of the assistant, where it is another's turn")
    for name, message in (("begin", turns[0]), ("end", turns[-1])):
        if message["role"] != "assistant":
            raise FieldError(
                field, f"must {name} with an assistant message, not one of role {message['role']}"
            )
    roles = [message["role"] for message in start + turns]
    if roles[0] == "tool":
        raise FieldError(field, "has a tool message first")
    if "system" in roles[1:]:
        raise FieldError(field, "has a system message that is not the first")
    for before, role in pairwise(roles):
        if role == "tool" and before not in ("assistant", "tool"):
            raise FieldError(field, f"has a tool message after one of role {before}")


def _continuation(reply: Any, role: str, start: list[Message]) -> list[Message]:
    """The messages of a response without the prompt's, if it repeats them; a string is the assistant's."""
    if isinstance(reply, str):
        return [{"role": "assistant", "content": checked_text(reply, role)}]
    messages = parse_messages(reply, role)
    repeats = len(messages) > len(start) and messages[: len(start)] == start
    return messages[len(start) :] if repeats else messages


def _spans(flaws: dict, role: str, text: Reply, shift: int) -> tuple[Span, ...]:
    field = f"{role}_flaws"
    spans = flaws.get(field)
    if spans is None:
        return ()
    if not isinstance(text, str):
        raise FieldError(field, "counts characters of one plain reply, not of several turns or tool calls")
    if not isinstance(spans, list):
        raise FieldError(field, f"is {kind_of(spans)}, not a list of [start, end)")
    shifted = []
    for span in spans:
        whole = isinstance(span, list | tuple) and len(span) == 2 and all(type(n) is int for n in span)
        if not whole:
            raise FieldError(field, f"holds {span!r}, not [start, end)")
        start, end = span[0] - shift, span[1] - shift
        if not 0 <= start < end <= len(text):
            raise FieldError(
                field, f"span [{span[0]}, {span[1]}) is outside the response's [{shift}, {shift + len(text)})"
            )
        shifted.append((start, end))
    return tuple(shifted)

"""Preference pairs: one record, read from the four forms that people have.

A pair is a prompt (the shared start state s_0 of section 3.1) and two responses to it.
Every flaw of a file is reported as `file:line: field: what is wrong`, and all are reported at once.
"""

import json
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from dpoq_lab.sources import PairsError, Problem, Rows, kind_of, records

Message = dict[str, Any]  # role, content, and of a tool call tool_calls, tool_call_id, name
Reply = str | list[Message]  # one plain reply, or turns of the assistant with what others say between
Span = tuple[int, int]
ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class Pair:
    """Two responses to one prompt.

    `prompt` is a string, used word for word, or a list of chat messages that the model's chat
    template renders, with `tools` if there are any. A response is a reply or, in a chat, several messages
    that begin and end with the assistant's. The spans `[start, end)` count characters of their own reply.
    """

    prompt: str | list[Message]
    chosen: Reply
    rejected: Reply
    chosen_flaws: tuple[Span, ...] = ()
    rejected_flaws: tuple[Span, ...] = ()
    form: str = "standard"
    where: str = ""
    tools: list[dict] | None = None

    def to_record(self) -> dict:
        """The pair as a JSON-ready record in the standard or conversational form."""
        chat = isinstance(self.prompt, list)
        record: dict = {"prompt": self.prompt} | ({"tools": self.tools} if self.tools else {})
        for role in ("chosen", "rejected"):
            reply = getattr(self, role)
            one = chat and isinstance(reply, str)
            record[role] = [{"role": "assistant", "content": reply}] if one else reply
            if spans := getattr(self, f"{role}_flaws"):
                record[f"{role}_flaws"] = [list(span) for span in spans]
        return record


class FieldError(ValueError):
    """A flaw in one field of one record."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass
class Reading:
    """What a source held: the usable pairs and every problem."""

    pairs: list[Pair] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_pairs(source: Rows) -> Reading:
    """Read and validate preference pairs: a .jsonl, .json or .parquet file, a dataset's name, or rows.

    Flaws of single records are problems. Raises PairsError if the source itself cannot be opened, TypeError
    if it can hold no rows.
    """
    reading = Reading()
    for where, record in records(source):
        if isinstance(record, Problem):
            reading.problems.append(record)
            continue
        try:
            reading.pairs.append(parse_pair(record, where))
        except FieldError as flaw:
            reading.problems.append(Problem(where, flaw.field, str(flaw)))
    if not reading.pairs and not reading.problems:
        where = str(source) if isinstance(source, str | Path) else "rows"
        reading.problems.append(Problem(where, "", "holds no pairs"))
    return reading


def usable_pairs(source: Rows) -> list[Pair]:
    """The usable pairs of a source; raises PairsError if there is none."""
    reading = read_pairs(source)
    if not reading.pairs:
        raise PairsError(f"no usable pair; first problem: {reading.problems[0]}")
    return reading.pairs


def write_pairs(pairs: list[Pair], path: Path) -> None:
    """Write pairs as JSON lines that `read_pairs` reads back."""
    lines = (json.dumps(pair.to_record(), ensure_ascii=False) + "\n" for pair in pairs)
    path.write_text("".join(lines), encoding="utf-8")


def parse_pair(record: object, where: str = "") -> Pair:
    """One record in any of the four forms to a Pair; raises FieldError naming the field."""
    if not isinstance(record, dict):
        raise FieldError("", f"is {kind_of(record)}, not a JSON object")
    for role in ("chosen", "rejected"):
        if role not in record:
            raise FieldError(role, "is missing")
    if any(isinstance(record[role], list) for role in ("chosen", "rejected")):
        form, parse = "conversational", _conversational
    elif "prompt" in record:
        form, parse = "standard", _standard
    elif "instruction" in record:
        form, parse = "instruction", _instruction
    else:
        form, parse = "implicit", _implicit
    prompt, chosen, rejected, shift = parse(record)
    for role, reply in (("chosen", chosen), ("rejected", rejected)):
        if isinstance(reply, str) and not reply.strip():
            raise FieldError(role, "is empty")
    if chosen == rejected:
        raise FieldError("rejected", "is equal to chosen")
    flaws = {
        f"{role}_flaws": _spans(record, role, reply, shift)
        for role, reply in (("chosen", chosen), ("rejected", rejected))
    }
    return Pair(prompt, chosen, rejected, form=form, where=where, tools=_tools(record, prompt), **flaws)


# The four forms: each returns (prompt, chosen, rejected, characters cut off before the responses).


def _standard(record: dict) -> tuple[str, str, str, int]:
    return _text(record, "prompt"), _text(record, "chosen"), _text(record, "rejected"), 0


def _instruction(record: dict) -> tuple[list[Message], str, str, int]:
    instruction = _text(record, "instruction")
    extra = record.get("input") or ""
    if not isinstance(extra, str):
        raise FieldError("input", f"is {kind_of(extra)}, not a string")
    content = f"{instruction}\n\n{extra}" if extra.strip() else instruction
    return [{"role": "user", "content": content}], _text(record, "chosen"), _text(record, "rejected"), 0


def _implicit(record: dict) -> tuple[str, str, str, int]:
    chosen, rejected = _text(record, "chosen"), _text(record, "rejected")
    if chosen == rejected:
        raise FieldError("rejected", "is equal to chosen")
    cut = shared_prefix_end(chosen, rejected)
    if cut == 0:
        raise FieldError("rejected", "shares no prefix with chosen, and there is no prompt field")
    return chosen[:cut], chosen[cut:], rejected[cut:], cut


def shared_prefix_end(chosen: str, rejected: str) -> int:
    """Where the shared prompt of two full texts ends, in characters; 0 if they share none.

    The last "Assistant:" turn of the shared prefix if there is one (as in hh-rlhf), else the last
    white space in it, so that both responses begin with that white space and no word is cut.
    """
    shared = 0
    for a, b in zip(chosen, rejected, strict=False):
        if a != b:
            break
        shared += 1
    marker = "\n\nAssistant:"
    turn = chosen.rfind(marker, 0, shared)
    if turn >= 0:
        return turn + len(marker)
    return max((i for i in range(1, shared) if chosen[i].isspace()), default=0)


def _conversational(record: dict) -> tuple[list[Message], Reply, Reply, int]:
    start = []
    prompt = record.get("prompt")
    if not isinstance(prompt, str | list | None):
        raise FieldError("prompt", f"is {kind_of(prompt)}, not messages")
    if isinstance(prompt, list):
        start = _messages(prompt, "prompt")
    chosen, rejected = (_continuation(record, role, start) for role in ("chosen", "rejected"))
    shared = 0
    while shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
        shared += 1
    while shared and chosen[shared - 1]["role"] == "assistant":
        shared -= 1  # s_0 is a state in which the assistant acts
    start = start + chosen[:shared]
    if isinstance(prompt, str) and not start:
        start = [{"role": "user", "content": _text(record, "prompt")}]
    for role, turns in (("chosen", chosen[shared:]), ("rejected", rejected[shared:])):
        if not start:
            raise FieldError(role, "shares no message with the other response, and there is no prompt")
        _check_turns(start, turns, role)
    return start, _reply(chosen[shared:]), _reply(rejected[shared:]), 0


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


def _continuation(record: dict, role: str, start: list[Message]) -> list[Message]:
    """The messages of a response without the prompt's, if it repeats them."""
    messages = _messages(record[role], role)
    repeats = len(messages) > len(start) and messages[: len(start)] == start
    return messages[len(start) :] if repeats else messages


def _messages(value: object, field: str) -> list[Message]:
    if not isinstance(value, list) or not value:
        raise FieldError(field, "is not a list of messages")
    return [_message(message, f"{field}[{i}]") for i, message in enumerate(value)]


def _message(message: object, field: str) -> Message:
    """One message with the fields that a chat template reads; a field that nobody reads is an error."""
    if not isinstance(message, dict):
        raise FieldError(field, f"is {kind_of(message)}, not a message")
    given = {key: value for key, value in message.items() if value is not None}
    role = given.get("role")
    if role not in ROLES:
        raise FieldError(f"{field}.role", f"is {role!r}, not {', '.join(ROLES[:-1])} or {ROLES[-1]}")
    known = {"role", "content", "name", *({"tool_calls"} if role == "assistant" else {"tool_call_id"})}
    if unknown := sorted(given.keys() - known):
        raise FieldError(f"{field}.{unknown[0]}", "is a field of a message that is not read here")
    for key in ("name", "tool_call_id"):
        if key in given:
            _text(given, key, f"{field}.{key}")
    if (calls := given.pop("tool_calls", None)) not in (None, []):
        given["tool_calls"] = _named(calls, f"{field}.tool_calls", "tool calls")
        if given.get("content", "") == "":
            return {**given, "content": None}
    return {**given, "content": _text(message, "content", f"{field}.content")}


def _tools(record: dict, prompt: object) -> list[dict] | None:
    """The tools that the assistant may call, a list or its JSON."""
    tools = record.get("tools")
    if isinstance(tools, str) and tools.strip():
        try:
            tools = json.loads(tools)
        except (ValueError, RecursionError) as error:
            raise FieldError("tools", f"is not JSON: {str(error)[:100]}") from error
    if tools in (None, "", []):
        return None
    tools = _named(tools, "tools", "tools")
    if isinstance(prompt, str):
        raise FieldError("tools", "goes with messages, which a chat template renders; the prompt is a string")
    return tools


def _named(calls: object, field: str, what: str) -> list[dict]:
    """Tool calls or tools: a list of objects, each with a name, of text that can be written."""
    if not isinstance(calls, list):
        raise FieldError(field, f"is {kind_of(calls)}, not a list of {what}")
    for i, call in enumerate(calls):
        inner = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(inner, dict):
            raise FieldError(f"{field}[{i}]", "is not an object with the name of a tool")
        _text(inner, "name", f"{field}[{i}].name")
        try:
            _check_surrogates(json.dumps(call, ensure_ascii=False), f"{field}[{i}]")
        except RecursionError as error:
            raise FieldError(f"{field}[{i}]", "is nested too deeply") from error
    return calls


def _text(record: dict, key: str, field: str | None = None) -> str:
    field = field or key
    if key not in record:
        raise FieldError(field, "is missing")
    value = record[key]
    if not isinstance(value, str):
        raise FieldError(field, f"is {kind_of(value)}, not a string")
    if not value.strip():
        raise FieldError(field, "is empty")
    _check_surrogates(value, field)
    return value


def _check_surrogates(text: str, field: str) -> None:
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise FieldError(field, "holds a lone surrogate, which is not text")


def _spans(record: dict, role: str, text: Reply, shift: int) -> tuple[Span, ...]:
    field = f"{role}_flaws"
    spans = record.get(field)
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

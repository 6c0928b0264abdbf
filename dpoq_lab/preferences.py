"""Preference pairs: one record, read from the four forms that people have.

A pair is a prompt (the shared start state s_0 of section 3.1) and two responses to it.
Every flaw of a file is reported as `file:line: field: what is wrong`, and all are reported at once.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from dpoq_lab.sources import PairsError, Problem, Rows, kind_of, records

Message = dict[str, str]
Span = tuple[int, int]


@dataclass(frozen=True)
class Pair:
    """Two responses to one prompt.

    `prompt` is a string, used word for word, or a list of chat messages that the model's chat
    template renders. The spans `[start, end)` count characters of the response they belong to.
    """

    prompt: str | list[Message]
    chosen: str
    rejected: str
    chosen_flaws: tuple[Span, ...] = ()
    rejected_flaws: tuple[Span, ...] = ()
    form: str = "standard"
    where: str = ""

    def to_record(self) -> dict:
        """The pair as a JSON-ready record in the standard or conversational form."""
        chat = isinstance(self.prompt, list)
        record: dict = {"prompt": self.prompt}
        for role in ("chosen", "rejected"):
            text = getattr(self, role)
            record[role] = [{"role": "assistant", "content": text}] if chat else text
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
    for role, text in (("chosen", chosen), ("rejected", rejected)):
        if not text.strip():
            raise FieldError(role, "is empty")
    if chosen == rejected:
        raise FieldError("rejected", "is equal to chosen")
    flaws = {
        f"{role}_flaws": _spans(record, role, text, shift)
        for role, text in (("chosen", chosen), ("rejected", rejected))
    }
    return Pair(prompt, chosen, rejected, form=form, where=where, **flaws)


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


def _conversational(record: dict) -> tuple[list[Message], str, str, int]:
    start = []
    prompt = record.get("prompt")
    if isinstance(prompt, list):
        start = _messages(prompt, "prompt")
    chosen, rejected = (_continuation(record, role, start) for role in ("chosen", "rejected"))
    shared = 0
    while shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
        shared += 1
    start = start + chosen[:shared]
    if isinstance(prompt, str) and not start:
        start = [{"role": "user", "content": _text(record, "prompt")}]
    for role, turns in (("chosen", chosen[shared:]), ("rejected", rejected[shared:])):
        if not start:
            raise FieldError(role, "shares no message with the other response, and there is no prompt")
        if len(turns) != 1 or turns[0]["role"] != "assistant":
            raise FieldError(role, "must end in exactly one assistant message after the shared ones")
        _check_alternation(start + turns, role)
    return start, chosen[-1]["content"], rejected[-1]["content"], 0


def _continuation(record: dict, role: str, start: list[Message]) -> list[Message]:
    """The messages of a response without the prompt's, if it repeats them."""
    messages = _messages(record[role], role)
    return messages[len(start) :] if start and messages[: len(start)] == start else messages


def _messages(value: object, field: str) -> list[Message]:
    if not isinstance(value, list) or not value:
        raise FieldError(field, "is not a list of messages")
    messages = []
    for i, message in enumerate(value):
        if not isinstance(message, dict):
            raise FieldError(f"{field}[{i}]", f"is {kind_of(message)}, not a message")
        role = message.get("role")
        if role not in ("system", "user", "assistant"):
            raise FieldError(f"{field}[{i}].role", f"is {role!r}, not system, user or assistant")
        messages.append({"role": role, "content": _text(message, "content", f"{field}[{i}].content")})
    return messages


def _check_alternation(messages: list[Message], field: str) -> None:
    turns = [message["role"] for message in messages]
    turns = turns[1:] if turns[0] == "system" else turns
    expected = [("user", "assistant")[i % 2] for i in range(len(turns))]
    if turns != expected:
        raise FieldError(field, f"roles do not alternate user, assistant: {', '.join(turns)}")


def _text(record: dict, key: str, field: str | None = None) -> str:
    field = field or key
    if key not in record:
        raise FieldError(field, "is missing")
    value = record[key]
    if not isinstance(value, str):
        raise FieldError(field, f"is {kind_of(value)}, not a string")
    if not value.strip():
        raise FieldError(field, "is empty")
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise FieldError(field, "holds a lone surrogate, which is not text")
    return value


def _spans(record: dict, role: str, text: str, shift: int) -> tuple[Span, ...]:
    field = f"{role}_flaws"
    spans = record.get(field)
    if spans is None:
        return ()
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

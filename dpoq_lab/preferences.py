"""Preference pairs: one record, from whatever form people have it in.

A pair is a prompt (the shared start state s_0 of section 3.1) and two responses to it.
Every flaw of a file is reported as `file:line: field: what is wrong`, and all are reported at once.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dpoq_lab.columns import ARGUMENTS, BY_NAME, FieldError, How, canonical
from dpoq_lab.forms import FORMS, Reply, form_of
from dpoq_lab.messages import Message, messages_in, parse_arguments, parse_tools
from dpoq_lab.sources import Problem, Rows, kind_of, none_usable, records

Span = tuple[int, int]
SIDES = ("chosen", "rejected")


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
    form = form_of(found, record)
    prompt, chosen, rejected, shift = FORMS[form](found)
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


def _unpacked(value: Any) -> Any:
    """A single message as a list of one, and messages that are stored as a string as messages."""
    if isinstance(value, dict):
        return [value]
    return (messages_in(value) or value) if isinstance(value, str) else value


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

"""The four forms of a pair: a plain text, an instruction, messages, two texts that begin alike.

A reader of a form takes the canonical columns of a record and gives (prompt, chosen, rejected, cut): `cut` is
how many characters the replies lost at their start, being the prompt's.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from dpoq_lab.columns import Canonical, FieldError
from dpoq_lab.messages import Message, checked_text, parse_messages
from dpoq_lab.sources import kind_of

Reply = str | list[Message]  # one plain reply, or turns of the assistant with what others say between
HUMAN, ASSISTANT = "\n\nHuman:", "\n\nAssistant:"  # turns in the text of hh-rlhf


def form_of(found: Canonical, record: dict) -> str:
    """Which of `FORMS` a record has."""
    if any(isinstance(value, list) for value in (found.prompt, found.chosen, found.rejected)):
        return "conversational"
    if found.prompt is None and found.prompt_field not in record:
        return "implicit"
    return "standard" if found.plain else "instruction"


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


FORMS = {
    "standard": _standard,
    "instruction": _instruction,
    "conversational": _conversational,
    "implicit": _implicit,
}

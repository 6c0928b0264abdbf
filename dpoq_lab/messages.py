"""Messages of a chat and tools, as preference files write them, checked field by field."""

import ast
import json
import re
from typing import Any

from dpoq_lab.columns import ARGUMENTS, FieldError
from dpoq_lab.sources import kind_of

Message = dict[str, Any]  # role, content, and of a tool call tool_calls, tool_call_id, name
ROLES = ("system", "user", "assistant", "tool")
OTHER_NAMES = {  # of roles, as other tools write them
    **dict.fromkeys(("human", "prompter"), "user"),
    **dict.fromkeys(("gpt", "model", "bot", "chatgpt", "ai"), "assistant"),
    **dict.fromkeys(("observation", "function", "ipython"), "tool"),
}


def messages_in(text: str) -> list | None:
    """The messages that a string holds, as JSON or as Python prints them; None if it is just text."""
    if not re.match(r"\s*\[\s*\{\s*[\"'](role|from|content|value)[\"']", text):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list) and all(isinstance(message, dict) for message in found):
            return found
    return None


def parse_messages(value: object, field: str) -> list[Message]:
    if not isinstance(value, list) or not value:
        raise FieldError(field, "is not a list of messages")
    return [_message(message, f"{field}[{i}]") for i, message in enumerate(value)]


def _message(message: object, field: str) -> Message:
    """One message with the fields that a chat template reads; a field that nobody reads is an error."""
    if not isinstance(message, dict):
        raise FieldError(field, f"is {kind_of(message)}, not a message")
    given = {key: value for key, value in message.items() if value is not None}
    for other, key in (("from", "role"), ("value", "content")):
        if other in given and key not in given:
            given[key] = given.pop(other)
    role = given["role"] = OTHER_NAMES.get(str(given.get("role")).lower(), given.get("role"))
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
    if isinstance(given.get("content"), list):
        given["content"] = _joined(given["content"], f"{field}.content")
    if "content" not in given and "content" in message:
        given["content"] = None
    return {**given, "content": _text(given, "content", f"{field}.content")}


def _joined(parts: list, field: str) -> str:
    """The text of a message in parts; what is no text is refused."""
    for i, part in enumerate(parts):
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            kind = part.get("type") if isinstance(part, dict) else kind_of(part)
            raise FieldError(f"{field}[{i}]", f"is of type {kind}: only text is supported")
    return "".join(part["text"] for part in parts)


def parse_tools(tools: Any, prompt: object) -> list[dict] | None:
    """The tools that the assistant may call, a list or its JSON."""
    tools = _unpacked(tools, "tools")
    if tools in (None, "", []):
        return None
    tools = _named(tools, "tools", "tools")
    if isinstance(prompt, str):
        raise FieldError("tools", "goes with messages, which a chat template renders; the prompt is a string")
    return tools


def parse_arguments(arguments: Any, prompt: object) -> dict | None:
    """Further variables of the chat template, an object or its JSON."""
    arguments = _unpacked(arguments, ARGUMENTS)
    if arguments in (None, "", {}):
        return None
    if not isinstance(arguments, dict):
        raise FieldError(ARGUMENTS, f"is {kind_of(arguments)}, not an object")
    if isinstance(prompt, str):
        raise FieldError(
            ARGUMENTS, "goes with messages, which a chat template renders; the prompt is a string"
        )
    return arguments


def _unpacked(value: Any, field: str) -> Any:
    """What a string holds as JSON; anything else as it is."""
    if not isinstance(value, str) or not value.strip():
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise FieldError(field, f"is not JSON: {str(error)[:100]}") from error


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
    return checked_text(record[key], field)


def checked_text(value: object, field: str) -> str:
    """A string that is text and not empty."""
    if not isinstance(value, str):
        raise FieldError(field, f"is {kind_of(value)}, not a string")
    if not value.strip():
        raise FieldError(field, "is empty")
    _check_surrogates(value, field)
    return value


def _check_surrogates(text: str, field: str) -> None:
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise FieldError(field, "holds a lone surrogate, which is not text")


def who_said_what(messages: str | list[Message]) -> str:
    """Text as it is; of messages a line each: who, the words, and the calls of tools."""
    if isinstance(messages, str):
        return messages
    return "\n".join(" ".join(map(str, _parts(message))) for message in messages)


def _parts(message: Message) -> list:
    calls = [call.get("function", call) for call in message.get("tool_calls") or ()]
    return [f"{message['role']}:", *filter(None, [message["content"]]), *calls]

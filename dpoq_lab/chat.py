"""Conversations through a model's chat template: what of the text the assistant said.

A template writes more than was said: headers, an end of turn, a newline after it, an empty think block. The
actions of the token MDP are what the policy generates, its words and the token at which generation stops;
the rest is context. What cannot be told apart exactly raises BoundaryError.
"""

import json
import re
from dataclasses import dataclass

from jinja2.exceptions import TemplateError
from transformers import PreTrainedTokenizerFast

from dpoq_lab.preferences import Message, Span


class BoundaryError(ValueError):
    """Text whose tokens do not split into context and actions; one line says where."""


@dataclass(frozen=True)
class Turn:
    """A turn of the assistant, in characters of the text: `start`, where the generation prompt ends; `said`,
    its words; `stop`, the end-of-turn token, empty where the template writes none."""

    start: int
    said: Span
    stop: Span


@dataclass(frozen=True)
class Rendered:
    """A conversation as text, up to the end of its last turn; `tail` is what the template writes after it."""

    text: str
    turns: list[Turn]
    tail: str


def render_chat(
    tokenizer: PreTrainedTokenizerFast, prompt: list[Message], reply: list[Message], tools: list | None = None
) -> Rendered:
    """Render `prompt` and `reply`, whose assistant messages are the turns. Raises BoundaryError."""
    if not tokenizer.chat_template:
        raise BoundaryError("the prompt is a chat, but this model's tokenizer has no chat template")
    messages, turns = [*prompt, *reply], []
    whole = _render(tokenizer, messages, tools)
    _check_nothing_is_left_out(tokenizer, messages, tools, whole)
    for k in range(len(prompt), len(messages)):
        if messages[k]["role"] != "assistant":
            continue
        before = _render(tokenizer, messages[:k], tools, generate=True)
        after = _render(tokenizer, messages[: k + 1], tools)
        if not after.startswith(before):
            raise BoundaryError("the chat template does not keep the prompt when a response follows")
        said, stop = _said_and_stop(tokenizer, after[len(before) :], messages[k])
        turn = Turn(len(before), _shifted(said, len(before)), _shifted(stop, len(before)))
        if not whole.startswith(after[: turn.stop[1]]):
            raise BoundaryError("the chat template rewrites an earlier turn once others follow")
        if turn.stop[0] == turn.stop[1] and k < len(messages) - 1:
            raise BoundaryError("the chat template ends no turn with a token, so an earlier turn cannot stop")
        turns.append(turn)
    end = turns[-1].stop[1]
    return Rendered(whole[:end], turns, whole[end:])


def _render(
    tokenizer: PreTrainedTokenizerFast, messages: list[Message], tools: list | None, generate: bool = False
) -> str:
    """The template's text; what it refuses is told in its own words."""
    try:
        text = tokenizer.apply_chat_template(
            messages, tools=tools, tokenize=False, add_generation_prompt=generate
        )
    except (TemplateError, TypeError, ValueError, KeyError) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise BoundaryError(f"the chat template refuses the conversation: {words}") from error
    return str(text)


def _check_nothing_is_left_out(
    tokenizer: PreTrainedTokenizerFast, messages: list[Message], tools: list | None, text: str
) -> None:
    """What others say, tools and tool calls condition the reply: all of it must be in the text."""
    for message in messages:
        content = (message["content"] or "").strip()
        written = content in text or json.dumps(content)[1:-1] in text
        if message["role"] != "assistant" and not written:
            raise BoundaryError(f"the chat template leaves out a message of role {message['role']}")
        for call in message.get("tool_calls") or ():
            if str(call.get("function", call).get("name")) not in text:
                raise BoundaryError("the chat template leaves out a tool call")
    if tools and text == _render(tokenizer, messages, None):
        raise BoundaryError("the chat template leaves out the tools")


def _said_and_stop(tokenizer: PreTrainedTokenizerFast, text: str, message: Message) -> tuple[Span, Span]:
    """Where in the `text` that the template writes for a message are its words and its end-of-turn token."""
    special = "|".join(map(re.escape, sorted(_special_tokens(tokenizer), key=len, reverse=True)))
    ending = re.search(rf"\s*({special})(?:\s*(?:{special}))*\s*$", text)
    body = text[: ending.start(1)] if ending else text
    said = _said(body, message)
    if any(token in body[said[0] : said[1]] for token in _stopping(ending)):
        raise BoundaryError("a turn holds the end-of-turn token before its end")
    return said, ending.span(1) if ending else (said[1], said[1])


def _said(body: str, message: Message) -> Span:
    """Where the words of a message stand in `body`, the template's text without its end of turn."""
    content, all_of_it = message.get("content") or "", body.strip()
    start = body.find(all_of_it)
    if message.get("tool_calls"):
        if content.strip() not in body:
            raise BoundaryError("the chat template leaves out the words beside a tool call")
        return start, start + len(all_of_it)
    for words in (content, content.strip()):
        at = body.rfind(words)
        if at >= 0 and not body[at + len(words) :].strip():
            return at, at + len(words)
    if all_of_it and all_of_it in content:  # a template that takes the thoughts off
        return start, start + len(all_of_it)
    raise BoundaryError(f"the chat template does not write the reply as it stands: {body[:40]!r}")


def _stopping(ending: re.Match | None) -> tuple[str, ...]:
    return (ending.group(1),) if ending else ()


def _special_tokens(tokenizer: PreTrainedTokenizerFast) -> set[str]:
    """The tokens that are not text, EOS among them."""
    added = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return added | {str(token) for token in tokenizer.all_special_tokens}


def _shifted(span: Span, by: int) -> Span:
    return span[0] + by, span[1] + by

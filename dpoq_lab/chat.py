"""Conversations through a model's chat template: what of the text the assistant said.

A template writes more than was said: headers, an end of turn, a newline after it, an empty think block. The
actions of the token MDP are what the policy generates, its words and the tokens that end its turn; the rest
is context. What the template writes around a turn is seen by rendering it with a mark in place of the words.
What cannot be told apart exactly raises BoundaryError.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from transformers import PreTrainedTokenizerFast

from dpoq_lab.preferences import Message, Span
from dpoq_lab.time_limit import at_most

MARK = "MarkInPlaceOfWords"
KEPT = 8  # texts of a template
LONGEST = 10.0  # seconds for one conversation
THOUGHTS = re.compile(r"\s*<(\w+)>.*</\1>", re.DOTALL)


class BoundaryError(ValueError):
    """Text whose tokens do not split into context and actions; one line says where."""


@dataclass(frozen=True)
class Turn:
    """A turn of the assistant, in characters of the text: `start`, where the generation prompt ends; `said`,
    its words; `stop`, the special tokens that end it, empty where the template writes none."""

    start: int
    said: Span
    stop: Span


@dataclass(frozen=True)
class Rendered:
    """A conversation as text, up to the end of its last turn; `tail` is what the template writes after it."""

    text: str
    turns: list[Turn]
    tail: str


class Template:
    """A tokenizer's chat template with `tools` and its further variables, `arguments`.

    What it wrote last is kept: both replies of a pair share their prompt, and many pairs the check of what is
    left out. Raises BoundaryError for a variable that the template does not know.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, tools: list | None = None, arguments: dict | None = None
    ) -> None:
        _check_arguments(tokenizer, arguments or {})
        self.tokenizer, self.tools, self.arguments = tokenizer, tools, arguments
        self._kept: dict[str, str] = {}  # the latest used is the last

    def write(self, messages: list[Message], generate: bool = False, tools: list | None = None) -> str:
        """The template's text; whatever it raises is told in its own words."""
        key = repr((messages, generate, tools))
        if (text := self._kept.pop(key, None)) is None:
            text = self._written(messages, generate, tools or self.tools)
        self._kept[key] = text
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return text

    def _written(self, messages: list[Message], generate: bool, tools: list | None) -> str:
        given = {"tools": tools, **(self.arguments or {})}
        try:
            text = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=generate, **given
            )
        except TimeoutError:  # of the template, not of this conversation: no other is tried
            raise
        except Exception as error:
            words = " ".join(str(error).split()) or type(error).__name__
            raise BoundaryError(f"the chat template refuses the conversation: {words[:200]}") from error
        return str(text)

    @cached_property
    def special(self) -> str:
        """A pattern of the tokens that are not text, EOS among them, the longest first."""
        added = {token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special}
        tokens = added | {str(token) for token in self.tokenizer.all_special_tokens}
        return "|".join(map(re.escape, sorted(tokens, key=len, reverse=True))) or "(?!)"  # matches nothing


def render_chat(template: Template, prompt: list[Message], reply: list[Message]) -> Rendered:
    """Render `prompt` and `reply`, whose assistant messages are the turns.

    Raises BoundaryError, and TimeoutError for a template that does not come to an end.
    """
    with at_most(LONGEST, "the chat template"):
        return _rendered(template, prompt, reply)


def _rendered(template: Template, prompt: list[Message], reply: list[Message]) -> Rendered:
    if not reply or reply[-1]["role"] != "assistant":
        raise BoundaryError("a response ends with a message of the assistant")
    messages, turns = [*prompt, *reply], []
    whole = template.write(messages)
    _check_nothing_is_left_out(template, messages)
    for k in range(len(prompt), len(messages)):
        if messages[k]["role"] != "assistant":
            continue
        turn, upto = _turn(template, messages[:k], messages[k])
        if not whole.startswith(upto):
            raise BoundaryError("the chat template rewrites an earlier turn once others follow")
        if turn.stop[0] == turn.stop[1] and k < len(messages) - 1:
            raise BoundaryError("the chat template ends no turn with a token, so an earlier turn cannot stop")
        turns.append(turn)
    end = turns[-1].stop[1]
    return Rendered(whole[:end], turns, whole[end:])


OURS = {"messages", "tools", "add_generation_prompt", "chat_template"}  # not the user's to set


def _check_arguments(tokenizer: PreTrainedTokenizerFast, arguments: dict) -> None:
    """An argument that the template does not know would be dropped in silence."""
    if not tokenizer.chat_template:
        raise BoundaryError("the prompt is a chat, but this model's tokenizer has no chat template")
    if not arguments:
        return
    words = set(re.findall(r"\w+", tokenizer.get_chat_template())) - OURS
    if unknown := sorted(arguments.keys() - words):
        raise BoundaryError(f"the chat template has no argument {', '.join(unknown)}")


def _turn(template: Template, before: list[Message], message: Message) -> tuple[Turn, str]:
    """The turn that `message` is, and the text up to its end."""
    context = template.write(before, generate=True)
    text = template.write([*before, message])
    marked = template.write([*before, {"role": "assistant", "content": MARK}])
    if not (text.startswith(context) and marked.startswith(context)):
        raise BoundaryError("the chat template does not keep the prompt when a response follows")
    start = len(context)
    head, there, foot = marked[start:].partition(MARK)
    if not there:
        raise BoundaryError("the chat template leaves out the words of a message of role assistant")
    gap, stop = _stop_in(foot, template)
    if message.get("tool_calls"):
        a, b = _calls_in(text[start:], head, foot[gap:], stop)
    else:
        a, b = _words_in(text[start:], head, foot, message["content"])
    if any(token in text[start + a : start + b] for token in re.findall(template.special, stop)):
        raise BoundaryError("a turn holds the end-of-turn token before its end")
    end = len(text) - len(foot) + gap if stop else start + b
    return Turn(start, (start + a, start + b), (end, end + len(stop))), text[: end + len(stop)]


def _stop_in(foot: str, template: Template) -> tuple[int, str]:
    """Where in what follows the words the special tokens begin that end the turn, and which: up to EOS, else
    the first."""
    special, eos = template.special, template.tokenizer.eos_token
    if not (found := re.match(rf"(\s*)((?:{special})+)", foot)):
        if foot.strip():
            raise BoundaryError(f"the chat template ends a turn with text, not with a token: {foot[:40]!r}")
        return 0, ""
    run = re.findall(special, found.group(2))
    last = run.index(eos) if eos in run else 0
    return found.end(1), "".join(run[: last + 1])


def _words_in(body: str, head: str, foot: str, content: str) -> Span:
    """Where the words of a plain message stand in `body`: after what the template inserts, or at once."""
    rest = body[: len(body) - len(foot)]
    ways = {way(text) for text in _versions(content) for way in (str, *TRIMS)}
    for words in sorted(ways - {""}, key=len, reverse=True):
        if body.endswith(foot) and rest in (words, head + words):
            return len(rest) - len(words), len(rest)
    raise BoundaryError(f"the chat template does not write the reply as it stands: {body[:40]!r}")


TRIMS = (str.rstrip, str.lstrip, str.strip)


def _versions(content: str) -> list[str]:
    """A reply as it is, and without the thoughts that it begins with, which some templates take off."""
    thoughts = THOUGHTS.match(content)
    return [content, content[thoughts.end() :]] if thoughts else [content]


def _calls_in(body: str, head: str, ending: str, stop: str) -> Span:
    """Where in `body` the calls of tools stand, with the words beside them: all but what is inserted."""
    if not (stop and body.endswith(ending)):
        raise BoundaryError("the chat template does not end a call of a tool as it ends a turn")
    inserted = len(head) if head.strip() and body.startswith(head) else 0
    said = body[inserted : len(body) - len(ending)]
    return inserted + len(said) - len(said.lstrip()), inserted + len(said.rstrip())


def _check_nothing_is_left_out(template: Template, messages: list[Message]) -> None:
    """Put a mark in place of each part that conditions the reply; all marks must be in the text."""
    parts: list[str] = []

    def mark(part: str) -> str:
        parts.append(part)
        return f"{MARK}{len(parts)}x"

    marked = [_marked_message(message, mark) for message in messages]
    tools = [_marked_call(tool, "a tool", mark) for tool in template.tools or []] or None
    text = template.write(marked, tools=tools)
    for i, part in enumerate(parts, start=1):
        if f"{MARK}{i}x" not in text:
            raise BoundaryError(f"the chat template leaves out {part}")


def _marked_message(message: Message, mark: Callable[[str], str]) -> Message:
    role, marked = message["role"], dict(message)
    content, calls = message.get("content"), message.get("tool_calls")
    if not isinstance(content, str | None) or not (content or calls):
        raise BoundaryError(f"a message of role {role} has no text")
    if content:
        marked["content"] = mark(f"the words of a message of role {role}")
    if message.get("name") and role != "tool":  # a tool's is that of its call
        marked["name"] = mark(f"the name of a message of role {role}")
    if calls:
        marked["tool_calls"] = [_marked_call(call, "a call of a tool", mark) for call in calls]
    return marked


def _marked_call(call: dict, what: str, mark: Callable[[str], str]) -> dict:
    """A call, or a tool, with marks for its name and its arguments."""
    inner = call.get("function", call)
    if not isinstance(inner, dict):
        raise BoundaryError(f"{what} has no name")
    inner = {**inner, "name": mark(what)}
    if arguments := inner.get("arguments"):
        given = mark(f"the arguments of {what}")
        inner["arguments"] = {given: given} if isinstance(arguments, dict) else f'{{"{given}": 0}}'
    return {**call, "function": inner} if "function" in call else inner

"""Pairs as texts: a prompt and what follows it, as the model reads them, with the places of its turns."""

from collections.abc import Iterator
from dataclasses import dataclass

from transformers import PreTrainedTokenizerFast

from dpoq_lab.chat import BoundaryError, Rendered, Template, Turn, render_chat
from dpoq_lab.preferences import Message, Pair, Span


@dataclass(frozen=True)
class Written:
    """A prompt and what follows it as `text` with its turns, the tail too if that is scored (`whole`); the
    `bos` ids stand before it, `flaws` are spans of what follows the prompt."""

    rendered: Rendered
    bos: list[int]
    text: str
    flaws: tuple[Span, ...]
    chat: bool
    whole: bool

    @property
    def contexts(self) -> list[str]:
        """What the policy reads before each turn."""
        return [self.text[: turn.start] for turn in self.rendered.turns]


def write_sides(
    tokenizer: PreTrainedTokenizerFast, pairs: list[Pair], whole_yield: bool
) -> Iterator[list[Written] | BoundaryError]:
    """The chosen and the rejected side of each pair, or why it cannot be written."""
    template = None
    for pair in pairs:
        try:
            template = _template_of(tokenizer, pair, template)
            sides = ((pair.chosen, pair.chosen_flaws), (pair.rejected, pair.rejected_flaws))
            yield [write(tokenizer, template, pair.prompt, *side, whole_yield) for side in sides]
        except BoundaryError as error:
            yield error


def _template_of(tokenizer: PreTrainedTokenizerFast, pair: Pair, last: Template | None) -> Template | None:
    """None for a plain text; the `last` one where the pair has the same tools and variables."""
    if isinstance(pair.prompt, str):
        return None
    same = last and (last.tools, last.arguments) == (pair.tools, pair.arguments)
    return last if same else Template(tokenizer, pair.tools, pair.arguments)


def write(
    tokenizer: PreTrainedTokenizerFast,
    template: Template | None,
    prompt: str | list[Message],
    response: str | list[Message],
    flaws: tuple[Span, ...],
    whole_yield: bool,
) -> Written:
    """A prompt and what follows it; a plain text has no `template`. Raises BoundaryError."""
    rendered, bos = _render(tokenizer, template, prompt, response)
    text = rendered.text + (rendered.tail if whole_yield and template else "")
    placed = _placed(flaws, response, rendered, rendered.turns[0].start)
    return Written(rendered, bos, text, placed, template is not None, whole_yield)


def _render(
    tokenizer: PreTrainedTokenizerFast,
    template: Template | None,
    prompt: str | list[Message],
    response: str | list[Message],
) -> tuple[Rendered, list[int]]:
    """The text with its turns, and the BOS ids that stand before it.

    A string prompt is used word for word, and so are turns beside it. Messages go through the chat template.
    """
    reply = [{"role": "assistant", "content": response}] if isinstance(response, str) else response
    if template and not isinstance(prompt, str):
        return render_chat(template, prompt, reply), []
    text, turns = str(prompt), []
    empty, has_bos = tokenizer("").input_ids, text.startswith(str(tokenizer.bos_token or "\0"))
    bos = empty[:1] if empty[:1] == [tokenizer.bos_token_id] and not has_bos else []
    for message in reply:
        start, text = len(text), text + message["content"]
        if message["role"] == "assistant":
            turns.append(Turn(start, (start, len(text)), (len(text), len(text))))
    return Rendered(text, turns, ""), bos


def _placed(
    flaws: tuple[Span, ...], response: str | list[Message], rendered: Rendered, start: int
) -> tuple[Span, ...]:
    """Spans of a plain reply as spans of the text that follows the prompt."""
    if not flaws:
        return ()
    if not isinstance(response, str):
        raise BoundaryError("flaws are spans of one plain reply, not of several turns or tool calls")
    a, b = rendered.turns[0].said
    shift = response.rfind(rendered.text[a:b])
    if any(first < shift or last > shift + b - a for first, last in flaws):
        raise BoundaryError("a flaw lies in a part of the reply that the chat template leaves out")
    return tuple((first - shift + a - start, last - shift + a - start) for first, last in flaws)

"""From pairs to tokens: the token ids that are scored are the token ids that are trained.

A response is a trajectory from the prompt: tokens in order, each an action, which the policy chose, or an
observation, which a user, a tool or the chat template wrote. A plain reply is all actions. The last action
of a turn is the token at which generation stops: the template's end of turn, else EOS; one, never two. A
token that would straddle context and action has no place in the MDP, so its pair is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from transformers import PreTrainedTokenizerFast

from dpoq_lab.chat import BoundaryError, Template, Turn, render_chat
from dpoq_lab.preferences import Message, Pair, Span
from dpoq_lab.sources import Problem
from dpoq_lab.texts import Written, write, write_sides

EOS, BYTE = "\u27e8EOS\u27e9", "\u27e8byte\u27e9"


@dataclass(frozen=True)
class Response:
    """One tokenised response: `ids` (length R) follow `prompt_ids`; `offsets` are [start, end)
    characters of `text`, what follows the prompt as rendered, an appended EOS being empty at its end.

    `actions` marks the tokens that the policy chose (default: all). `tail` is what the chat template writes
    after the last action; it is in no id. `ends` are the places of the tokens that close a turn: EOS, the
    template's end of turn, and what it writes after the last.
    """

    prompt_ids: list[int]
    ids: list[int]
    offsets: list[Span]
    text: str
    flaws: tuple[Span, ...] = ()
    truncated: bool = False
    actions: list[bool] = field(default_factory=list)
    eos_id: int | None = None
    tail: str = ""
    ends: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.actions) != len(self.ids):
            object.__setattr__(self, "actions", [True] * len(self.ids))

    @property
    def n_actions(self) -> int:
        """How many tokens the policy chose."""
        return sum(self.actions)

    @property
    def tokens(self) -> list[str]:
        """Each token's text; the EOS token is `EOS`, a byte in mid-character `BYTE`."""
        shown, reached = [], 0
        for token, (start, end) in zip(self.ids, self.offsets, strict=True):
            shown.append(EOS if token == self.eos_id else BYTE if start < reached else self.text[start:end])
            reached = max(reached, end)
        return shown


@dataclass(frozen=True)
class EncodedPair:
    """A pair as two tokenised responses to the same prompt tokens."""

    chosen: Response
    rejected: Response
    pair: Pair


@dataclass(frozen=True)
class Encoding:
    """What tokenising left: usable pairs, those that cannot be masked exactly or that truncation made
    unusable, and how many usable pairs have a truncated response (not terminal: its sum lacks the end)."""

    pairs: list[EncodedPair]
    refused: list[Problem]
    truncated: int


def encode_pairs(
    tokenizer: PreTrainedTokenizerFast, pairs: list[Pair], max_length: int, whole_yield: bool = False
) -> Encoding:
    """Tokenise pairs to at most `max_length` tokens of prompt + response.

    With `whole_yield` all that the template writes after the prompt is scored, as TRL does. Refused, by name,
    are pairs whose actions cannot be told apart exactly and those that truncation leaves identical or without
    an action.
    """
    encoded, refused, truncated = [], [], 0
    for pair, both in _tokenised(tokenizer, pairs, max_length, whole_yield):
        if isinstance(both, BoundaryError):
            refused.append(Problem(pair.where, "", str(both)))
        elif not (both.chosen.n_actions and both.rejected.n_actions):
            refused.append(Problem(pair.where, "", f"no response token is left within {max_length} tokens"))
        elif both.chosen.ids == both.rejected.ids:
            refused.append(Problem(pair.where, "", f"the responses are identical within {max_length} tokens"))
        else:
            encoded.append(both)
            truncated += both.chosen.truncated or both.rejected.truncated
    return Encoding(encoded, refused, truncated)


CHUNK = 256  # pairs whose texts go to the tokenizer in one call


def _tokenised(
    tokenizer: PreTrainedTokenizerFast, pairs: list[Pair], max_length: int, whole_yield: bool
) -> Iterator[tuple[Pair, EncodedPair | BoundaryError]]:
    """Each pair with its tokens, or with the reason why it has none."""
    for start in range(0, len(pairs), CHUNK):
        chunk = pairs[start : start + CHUNK]
        written = list(write_sides(tokenizer, chunk, whole_yield))
        sides = [side for both in written if not isinstance(both, BoundaryError) for side in both]
        tokens = _tokens(tokenizer, sides)
        for pair, both in zip(chunk, written, strict=True):
            if isinstance(both, BoundaryError):
                yield pair, both
                continue
            try:
                chosen, rejected = (_response(tokenizer, side, tokens, max_length) for side in both)
                yield pair, EncodedPair(chosen, rejected, pair)
            except BoundaryError as error:
                yield pair, error


def encode_response(
    tokenizer: PreTrainedTokenizerFast,
    prompt: str | list[Message],
    response: str | list[Message],
    max_length: int,
    flaws: tuple[Span, ...] = (),
    tools: list | None = None,
    whole_yield: bool = False,
    arguments: dict | None = None,
) -> Response:
    """Tokenise a prompt and what follows it, a reply or several turns; `max_length` counts both.

    `flaws` are spans of a plain reply; `tools` and `arguments` go to the chat template. Raises BoundaryError.
    """
    template = None if isinstance(prompt, str) else Template(tokenizer, tools, arguments)
    written = write(tokenizer, template, prompt, response, flaws, whole_yield)
    return _response(tokenizer, written, _tokens(tokenizer, [written]), max_length)


@dataclass(frozen=True)
class _Tokens:
    """By text: of whole texts the ids with their offsets, of contexts the ids alone."""

    whole: dict[str, tuple[list[int], list[Span]]]
    read: dict[str, list[int]]


def _tokens(tokenizer: PreTrainedTokenizerFast, written: list[Written]) -> _Tokens:
    texts = list(dict.fromkeys(each.text for each in written))
    contexts = list(dict.fromkeys(context for each in written for context in each.contexts))
    if not texts:
        return _Tokens({}, {})
    tokenised = partial(tokenizer, add_special_tokens=False, return_attention_mask=False)
    found, read = tokenised(texts, return_offsets_mapping=True), tokenised(contexts).input_ids
    pairs = zip(found.input_ids, found.offset_mapping, strict=True)
    return _Tokens(dict(zip(texts, pairs, strict=True)), dict(zip(contexts, read, strict=True)))


def _response(
    tokenizer: PreTrainedTokenizerFast, written: Written, tokens: _Tokens, max_length: int
) -> Response:
    """The tokens after the prompt; which are actions, and where turns end."""
    rendered, bos, text, whole_yield = written.rendered, written.bos, written.text, written.whole
    turns, start = rendered.turns, rendered.turns[0].start
    found, spans = tokens.whole[text]
    ids, offsets = bos + found, [(0, 0)] * len(bos) + spans
    split, *_ = [_boundary(tokens, text, turn.start, bos, ids) for turn in turns]
    ids, offsets, prompt_ids = ids[split:], offsets[split:], ids[:split]
    mine = [True] * len(ids) if whole_yield else [_is_action(text, span, turns) for span in offsets]
    eos, stop = _eos(tokenizer), turns[-1].stop
    if stop[0] == stop[1] and not (whole_yield and written.chat) and (not ids or ids[-1] != eos):
        ids, offsets, mine = [*ids, eos], [*offsets, (len(text), len(text))], [*mine, True]
    if not whole_yield:
        _check_stops(ids, offsets, mine, turns, eos)
    room = max(max_length - len(prompt_ids), 0)
    return Response(
        prompt_ids,
        ids[:room],
        [(a - start if a > start else 0, b - start if b > start else 0) for a, b in offsets[:room]],
        text[start:],
        written.flaws,
        truncated=room < len(ids),
        actions=mine[:room],
        eos_id=eos,
        tail="" if whole_yield else rendered.tail,
        ends=_ends(ids[:room], offsets[:room], mine[:room], turns, eos),
    )


def _boundary(tokens: _Tokens, text: str, start: int, bos: list[int], ids: list[int]) -> int:
    """How many tokens the policy reads before a turn: the same as when it generates there."""
    read = bos + tokens.read[text[:start]]
    if ids[: len(read)] != read:
        ends = f"{text[max(start - 12, 0) : start]!r} | {text[start : start + 12]!r}"
        raise BoundaryError(f"the tokenizer merges prompt and response at {ends}")
    return len(read)


def _is_action(text: str, span: Span, turns: list[Turn]) -> bool:
    """Whether a token is the policy's: words or end of turn, with at most white space beside them."""
    start, end = span
    for turn in turns:
        for a, b in (turn.said, turn.stop):
            if a <= start < end <= b:
                return True
            if (start < b and a < end) or (start == end and a <= start < b):
                if text[start:a].strip() or text[max(b, start) : end].strip():
                    around = text[start:end]
                    raise BoundaryError(f"the tokenizer merges the reply with the template at {around!r}")
                return True
    return False


def _ends(
    ids: list[int], offsets: list[Span], actions: list[bool], turns: list[Turn], eos: int
) -> tuple[int, ...]:
    """The places of the actions that are EOS, of an end of turn, or after the last one."""
    stops, last = [turn.stop for turn in turns], turns[-1].stop[0]
    return tuple(
        k
        for k, (token, (start, _), action) in enumerate(zip(ids, offsets, actions, strict=True))
        if action and (token == eos or start >= last or any(a <= start < b for a, b in stops))
    )


def _check_stops(
    ids: list[int], offsets: list[Span], actions: list[bool], turns: list[Turn], eos: int
) -> None:
    """EOS ends a turn: it is none of its words."""
    stops = [turn.stop for turn in turns if turn.stop[0] < turn.stop[1]]
    for token, span, action in list(zip(ids, offsets, actions, strict=True))[:-1]:
        if action and token == eos and not any(a <= span[0] < b for a, b in stops):
            raise BoundaryError("the response holds the end-of-text token before its end")


def _eos(tokenizer: PreTrainedTokenizerFast) -> int:
    if not isinstance(tokenizer.eos_token_id, int):
        raise BoundaryError("the tokenizer has no EOS token, so no response would end")
    return tokenizer.eos_token_id


def used_ids(pairs: list[EncodedPair]) -> set[int]:
    """Every token id that stands in the pairs."""
    return {
        i for pair in pairs for side in (pair.chosen, pair.rejected) for i in (*side.prompt_ids, *side.ids)
    }


def stop_ids(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """The tokens at which generation stops: EOS, and the chat template's end of turn where it has one."""
    found = [_eos(tokenizer)]
    if tokenizer.chat_template:
        asked = [{"role": "user", "content": "a"}]
        rendered = render_chat(Template(tokenizer), asked, [{"role": "assistant", "content": "b"}])
        a, b = rendered.turns[-1].stop
        found += tokenizer(rendered.text[a:b], add_special_tokens=False).input_ids[-1:]
    return list(dict.fromkeys(found))


def flaw_mask(response: Response) -> list[bool]:
    """For each token whether it is an action that overlaps a marked flaw."""
    return [
        action and any(start < flaw_end and flaw_start < end for flaw_start, flaw_end in response.flaws)
        for (start, end), action in zip(response.offsets, response.actions, strict=True)
    ]

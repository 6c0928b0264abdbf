"""From pairs to tokens: the token ids that are scored are the token ids that are trained.

A response is the tokens after the prompt, ending in EOS exactly once: EOS is an action of the
token MDP and its log-ratio belongs in the sum (section 3.1). A token that would straddle the
boundary between prompt and response has no place in the MDP, so it raises.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from dpoq_lab.preferences import Pair, Span
from dpoq_lab.sources import Problem

EOS, BYTE = "\u27e8EOS\u27e9", "\u27e8byte\u27e9"


class BoundaryError(ValueError):
    """The tokens of prompt + response do not split into prompt and response; one line says where."""


@dataclass(frozen=True)
class Response:
    """One tokenised response: `ids` (length R) follow `prompt_ids`; `offsets` are [start, end)
    characters of `text` for each of `ids`, the EOS token's being empty at its end."""

    prompt_ids: list[int]
    ids: list[int]
    offsets: list[Span]
    text: str
    flaws: tuple[Span, ...] = ()
    truncated: bool = False

    @property
    def tokens(self) -> list[str]:
        """Each token's text; EOS, or a template's end of turn, is `EOS`, a byte in mid-character `BYTE`."""
        shown, reached = [], 0
        for start, end in self.offsets:
            shown.append(EOS if start == end else BYTE if start < reached else self.text[start:end])
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
    """What tokenising left: usable pairs, those that truncation made unusable, and how many
    usable pairs have a truncated response (not terminal: its sum lacks the EOS term)."""

    pairs: list[EncodedPair]
    refused: list[Problem]
    truncated: int


@dataclass(frozen=True)
class Batch:
    """B responses, prompts padded on the left and responses on the right to columns [P | R].

    `input_ids`, `attention_mask`, `position_ids`: (B, P+R); `response_ids`, `response_mask`: (B, R).
    """

    input_ids: Tensor
    attention_mask: Tensor
    position_ids: Tensor
    response_ids: Tensor
    response_mask: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        return Batch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def encode_pairs(tokenizer: PreTrainedTokenizerFast, pairs: list[Pair], max_length: int) -> Encoding:
    """Tokenise pairs to at most `max_length` tokens of prompt + response.

    Refuses pairs that truncation leaves identical or without a response token. Raises BoundaryError.
    """
    encoded, refused, truncated = [], [], 0
    for pair in pairs:
        both = EncodedPair(
            encode_response(tokenizer, pair.prompt, pair.chosen, max_length, pair.chosen_flaws, pair.where),
            encode_response(
                tokenizer, pair.prompt, pair.rejected, max_length, pair.rejected_flaws, pair.where
            ),
            pair,
        )
        cut = both.chosen.truncated or both.rejected.truncated
        if not both.chosen.ids or not both.rejected.ids:
            refused.append(Problem(pair.where, "", f"no response token is left within {max_length} tokens"))
        elif both.chosen.ids == both.rejected.ids:
            refused.append(Problem(pair.where, "", f"the responses are identical within {max_length} tokens"))
        else:
            encoded.append(both)
            truncated += cut
    return Encoding(encoded, refused, truncated)


def encode_response(
    tokenizer: PreTrainedTokenizerFast,
    prompt: str | list[dict],
    response: str,
    max_length: int,
    flaws: tuple[Span, ...] = (),
    where: str = "",
) -> Response:
    """Tokenise one prompt and response; `max_length` counts both. Raises BoundaryError."""
    before, after, bos = render(tokenizer, prompt, response, where)
    prompt_ids = bos + tokenizer(before, add_special_tokens=False).input_ids
    whole = tokenizer(before + after, add_special_tokens=False, return_offsets_mapping=True)
    ids, split = bos + whole.input_ids, len(prompt_ids)
    if ids[:split] != prompt_ids:
        ends = f"{before[-12:]!r} | {after[:12]!r}"
        raise BoundaryError(f"{_at(where)}the tokenizer merges prompt and response at {ends}")
    shift = len(before) + max(after.find(response), 0)
    last = len(response)
    offsets = [
        (min(max(start - shift, 0), last), min(max(end - shift, 0), last))
        for start, end in whole.offset_mapping[split - len(bos) :]
    ]
    return _end(tokenizer, prompt_ids, ids[split:], offsets, response, max_length, flaws, where)


def _end(
    tokenizer: PreTrainedTokenizerFast,
    prompt_ids: list[int],
    ids: list[int],
    offsets: list[Span],
    text: str,
    max_length: int,
    flaws: tuple[Span, ...],
    where: str,
) -> Response:
    """Put EOS at the end exactly once, then cut to `max_length`."""
    eos = tokenizer.eos_token_id
    if not isinstance(eos, int):
        raise BoundaryError(f"{_at(where)}the tokenizer has no EOS token, so no response would end")
    if not ids or ids[-1] != eos:
        ids, offsets = ids + [eos], offsets + [(len(text), len(text))]
    if eos in ids[:-1]:
        raise BoundaryError(f"{_at(where)}the response holds the end-of-text token before its end")
    room = max(max_length - len(prompt_ids), 0)
    return Response(prompt_ids, ids[:room], offsets[:room], text, flaws, truncated=room < len(ids))


def _at(where: str) -> str:
    return f"{where}: " if where else ""


def render(
    tokenizer: PreTrainedTokenizerFast, prompt: str | list[dict], response: str, where: str = ""
) -> tuple[str, str, list[int]]:
    """The text before and after the boundary, and the BOS ids that stand before both.

    A string prompt is used word for word. Messages go through the model's chat template.
    """
    if isinstance(prompt, str):
        empty = tokenizer("").input_ids
        return prompt, response, empty[:1] if empty[:1] == [tokenizer.bos_token_id] else []
    if not tokenizer.chat_template:
        raise BoundaryError(
            f"{_at(where)}the prompt is a chat, but this model's tokenizer has no chat template"
        )
    before = str(tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True))
    reply = [*prompt, {"role": "assistant", "content": response}]
    full = str(tokenizer.apply_chat_template(reply, tokenize=False))
    if not full.startswith(before):
        raise BoundaryError(f"{_at(where)}the chat template does not keep the prompt when a response follows")
    return before, full[len(before) :].rstrip(), []


def collate(responses: list[Response], pad_id: int) -> Batch:
    """Pad B responses to one batch; the pad token is masked, never scored."""
    P = max(len(response.prompt_ids) for response in responses)
    R = max(len(response.ids) for response in responses)
    input_ids = torch.full((len(responses), P + R), pad_id)
    mask = torch.zeros((len(responses), P + R), dtype=torch.long)
    for row, response in enumerate(responses):
        start, end = P - len(response.prompt_ids), P + len(response.ids)
        input_ids[row, start:end] = torch.tensor(response.prompt_ids + response.ids)
        mask[row, start:end] = 1
    position_ids = (mask.cumsum(dim=1) - 1).clamp(min=0)
    return Batch(input_ids, mask, position_ids, input_ids[:, P:], mask[:, P:].bool())


def pad_id(tokenizer: PreTrainedTokenizerFast) -> int:
    """The id that fills masked places: the tokenizer's pad token, else its EOS."""
    found = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    if not isinstance(found, int):
        raise ValueError("the tokenizer has neither a pad nor an EOS token")
    return found


def flaw_mask(response: Response) -> list[bool]:
    """For each token whether it overlaps a marked flaw."""
    return [
        any(start < flaw_end and flaw_start < end for flaw_start, flaw_end in response.flaws)
        for start, end in response.offsets
    ]

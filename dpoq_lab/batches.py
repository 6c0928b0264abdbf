"""Responses of one length each as a batch: prompts end, and responses begin, in the same column."""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab.encoding import Response


@dataclass(frozen=True)
class Batch:
    """B responses, prompts padded on the left and responses on the right to columns [P | R].

    `input_ids`, `attention_mask`, `position_ids`: (B, P+R); `response_ids`, `action_mask`: (B, R), the mask
    True where the policy chose the token: neither at observations nor at padding.
    """

    input_ids: Tensor
    attention_mask: Tensor
    position_ids: Tensor
    response_ids: Tensor
    action_mask: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        return Batch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def collate(responses: list[Response], pad_id: int) -> Batch:
    """Pad B responses to one batch; the pad token is masked, never scored."""
    P = max(len(response.prompt_ids) for response in responses)
    R = max(len(response.ids) for response in responses)
    input_ids = torch.full((len(responses), P + R), pad_id)
    mask = torch.zeros((len(responses), P + R), dtype=torch.long)
    actions = torch.zeros((len(responses), R), dtype=torch.bool)
    for row, response in enumerate(responses):
        start, end = P - len(response.prompt_ids), P + len(response.ids)
        input_ids[row, start:end] = torch.tensor(response.prompt_ids + response.ids)
        mask[row, start:end] = 1
        actions[row, : len(response.ids)] = torch.tensor(response.actions)
    position_ids = (mask.cumsum(dim=1) - 1).clamp(min=0)
    return Batch(input_ids, mask, position_ids, input_ids[:, P:], actions)


def pad_id(tokenizer: PreTrainedTokenizerFast, *models: PreTrainedModel | None) -> int:
    """The id that fills masked places: the pad token, else EOS; one that all `models` have."""
    found = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    if not isinstance(found, int):
        raise ValueError("the tokenizer has neither a pad nor an EOS token")
    return min(found, *(model.config.vocab_size - 1 for model in models if model), found)

"""How a policy ranks the held-out pairs, before and after training."""

from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator

from dpoq_lab.encoding import EncodedPair
from dpoq_lab.intervals import accuracy_with_interval
from dpoq_lab.reference_cache import PairLogProbs
from dpoq_lab.schedule import Settings
from dpoq_lab.training import pair_log_probs


class Judge:
    """Scores held-out pairs in float32, whatever the training precision."""

    def __init__(
        self,
        accelerator: Accelerator,
        pairs: list[EncodedPair],
        pad_id: int,
        settings: Settings,
        beta: float,
    ) -> None:
        self.accelerator, self.pairs, self.pad_id, self.beta = accelerator, pairs, pad_id, beta
        self.settings = replace(settings, bf16=False)

    def log_probs(self, model: torch.nn.Module, keep: Path | None = None) -> list[PairLogProbs]:
        """log pi of each pair's tokens, or what the file `keep` holds of them."""
        found = pair_log_probs(self.accelerator, model, self.pairs, self.pad_id, self.settings, keep=keep)
        return [found[i] for i in range(len(self.pairs))]

    def report(self, policy: list[PairLogProbs], reference: list[PairLogProbs]) -> dict | None:
        """Accuracy by implicit reward and by likelihood, and mean summed rewards."""
        if not self.pairs:
            return None
        sums = torch.tensor([[chosen.sum(), rejected.sum()] for chosen, rejected in policy])
        rewards = self.beta * (
            sums - torch.tensor([[chosen.sum(), rejected.sum()] for chosen, rejected in reference])
        )
        return {
            "by_reward": accuracy_with_interval((rewards[:, 0] - rewards[:, 1]).tolist()),
            "by_likelihood": accuracy_with_interval((sums[:, 0] - sums[:, 1]).tolist()),
            "chosen_reward_sum": round(rewards[:, 0].mean().item(), 4),
            "rejected_reward_sum": round(rewards[:, 1].mean().item(), 4),
        }


def zeros(log_probs: list[PairLogProbs]) -> list[PairLogProbs]:
    """Zeros in place of a reference's log-probabilities: CPL's reward is beta log pi."""
    return [(torch.zeros_like(chosen), torch.zeros_like(rejected)) for chosen, rejected in log_probs]

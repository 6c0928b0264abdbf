"""What a run minimises: which replies it reads, whether it needs a reference, its loss, and its weight.

`training` takes any of these and knows none by name; `losses` has the formulas.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from torch import Tensor

from dpoq_lab.encoding import EncodedPair
from dpoq_lab.losses import cpl_loss, dpo_loss, sft_loss

Side = Literal["chosen", "rejected"]


class Objective(Protocol):
    """One loss a pair from the log-ratios of its replies; without a reference a log-ratio is log pi."""

    name: ClassVar[str]
    sides: ClassVar[tuple[Side, ...]]  # the replies that are read, in the order of `losses`' arguments
    needs_reference: ClassVar[bool]
    beta: float  # what turns a log-ratio into a reward

    def losses(self, *log_ratios: Tensor) -> Tensor:
        """The loss of each pair, (B,), from log-ratios (B, R), one tensor a side; 0 where not an action."""
        ...

    def weight(self, pairs: list[EncodedPair]) -> float:
        """What the summed losses of a step's pairs are divided by."""
        ...


@dataclass(frozen=True)
class SFT:
    """Maximum likelihood of the chosen replies, a mean over tokens."""

    name: ClassVar[str] = "sft"
    sides: ClassVar[tuple[Side, ...]] = ("chosen",)
    needs_reference: ClassVar[bool] = False
    beta: ClassVar[float] = 1.0

    def losses(self, chosen: Tensor) -> Tensor:
        """-sum log pi of the chosen replies."""
        return sft_loss(chosen)

    def weight(self, pairs: list[EncodedPair]) -> float:
        """The actions of the chosen replies."""
        return sum(pair.chosen.n_actions for pair in pairs)


@dataclass(frozen=True)
class DPO:
    """Equations (8) and (9), a mean over pairs."""

    name: ClassVar[str] = "dpo"
    sides: ClassVar[tuple[Side, ...]] = ("chosen", "rejected")
    needs_reference: ClassVar[bool] = True
    beta: float = 0.1

    def losses(self, chosen: Tensor, rejected: Tensor) -> Tensor:
        """-log sigma of the margin."""
        return dpo_loss(chosen, rejected, self.beta)

    def weight(self, pairs: list[EncodedPair]) -> float:
        """The number of pairs."""
        return len(pairs)


@dataclass(frozen=True)
class CPL:
    """Contrastive preference learning: DPO without a reference; `beta` is its alpha, `bias` its lambda."""

    name: ClassVar[str] = "cpl"
    sides: ClassVar[tuple[Side, ...]] = ("chosen", "rejected")
    needs_reference: ClassVar[bool] = False
    beta: float = 0.1
    bias: float = 0.5

    def losses(self, chosen: Tensor, rejected: Tensor) -> Tensor:
        """-log sigma of the biased margin."""
        return cpl_loss(chosen, rejected, self.beta, self.bias)

    def weight(self, pairs: list[EncodedPair]) -> float:
        """The number of pairs."""
        return len(pairs)


def described(objective: Objective) -> dict:
    """The objective as a JSON-ready record: its name and its numbers."""
    return {"name": objective.name, **vars(objective)}

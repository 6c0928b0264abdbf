"""dpoq_lab: the code of a course on "From r to Q*: Your Language Model is Secretly a Q-Function".

    import dpoq_lab as dq
    scored = dq.score("my-dpo-run", "my-sft-model", "pairs.jsonl")

Each name below is loaded when it is first used, so the import itself costs nothing.

score           every token of preference pairs under a policy and its reference
diagnose        which known cause is at work in a run
train           SFT, DPO or CPL of a model on preference pairs
read_pairs      validate pairs of any form, with every problem named
encode_pairs    pairs as tokens
token_log_probs log pi(a_t|s_t) of a batch
token_rewards   beta (log pi - log pi_ref), eq. (11)
dpo_loss        eq. (9)
beam_search     beams over any next-token scorer
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpoq_lab.commands.diagnose import diagnose
    from dpoq_lab.commands.scored import score
    from dpoq_lab.commands.train import train
    from dpoq_lab.encoding import encode_pairs
    from dpoq_lab.losses import dpo_loss, token_log_probs
    from dpoq_lab.preferences import read_pairs
    from dpoq_lab.rewards import token_rewards
    from dpoq_lab.search.beams import beam_search

__version__ = "0.2.0"
__all__ = [
    "beam_search",
    "diagnose",
    "dpo_loss",
    "encode_pairs",
    "read_pairs",
    "score",
    "token_log_probs",
    "token_rewards",
    "train",
]
_HOMES = {
    "beam_search": "search.beams",
    "diagnose": "commands.diagnose",
    "dpo_loss": "losses",
    "encode_pairs": "encoding",
    "read_pairs": "preferences",
    "score": "commands.scored",
    "token_log_probs": "losses",
    "token_rewards": "rewards",
    "train": "commands.train",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

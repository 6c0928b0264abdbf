"""The presets: how large a lesson is on the machine it finds.

`ci` runs a lesson in seconds and shows mechanics, not results; `laptop` takes a minute or two on
two CPU cores; `gpu` trains in bfloat16 on CUDA. `DPOQ_PRESET` overrides the choice.
"""

import os
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Preset:
    """Sizes of a lesson; the learning rates are per AdamW step, the lengths in tokens."""

    name: str
    model: str
    sft_steps: int
    dpo_steps: int
    batch_size: int  # pairs an optimiser step
    micro_batch: int  # pairs in memory at once
    sft_lr: float
    dpo_lr: float
    beta: float = 0.1
    warmup_steps: int = 10
    max_length: int = 512
    bf16: bool = False


TINY = {"model": "tiny", "sft_lr": 2e-3, "dpo_lr": 1e-4}
SMOLLM2 = {"model": "smollm2-135m", "sft_lr": 6e-6, "dpo_lr": 6e-6}

PRESETS = {
    "ci": Preset("ci", **TINY, sft_steps=20, dpo_steps=20, batch_size=8, micro_batch=8),
    "laptop": Preset("laptop", **SMOLLM2, sft_steps=10, dpo_steps=30, batch_size=8, micro_batch=4),
    "gpu": Preset("gpu", **SMOLLM2, sft_steps=45, dpo_steps=135, batch_size=32, micro_batch=32, bf16=True),
}
WITHOUT_SMOLLM2 = {**TINY, "sft_steps": 200, "dpo_steps": 100, "batch_size": 16, "micro_batch": 16}


class PresetError(ValueError):
    """`DPOQ_PRESET` or `--preset` names no preset."""


def find_preset(name: str | None = None) -> Preset:
    """The preset of that name, else of `DPOQ_PRESET`, else the one that fits this machine."""
    name = name or os.environ.get("DPOQ_PRESET") or ("gpu" if torch.cuda.is_available() else "laptop")
    if name not in PRESETS:
        raise PresetError(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def bf16_is_fast() -> bool:
    """Whether this machine multiplies bfloat16 faster than float32: CUDA, AMX or AVX512-BF16."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))

"""LoRA adapter folders: which base they belong to, and the base with the adapter merged into its weights."""

import json
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel


def base_of(name: str) -> str | None:
    """The base model that an adapter folder names; None for a folder that is a model, or a name.

    Raises ValueError if the folder says no base.
    """
    config = Path(name) / "adapter_config.json"
    if not config.is_file() or (Path(name) / "config.json").is_file():
        return None
    base = json.loads(config.read_text(encoding="utf-8")).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise ValueError("adapter_config.json names no base model")
    beside = Path(name) / base  # a relative folder is one beside the adapter
    return str(beside) if beside.is_dir() else base


def merged(base: PreTrainedModel, folder: str) -> PreTrainedModel:
    """The base with the adapter in its weights. ImportError: no peft; OSError: no safetensors."""
    if not (Path(folder) / "adapter_model.safetensors").is_file():
        raise OSError("holds no adapter_model.safetensors (pickled weights are not loaded)")
    try:
        from peft import PeftModel
    except ImportError as error:
        raise ImportError(
            "is a LoRA adapter; it needs the extra peft: pip install 'dpoq-lab[peft]'"
        ) from error
    tuned: Any = PeftModel.from_pretrained(base, folder, trust_remote_code=False)
    return tuned.merge_and_unload().requires_grad_(True)

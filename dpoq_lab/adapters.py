"""LoRA adapter folders: which base they belong to, and the base with the adapter merged into its weights."""

from pathlib import Path
from typing import Any

from safetensors import safe_open
from transformers import PreTrainedModel

from dpoq_lab.records import read_json
from dpoq_lab.weights import quiet


def base_of(name: str) -> str | None:
    """The base model that an adapter folder names; None for a folder that is a model, or a name.

    Raises ValueError if the folder says no base.
    """
    config = Path(name) / "adapter_config.json"
    if not config.is_file() or (Path(name) / "config.json").is_file():
        return None
    held = read_json(config.read_text(encoding="utf-8"))
    base = held.get("base_model_name_or_path") if isinstance(held, dict) else None
    if not isinstance(base, str) or not base:
        raise ValueError("adapter_config.json names no base model")
    beside = Path(name) / base  # a relative folder is one beside the adapter
    if beside.is_dir() and beside.samefile(name):
        raise ValueError("adapter_config.json names the adapter itself as its base")
    return str(beside) if beside.is_dir() else base


def merged(base: PreTrainedModel, folder: str) -> PreTrainedModel:
    """The base with the adapter in its weights; raises what peft raises, too.

    ImportError: no peft; OSError: no safetensors; ValueError: other weights than the adapter's config says.
    """
    if not (Path(folder) / "adapter_model.safetensors").is_file():
        raise OSError("holds no adapter_model.safetensors (pickled weights are not loaded)")
    try:
        from peft import PeftModel, get_peft_model_state_dict
    except ImportError as error:
        raise ImportError(
            "is a LoRA adapter; it needs the extra peft: pip install 'dpoq-lab[peft]'"
        ) from error
    with quiet():
        tuned: Any = PeftModel.from_pretrained(base, folder, trust_remote_code=False)
        needed, known = (
            set(get_peft_model_state_dict(tuned, save_embedding_layers=e)) for e in (False, True)
        )
    with safe_open(Path(folder) / "adapter_model.safetensors", "pt") as file:
        held = set(file.keys())
    if missing := needed - held:
        raise ValueError(f"{min(missing)}: not among its weights")
    if unknown := held - known:
        raise ValueError(f"{min(unknown)}: of no use to an adapter as its config describes it")
    return tuned.merge_and_unload().requires_grad_(True)

"""Weights out of a folder or hub id: plain tensors only, all that the model needs and no others, all finite.

transformers draws weights that are missing at random and leaves out those it does not know; here both are
refused by name. Tied weights, which are stored once, are not missing.
"""

import hashlib
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging
from transformers.utils.hub import cached_file

INDEX = "model.safetensors.index.json"


class WeightsError(ValueError):
    """Weights that are not loaded; the text is one line that says which and why."""


def read(source: str, gguf: str | None = None, **options: Any) -> PreTrainedModel:
    """The causal LM of a folder or hub id, as `from_pretrained` with `options`; `gguf` is a file in it.

    Raises WeightsError, and whatever transformers raises of a folder that is none of its own.
    """
    if not gguf:
        _refuse_pickle(source)
        options["use_safetensors"] = True
    with quiet():
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source,
            trust_remote_code=False,  # transformers' default is to ask on the terminal
            ignore_mismatched_sizes=True,  # they are named below
            output_loading_info=True,
            **options,
        )
    model, found = loaded
    _refuse_partial(found)
    _refuse_whole_numbers(Path(source), model)
    check_finite(model)
    return model


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing that transformers and torch say of a folder while they read it: what matters is raised here."""
    shown = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity(logging.CRITICAL)
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(shown)
        transformers_logging.enable_progress_bar()


def check_finite(model: torch.nn.Module) -> None:
    """Raise WeightsError if a weight is not a number, or infinite."""
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise WeightsError(f"its weight {name} has a value that is not finite")


def digest(model: torch.nn.Module) -> str:
    """A hash of all weights and their names."""
    found = hashlib.sha256()
    for name, weight in model.state_dict().items():
        found.update(name.encode())
        found.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return found.hexdigest()


def _refuse_partial(found: dict) -> None:
    for kind, what in (
        ("missing_keys", "not among its weights"),
        ("unexpected_keys", "of no use to a model as its config describes it"),
        ("mismatched_keys", "of another shape than its config says"),
    ):
        names = sorted(str(key[0] if isinstance(key, tuple) else key) for key in found[kind])
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise WeightsError(f"{names[0]}{more}: {what}")
    if found["error_msgs"]:
        raise WeightsError(str(found["error_msgs"][0]))


def _refuse_whole_numbers(folder: Path, model: PreTrainedModel) -> None:
    """Weights that are stored as integers have lost their scale, unless the config says how they got it."""
    if getattr(model.config, "quantization_config", None):
        return
    names = {name for name, _ in model.named_parameters()}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in names & set(file.keys()):
                if "F" not in (kind := file.get_slice(name).get_dtype()):
                    raise WeightsError(f"{path.name}: {name} is of whole numbers ({kind}) without a scale")


def _refuse_pickle(source: str) -> None:
    """A pickle can run any code: there must be safetensors, and an index may name no other files."""
    folder = Path(source)
    if folder.is_dir() and not any(folder.glob("*.safetensors")):
        raise WeightsError("holds no .safetensors or .gguf weights (pickled weights are not loaded)")
    index = folder / INDEX if folder.is_dir() else cached_file(source, INDEX, **_QUIET)
    if index is None or not Path(index).is_file() or (folder / "model.safetensors").is_file():
        return
    try:
        files = set(json.loads(Path(index).read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise WeightsError(f"{INDEX}: has no weight_map that can be read") from error
    for file in sorted(map(str, files)):
        if Path(file).name != file or not file.endswith(".safetensors") or "\\" in file:
            raise WeightsError(f"{INDEX}: names {file}, not a .safetensors file of this folder")


_QUIET = {
    "_raise_exceptions_for_missing_entries": False,
    "_raise_exceptions_for_connection_errors": False,
    "_raise_exceptions_for_gated_repo": False,
}

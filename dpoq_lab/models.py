"""The course's language models: build, load and save small causal LMs and their tokenizers.

Names: `tiny` (built here, about 1M parameters, untrained), `smollm2-135m` (real, fetched once),
a local folder, or a hub id. Weights come from safetensors or GGUF only; no remote code runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging as transformers_logging

from dpoq_lab import adapters, smollm2, weights
from dpoq_lab.adapters import merged
from dpoq_lab.paths import data_folder
from dpoq_lab.records import one_line, same_mode
from dpoq_lab.weights import WeightsError

NAMES = ("tiny", "smollm2-135m")


class ModelError(RuntimeError):
    """A model that cannot be loaded; the text is one line that says why."""


def load(
    name: str, seed: int = 0, dtype: torch.dtype = torch.float32
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The model, in eval mode (so dropout is off), and its tokenizer; an adapter is merged into its base.

    Raises ModelError, or smollm2.FetchError where SmolLM2 is neither cached nor to be had.
    """
    if name == "tiny":
        small: Any = tiny(seed)
        return small.to(dtype), tiny_tokenizer()
    if base := base_of(name):
        try:
            model = merged(load(base, seed, dtype)[0], name)
            weights.check_finite(model)
        except Exception as error:  # of a folder that anybody wrote, by libraries that promise no kind
            raise ModelError(f"{name}: {one_line(error)}") from error
        return model.eval(), load_tokenizer(name)
    folder, gguf = _resolve(name)
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    options = _gguf_options(gguf, dequantise=True) | {"dtype": dtype, "attn_implementation": attention}
    try:
        model = weights.read(folder, gguf, **options)
    except Exception as error:  # as above
        known = Path(folder).exists() or isinstance(error, WeightsError)
        told = "" if known else f"not one of {', '.join(NAMES)}, nor a loadable folder or hub id: "
        raise ModelError(f"{name}: {told}{one_line(error)}") from error
    return model.eval(), load_tokenizer(name)


def load_tokenizer(name: str) -> PreTrainedTokenizerFast:
    """The tokenizer of a model alone. Raises ModelError or smollm2.FetchError."""
    if name == "tiny":
        return tiny_tokenizer()
    base = base_of(name)
    if base and not (Path(name) / "tokenizer_config.json").is_file():
        with _named(name):
            return load_tokenizer(base)
    folder, gguf = _resolve(name)
    try:
        with weights.quiet():
            return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, **_gguf_options(gguf))
    except Exception as error:  # as in `load`
        raise ModelError(f"{name}: has no tokenizer that can be loaded: {one_line(error)}") from error


def with_template(tokenizer: PreTrainedTokenizerFast, path: str | None) -> PreTrainedTokenizerFast:
    """The tokenizer with the chat template of a file, if one is given. Raises ModelError."""
    if path is not None:
        try:
            tokenizer.chat_template = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: no chat template that can be read: {one_line(error)}") from error
    return tokenizer


def base_of(name: str) -> str | None:
    """The base of a LoRA adapter folder; None for any other model. Raises ModelError if it names none."""
    try:
        return adapters.base_of(name)
    except ValueError as error:
        raise ModelError(f"{name}: {one_line(error)}") from error


def foreign_tokens(tokenizer: PreTrainedTokenizerFast, reference: str) -> dict[int, str]:
    """The ids of a tokenizer that are other tokens, or none, to the model `reference`, with their text."""
    theirs = load_tokenizer(reference).get_vocab()
    return {i: token for token, i in tokenizer.get_vocab().items() if theirs.get(token) != i}


def positions(model: PreTrainedModel | str) -> int | None:
    """How many tokens a model, or the one of a name, has positions for; None if it does not say."""
    if isinstance(model, str):
        if model == "tiny":
            return 512
        base = base_of(model)
        if base:
            with _named(model):
                return positions(base)
        folder, gguf = _resolve(model)
        try:
            with weights.quiet():
                config = AutoConfig.from_pretrained(folder, trust_remote_code=False, **_gguf_options(gguf))
        except Exception as error:  # as in `load`
            raise ModelError(f"{model}: has no config that can be read: {one_line(error)}") from error
    else:
        config = model.config
    found = getattr(config, "max_position_embeddings", getattr(config, "n_positions", None))
    if isinstance(found, int) and found < 1:
        raise ModelError(f"{model if isinstance(model, str) else model.name_or_path}: has {found} positions")
    return found if isinstance(found, int) else None


def room(max_length: int, *of: PreTrainedModel | str) -> int:
    """The tokens that prompt and response may have: `max_length`, or the fewest positions of the models."""
    return min([max_length, *filter(None, map(positions, of))])


def capped_notes(asked: int, room: int, truncated: int) -> dict[str, int]:
    """What is said of pairs that were cut at `room` tokens where `asked` were to be had, and of how many."""
    note = f"cut at {room} tokens, as many as the model has positions for"
    return {note: truncated} if truncated and room < asked else {}


def load_frozen(
    name: str, seed: int = 0, dtype: torch.dtype = torch.float32
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """`load` without gradients, on the device that Accelerate finds: a model to score with, or pi_ref."""
    from accelerate import PartialState

    model, tokenizer = load(name, seed, dtype)
    device: Any = PartialState().device
    return model.requires_grad_(False).to(device), tokenizer


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write an ordinary Hugging Face checkpoint folder: config, safetensors, tokenizer."""
    transformers_logging.disable_progress_bar()
    try:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        same_mode(folder, "config.json")
    finally:
        transformers_logging.enable_progress_bar()


def tiny(seed: int = 0) -> LlamaForCausalLM:
    """An untrained Llama-style model of about 1M parameters for the tokenizer in `data/`."""
    return build(tiny_tokenizer(), hidden_size=128, layers=4, seed=seed)


def build(
    tokenizer: PreTrainedTokenizerFast,
    hidden_size: int,
    layers: int,
    seed: int = 0,
    initializer_range: float = 0.02,
) -> LlamaForCausalLM:
    """An untrained Llama-style model of four heads and up to 512 positions for `tokenizer`.

    `initializer_range` is the standard deviation of the first weights.
    """
    ids: dict[str, Any] = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=hidden_size * 11 // 4,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        initializer_range=initializer_range,
        bos_token_id=None,
        **ids,
        attn_implementation="eager",  # pyright: ignore[reportCallIssue]
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """The course's small byte-level BPE tokenizer, with a chat template of its own."""
    return AutoTokenizer.from_pretrained(data_folder() / "tiny_tokenizer", trust_remote_code=False)


def build_tiny_tokenizer(texts: list[str], vocab_size: int = 2048) -> PreTrainedTokenizerFast:
    """Train the byte-level BPE tokenizer of `tiny` on `texts`; deterministic."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    specials = ["<|end|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=specials, initial_alphabet=sorted(alphabet), show_progress=False
    )
    backend.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|end|>", pad_token="<|pad|>", extra_special_tokens=specials[2:]
    )
    tokenizer.chat_template = (
        "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
        "{% if message['role'] == 'assistant' %}<|end|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    return tokenizer


def parameters(model: torch.nn.Module) -> int:
    """How many numbers the model holds, tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


@contextmanager
def _named(adapter: str) -> Iterator[None]:
    """An error of an adapter's base names the adapter too."""
    try:
        yield
    except (ModelError, RecursionError) as error:
        raise ModelError(f"{adapter}: its base {one_line(error)}") from error


def _resolve(name: str) -> tuple[str, str | None]:
    """Where a model lies, a folder or hub id, and the GGUF file in it that holds its weights, if one does."""
    source = Path(smollm2.fetch() if name == "smollm2-135m" else name)
    gguf = _gguf_file(source)
    if gguf and source.is_file():
        return str(source.parent), gguf
    return str(source), gguf


def _gguf_file(source: Path) -> str | None:
    """The GGUF file of a source that has no safetensors beside it."""
    if source.suffix == ".gguf" and source.is_file():
        return source.name
    if source.is_dir() and not any(source.glob("*.safetensors")):
        return next((file.name for file in sorted(source.glob("*.gguf"))), None)
    return None


def _gguf_options(gguf: str | None, dequantise: bool = False) -> dict:
    if gguf is None:
        return {}
    return {"gguf_file": gguf} | (smollm2.dequantise() if dequantise else {})

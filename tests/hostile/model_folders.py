"""Model folders whose weights or config are not what they should be."""

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import torch
from safetensors.torch import load_file, save_file

from hostile.case import CHAT, GOOD, Case, Lay, copied, edited_json, files, inspect, removed, train
from hostile.case import cut as torn
from hostile.case import several as both

WEIGHTS, SHARD, INDEX = "model/model.safetensors", "model/shard.safetensors", "model.safetensors.index.json"
Tensors = dict[str, torch.Tensor]
MLP, EMBED, NORM = "model.layers.0.mlp.", "model.embed_tokens.weight", "model.norm.weight"


def tensors(change: Callable[[Tensors], Tensors | None]) -> Lay:
    """Weights that `change` made others of."""

    def lay(here: Path) -> None:
        held = load_file(here / WEIGHTS)
        made = change(held)
        save_file(held if made is None else made, here / WEIGHTS, {"format": "pt"})

    return lay


def _without(*starts: str) -> Lay:
    return tensors(lambda held: {k: v for k, v in held.items() if not k.startswith(starts)})


def _set(name: str, value: Callable[[torch.Tensor], torch.Tensor]) -> Lay:
    return tensors(lambda held: held | {name: value(held[name]).contiguous()})


def _as(kind: torch.dtype) -> Lay:
    return tensors(lambda held: {name: value.to(kind) for name, value in held.items()})


def _one(number: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """A tensor with `number` in one place."""
    return lambda value: value.index_fill(0, torch.tensor([3]), number)


class _Runs:
    """A pickle that leaves a file behind when it is loaded."""

    def __reduce__(self) -> tuple:
        return Path.write_text, (Path("pickle-ran"), "x")


PICKLE = pickle.dumps({"model.norm.weight": _Runs()})


def _sharded(**index: object) -> Lay:
    """Weights behind an index; `weight_map` may send them anywhere."""

    def lay(here: Path) -> None:
        names = list(load_file(here / WEIGHTS))
        (here / WEIGHTS).rename(here / SHARD)
        held = {"metadata": {}, "weight_map": dict.fromkeys(names, "shard.safetensors")} | index
        if isinstance(held["weight_map"], str):
            held["weight_map"] = dict.fromkeys(names, held["weight_map"])
        (here / "model" / INDEX).write_text(json.dumps(held))

    return lay


def _elsewhere(here: Path) -> None:
    """The shard beside the folder, where only a path out of it leads."""
    shutil.move(here / SHARD, here / "outside.safetensors")


def _absolute(here: Path) -> None:
    _elsewhere(here)
    path = here / "model" / INDEX
    path.write_text(path.read_text().replace("shard.safetensors", str(here / "outside.safetensors")))


BAD_WEIGHTS: dict[str, Lay] = {
    "empty file": files({WEIGHTS: b""}),
    "eight zeros": files({WEIGHTS: bytes(8)}),
    "torn in the middle": torn(WEIGHTS, 0.5),
    "torn in the head": torn(WEIGHTS, 0.001),
    "torn at the end": torn(WEIGHTS, 0.999),
    "a head without end": files({WEIGHTS: b"\xff" * 7 + b"\x7f" + b"{}"}),
    "a head that is no JSON": files({WEIGHTS: (20).to_bytes(8, "little") + b"x" * 20}),
    "text": files({WEIGHTS: "weights"}),
    "a pickle called safetensors": files({WEIGHTS: PICKLE}),
    "a folder in its place": both(removed(WEIGHTS), files({WEIGHTS: None})),
    "none at all": removed(WEIGHTS),
    "a pickle alone": both(removed(WEIGHTS), files({"model/pytorch_model.bin": PICKLE})),
    "a pickle index alone": both(
        removed(WEIGHTS), files({"model/pytorch_model.bin.index.json": '{"weight_map": {}}'})
    ),
    "a pickle beside an empty file": files({WEIGHTS: b"", "model/pytorch_model.bin": PICKLE}),
    "no tensor": tensors(lambda held: {}),
    "one tensor missing": _without(MLP + "up_proj"),
    "no MLP": _without(MLP),
    "no attention": _without("model.layers.0.self_attn"),
    "no norm at the end": _without(NORM),
    "no embedding": _without(EMBED),
    "one tensor renamed": tensors(lambda held: {k.replace("up_proj", "upper"): v for k, v in held.items()}),
    "all tensors renamed": tensors(lambda held: {f"net.{k}": v for k, v in held.items()}),
    "a tensor that no one knows": tensors(lambda held: held | {"model.adapter.weight": torch.ones(3)}),
    "a layer that the config has not": tensors(
        lambda held: held | {k.replace("layers.0", "layers.1"): v.clone() for k, v in held.items()}
    ),
    "an embedding too small": _set(EMBED, lambda value: value[:1024]),
    "an embedding too wide": _set(EMBED, lambda value: torch.cat([value, value], 1)),
    "an MLP of another shape": _set(MLP + "up_proj.weight", lambda value: value[:80]),
    "a norm of another shape": _set(NORM, lambda value: value[:16]),
    "a scalar": _set(NORM, lambda value: value[0]),
    "NaN": _set(EMBED, _one(float("nan"))),
    "NaN in a norm": _set(NORM, lambda value: value * float("nan")),
    "infinity": _set(MLP + "up_proj.weight", _one(float("inf"))),
    "whole numbers": _as(torch.int8),
    "index to a pickle": both(_sharded(weight_map="evil.bin"), files({"model/evil.bin": PICKLE})),
    "index to a file outside": both(_sharded(weight_map="../outside.safetensors"), _elsewhere),
    "index to an absolute path": both(_sharded(), _absolute),
    "index to nothing": _sharded(weight_map="gone.safetensors"),
    "index to a folder": both(_sharded(weight_map="sub"), files({"model/sub": None})),
    "index without a map": _sharded(weight_map=None),
    "index of a list": _sharded(weight_map=["shard.safetensors"]),
    "index torn": both(_sharded(), torn(f"model/{INDEX}", 0.5)),
    "behind an index, a tensor missing": both(_without(MLP + "up_proj"), _sharded()),
    "a broken gguf": both(removed(WEIGHTS), files({"model/m.gguf": b"GGUF" + bytes(50)})),
    "an empty gguf": both(removed(WEIGHTS), files({"model/m.gguf": b""})),
}
GOOD_WEIGHTS: dict[str, Lay] = {
    "as they are": files({}),
    "behind an index": _sharded(),
    "half precision": _as(torch.float16),
    "double precision": _as(torch.float64),
    "a pickle beside them": files({"model/pytorch_model.bin": PICKLE}),
    "rotary frequencies of old": tensors(
        lambda held: held | {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    ),
}
CONFIG: dict[str, object] = {  # by key, values that are wrong
    "model_type": ["gpt2", "nonsense", 5, ..., "", "../llama", "bert"],
    "vocab_size": [-1, 0, "2048", 1000, 2049, 10**12, 2048.5, None],
    "hidden_size": [0, -32, 33, 64, "32", 10**9, []],
    "num_attention_heads": [0, 3, -4, "4", 10**9, None],
    "num_key_value_heads": [0, 3, 8, -1],
    "num_hidden_layers": [0, 2, -1, "1", 1.5],
    "intermediate_size": [0, 89, -1],
    "head_dim": [7, 0, -8],
    "max_position_embeddings": [0, -5, "512", {}],
    "hidden_act": ["nonsense", 5],
    "rms_norm_eps": ["small", float("nan")],
    "rope_parameters": [{"rope_type": "nonsense", "rope_theta": 1e4}, "x", 5],
    "dtype": ["float7"],
    "tie_word_embeddings": [False],
    "quantization_config": [5, {"quant_method": "gptq", "bits": 4}],
    "attention_dropout": ["x"],
}
WHOLE_CONFIG = {
    "a list": "[]",
    "null": "null",
    "a number": "5",
    "a string": '"llama"',
    "empty": "",
    "an empty object": "{}",
    "torn": '{"model_type": "lla',
    "not UTF-8": b'{"model_type": "\xff"}',
    "nested deeply": '{"a":' * 100_000,
    "5000 digits": '{"vocab_size": ' + "9" * 5000 + "}",
}


def model(change: Lay, chat: bool = False) -> Lay:
    """A folder `model` that was changed, beside pairs."""
    return both(copied("../a", "model"), CHAT if chat else GOOD, change)


def cases(rng: Random) -> Iterator[Case]:
    """Each folder as the policy of `inspect`; a seeded share also as a reference, or trained."""
    for name, change in BAD_WEIGHTS.items():
        yield from refused(rng, "models: weights", name, change)
    for name, change in GOOD_WEIGHTS.items():
        yield from taken("models: weights", name, change)
    for key, values in CONFIG.items():
        for value in values:
            name = f"{key} {'missing' if value is ... else repr(value)}"
            yield from refused(rng, "models: config", name, edited_json("model/config.json", {key: value}))
    for name, text in WHOLE_CONFIG.items():
        yield from refused(rng, "models: config", name, files({"model/config.json": text}))
    yield from refused(rng, "models: config", "missing", removed("model/config.json"))


def refused(rng: Random, kind: str, name: str, change: Lay, named: str = "model") -> Iterator[Case]:
    lay = model(change)
    yield Case(kind, f"policy, {name}", inspect(policy="model"), lay, (1,), named)
    draw = rng.random()
    if draw < 0.25 and named == "model":
        yield Case(kind, f"reference, {name}", inspect(reference="model"), lay, (1,), named)
    elif draw < 0.6:
        yield Case(kind, f"trained, {name}", train(model="model"), lay, (1,), named)


def taken(kind: str, name: str, change: Lay, status: tuple[int, ...] = (0,)) -> Iterator[Case]:
    lay = model(change)
    yield Case(kind, f"policy, {name}", inspect(policy="model"), lay, status, "model", "pair accuracy")
    yield Case(kind, f"trained, {name}", train(model="model"), lay, status, "model", "pairs trained on")

"""Weights that are not those of the model that the config describes are refused by name."""

import json
import logging
import struct
import warnings
from contextlib import nullcontext
from hashlib import sha256

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.utils import logging as transformers_logging

from dpoq_lab import models, weights
from dpoq_lab.models import ModelError

DOWN = "model.layers.1.mlp.down_proj.weight"
CHANGED = {  # what is done to the weights of a two-layer model -> what is said
    "one layer's MLP is gone": (
        lambda held: {k: v for k, v in held.items() if "layers.1.mlp" not in k},
        f"{DOWN} and 2 more: not among its weights",
    ),
    "renamed": (
        lambda held: {k.replace("norm.weight", "norm.scale"): v for k, v in held.items()},
        "model.layers.0.input_layernorm.weight and 4 more: not among its weights",
    ),
    "one more": (lambda held: held | {"head.bias": torch.ones(3)}, "head.bias: of no use to a model"),
    "another shape": (lambda held: held | {DOWN: torch.ones(3)}, f"{DOWN}: of another shape"),
    "not a number": (
        lambda held: held | {"model.norm.weight": torch.full((32,), torch.nan)},
        "its weight model.norm.weight has a value that is not finite",
    ),
    "infinite, once": (
        lambda held: held | {DOWN: held[DOWN].index_fill(0, torch.tensor([5]), -torch.inf)},
        f"its weight {DOWN} has a value that is not finite",
    ),
    "none": (lambda held: {}, "lm_head.weight and 20 more: not among its weights"),
}
CONFIGURED = {  # what the config says instead -> what is said
    "fewer layers": ({"num_hidden_layers": 1}, "model.layers.1.input_layernorm.weight and 8 more: of no use"),
    "more layers": ({"num_hidden_layers": 3}, "model.layers.2.input_layernorm.weight and 8 more: not among"),
    "a head that is not tied": ({"tie_word_embeddings": False}, "lm_head.weight: not among its weights"),
    "another kind": ({"model_type": "gpt2"}, "not among its weights"),
    "no heads": ({"num_attention_heads": 0}, "modulo by zero"),
    "heads in words": ({"num_attention_heads": "four"}, "expected int, got str"),
}


@pytest.fixture
def folder(tmp_path):
    """A model of two layers, saved."""
    tokenizer = models.tiny_tokenizer()
    models.save(models.build(tokenizer, hidden_size=32, layers=2), tokenizer, tmp_path / "m")
    return tmp_path / "m"


def refused(folder):
    """The one line that says why a folder is not loaded."""
    with pytest.raises(ModelError) as caught:
        models.load(str(folder))
    assert str(caught.value).startswith(f"{folder}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("what", CHANGED)
def test_other_weights_than_the_models(folder, capfd, what):
    change, said = CHANGED[what]
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors", {"format": "pt"})
    assert said in refused(folder)
    assert capfd.readouterr() == ("", "")


def test_whole_numbers_without_their_scale(folder):
    """int8 weights would be read as -128 to 127, a model of noise."""
    path = folder / "model.safetensors"
    held = load_file(path)
    save_file(held | {DOWN: (held[DOWN] * 1000).to(torch.int8)}, path, {"format": "pt"})
    assert f"{DOWN} is of whole numbers (I8) without a scale" in refused(folder)


@pytest.mark.parametrize("what", CONFIGURED)
def test_another_model_than_the_weights(folder, what):
    change, said = CONFIGURED[what]
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert said in refused(folder)


@pytest.mark.parametrize("size", [0, 7, 1000, -1])
def test_a_file_that_is_cut_off(folder, size):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    assert "header" in refused(folder)


@pytest.mark.parametrize("text", ["[]", "", "{", '{"model_type": "none"}', "\x00"])
def test_a_config_that_is_none(folder, text):
    (folder / "config.json").write_text(text)
    refused(folder)


def in_shards(folder):
    """The same weights in two files and an index of them."""
    held = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    parts = {"a.safetensors": sorted(held)[:9], "b.safetensors": sorted(held)[9:]}
    for file, names in parts.items():
        save_file({name: held[name] for name in names}, folder / file, {"format": "pt"})
    return {name: file for file, names in parts.items() for name in names}


def write_index(folder, index):
    (folder / weights.INDEX).write_text(json.dumps(index))


def test_shards_are_read(folder):
    before = models.load(str(folder))[0].state_dict()
    write_index(folder, {"metadata": {}, "weight_map": in_shards(folder)})
    after = models.load(str(folder))[0].state_dict()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


@pytest.mark.parametrize(
    "file",
    ["a.bin", "../outside.safetensors", "sub/a.safetensors", "..\\a.safetensors", "/etc/a.safetensors", ""],
)
def test_an_index_may_name_only_safetensors_of_its_folder(folder, file, tmp_path):
    """A pickle beside it would run when it is loaded; a file outside belongs to someone else."""
    shards = in_shards(folder)
    torch.save({DOWN: torch.ones(32, 88)}, folder / "a.bin")
    (tmp_path / "outside.safetensors").write_bytes((folder / "b.safetensors").read_bytes())
    write_index(folder, {"metadata": {}, "weight_map": shards | {DOWN: file}})
    assert f"names {file}, not a .safetensors file of this folder" in refused(folder)


@pytest.mark.parametrize("index", [[], {}, {"weight_map": []}, {"weight_map": None}])
def test_an_index_that_is_none(folder, index):
    in_shards(folder)
    write_index(folder, index)
    assert "has no weight_map that can be read" in refused(folder)


def test_an_index_that_names_a_file_that_is_gone(folder):
    shards = in_shards(folder)
    (folder / "b.safetensors").unlink()
    write_index(folder, {"metadata": {}, "weight_map": shards})
    assert "b.safetensors" in refused(folder)


def test_what_transformers_says_is_heard_again_after():
    """Its level, its bars and what Python warns of are as they were, after an error too."""
    shown = transformers_logging.get_verbosity()
    for error in (None, KeyError):
        with nullcontext() if error is None else pytest.raises(error), weights.quiet():
            assert transformers_logging.get_verbosity() == logging.CRITICAL
            assert not transformers_logging.is_progress_bar_enabled()
            warnings.warn("not heard", stacklevel=1)
            if error:
                raise error
        assert transformers_logging.get_verbosity() == shown
        assert transformers_logging.is_progress_bar_enabled()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"missing_keys": {"b", "a", "c"}}, "a and 2 more: not among its weights"),
        ({"unexpected_keys": ["b", "a"]}, "a and 1 more: of no use to a model as its config describes it"),
        ({"mismatched_keys": [("b", 1, 2)]}, "b: of another shape than its config says"),
        ({"error_msgs": ["first", "second"]}, "first"),
        ({"missing_keys": ["x"], "unexpected_keys": ["y"]}, "x: not among its weights"),
        ({}, None),
    ],
)
def test_what_is_said_of_weights_whole(found, said):
    none = dict.fromkeys(("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"), ())
    if said is None:
        assert weights._refuse_partial(none) is None
    else:
        with pytest.raises(weights.WeightsError) as caught:
            weights._refuse_partial(none | found)
        assert str(caught.value) == said


def test_a_hash_is_of_every_weight_and_its_name():
    def of(**held):
        model = torch.nn.Module()
        for name, values in held.items():
            model.register_buffer(name, torch.tensor(values))
        return weights.digest(model)

    assert of(a=[1.0, 2.0]) == sha256(b"a" + struct.pack("<2f", 1.0, 2.0)).hexdigest()
    assert len({of(a=[1.0], b=[2.0]), of(a=[2.0], b=[1.0]), of(b=[1.0], c=[2.0]), of(a=[1.0])}) == 4


def test_the_index_of_a_model_from_a_hub_is_read_where_it_was_fetched_to(folder, monkeypatch):
    write_index(folder, {"weight_map": in_shards(folder) | {DOWN: "a.bin"}})
    fetched = {("someone/model", weights.INDEX): str(folder / weights.INDEX)}
    monkeypatch.setattr(weights, "cached_file", lambda source, name, **quiet: fetched.get((source, name)))
    with pytest.raises(weights.WeightsError, match=r"names a\.bin, not a \.safetensors file"):
        weights._refuse_pickle("someone/model")
    weights._refuse_pickle("someone/of-one-file")

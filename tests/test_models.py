"""Models: what `tiny` is, what loads, and what is refused."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers.utils import logging as transformers_logging

from dpoq_lab import models
from dpoq_lab.commands.build_data import tiny_tokenizer as rebuild
from dpoq_lab.paths import data_folder


def test_tiny_has_about_a_million_parameters_and_is_seeded(tiny):
    assert 0.9e6 < models.parameters(tiny) < 1.2e6
    assert not tiny.training
    same, other = models.tiny(seed=0), models.tiny(seed=1)
    assert torch.equal(tiny.model.embed_tokens.weight, same.model.embed_tokens.weight)
    assert not torch.equal(tiny.model.embed_tokens.weight, other.model.embed_tokens.weight)


def test_building_tiny_leaves_the_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    models.tiny()
    assert torch.equal(torch.rand(1), expected)


def test_the_shipped_tokenizer_is_what_the_command_builds(tmp_path):
    rebuild(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (tmp_path / name).read_bytes() == (data_folder() / "tiny_tokenizer" / name).read_bytes()


def test_a_saved_model_loads_back_from_safetensors(tiny, tokenizer, tmp_path):
    models.save(tiny, tokenizer, tmp_path / "m")
    again, again_tokenizer = models.load_frozen(str(tmp_path / "m"))
    assert torch.equal(again.model.embed_tokens.weight, tiny.model.embed_tokens.weight)
    assert again_tokenizer.get_vocab() == tokenizer.get_vocab()
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    assert {path.suffix for path in (tmp_path / "m").iterdir()} <= {".json", ".safetensors", ".jinja"}


def test_saving_leaves_progress_bars_as_they_were(tiny, tokenizer, tmp_path):
    assert transformers_logging.is_progress_bar_enabled()
    models.save(tiny, tokenizer, tmp_path)
    models.load(str(tmp_path))
    assert transformers_logging.is_progress_bar_enabled()


def test_pickled_weights_are_refused(tiny, tokenizer, tmp_path):
    models.save(tiny, tokenizer, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(tiny.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(models.ModelError, match="pickled weights are not loaded"):
        models.load(str(tmp_path))


EVIL = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n"
WANTS_CODE = {  # what a folder says that wants its own Python run
    "config.json": {"auto_map": {"AutoModelForCausalLM": "evil.Evil", "AutoConfig": "evil.Evil"}},
    "tokenizer_config.json": {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}},
}


@pytest.mark.parametrize("file", WANTS_CODE)
def test_a_model_folders_own_code_is_not_run_by_a_yes_on_the_terminal(file, tiny, tokenizer, tmp_path):
    """transformers asks on stdin unless told not to; a model of an unknown kind needs its code to load."""
    models.save(tiny, tokenizer, tmp_path)
    config = json.loads((tmp_path / file).read_text())
    unknown = {"model_type": "evil"} if file == "config.json" else {"tokenizer_class": "Evil"}
    (tmp_path / file).write_text(json.dumps(config | unknown | WANTS_CODE[file]))
    (tmp_path / "evil.py").write_text(EVIL)
    load = f"from dpoq_lab import models; models.load({str(tmp_path)!r})"
    asked = subprocess.run([sys.executable, "-c", load], input="y\n" * 9, capture_output=True, text=True)
    assert asked.returncode == 1
    assert "ModelError" in asked.stderr.splitlines()[-1]
    assert "[y/N]" not in asked.stdout
    assert list(tmp_path.glob("**/ran")) == []


def test_every_call_that_could_run_a_models_code_says_no():
    calls = [
        (path.name, call)
        for path in Path(models.__file__).parent.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "from_pretrained"
    ]
    assert len(calls) >= 5
    for name, call in calls:
        said = {keyword.arg for keyword in call.keywords}
        assert "trust_remote_code" in said, f"{name}:{call.lineno}"
        [no] = [keyword.value.value for keyword in call.keywords if keyword.arg == "trust_remote_code"]
        assert no is False


@pytest.mark.parametrize("name", ["nobody/nothing", "no-such-model"])
def test_an_unknown_name_is_one_clear_line(name):
    with pytest.raises(models.ModelError, match=f"{name}: ") as caught:
        models.load(name)
    assert "\n" not in str(caught.value)


def test_saving_alone_leaves_the_bars_on(tiny, tokenizer, tmp_path):
    models.save(tiny, tokenizer, tmp_path)  # loading turns them on too
    assert transformers_logging.is_progress_bar_enabled()


def test_room_is_what_the_shortest_of_the_models_has(tiny):
    """`tiny` has 512 positions; 512 are asked for at most."""
    for asked, room in ((511, 511), (512, 512), (513, 512)):
        assert models.room(asked, tiny) == models.room(asked, "tiny") == room
    short = models.tiny()
    short.config.max_position_embeddings = 9
    assert models.room(99, tiny, short) == models.room(99, short, "tiny") == 9
    short.config.max_position_embeddings = 1
    assert models.positions(short) == 1
    short.config.max_position_embeddings = 0
    short.name_or_path = "short"
    with pytest.raises(models.ModelError, match=r"^short: has 0 positions$"):
        models.positions(short)
    for config, known in ((SimpleNamespace(), None), (SimpleNamespace(n_positions=7), 7)):
        assert models.positions(SimpleNamespace(config=config)) == known
        assert models.room(99, SimpleNamespace(config=config)) == (known or 99)


def test_cut_pairs_are_noted_where_the_model_is_the_reason():
    note = {"cut at 9 tokens, as many as the model has positions for": 3}
    assert models.capped_notes(10, 9, 3) == note
    assert models.capped_notes(9, 9, 3) == models.capped_notes(10, 9, 0) == {}


def test_a_model_of_a_size_whole(tokenizer):
    model = models.build(tokenizer, hidden_size=16, layers=3, seed=2, initializer_range=0.5)
    names = (
        "hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads vocab_size"
    )
    assert [getattr(model.config, name) for name in names.split()] == [16, 44, 3, 4, 4, len(tokenizer)]
    assert (model.config.max_position_embeddings, model.config.tie_word_embeddings) == (512, True)
    ids = (model.config.eos_token_id, model.config.pad_token_id, model.config.bos_token_id)
    assert ids == (tokenizer.eos_token_id, tokenizer.pad_token_id, None)
    spread = model.model.embed_tokens.weight.std().item()
    assert spread == pytest.approx(0.5, rel=0.02)
    plain = models.build(tokenizer, hidden_size=16, layers=3)
    assert plain.model.embed_tokens.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert torch.equal(weight_of(plain), weight_of(models.build(tokenizer, 16, 3, seed=0)))
    assert torch.equal(weight_of(models.tiny()), weight_of(models.build(tokenizer, 128, 4, seed=0)))


def weight_of(model):
    return model.model.embed_tokens.weight


def test_a_frozen_model_has_the_seed_and_the_kind_of_number_asked_for(monkeypatch):
    model, _ = models.load_frozen("tiny", 1, torch.bfloat16)
    assert model.dtype == torch.bfloat16
    assert torch.equal(weight_of(model), weight_of(models.tiny(1)).bfloat16())
    model, tokenizer = models.load_frozen("tiny")
    assert (model.dtype, len(tokenizer)) == (torch.float32, 2048)
    assert torch.equal(weight_of(model), weight_of(models.tiny(0)))
    assert torch.equal(weight_of(models.load("tiny")[0]), weight_of(models.tiny(0)))


def test_tokens_that_are_others_to_a_model_are_told_with_their_text(tokenizer, tmp_path):
    """Of a tokenizer with one token exchanged for another both are foreign; of the same none."""
    assert models.foreign_tokens(tokenizer, "tiny") == {}
    other = models.build_tiny_tokenizer(["a b"], vocab_size=300)
    models.save(models.build(other, 16, 1), other, tmp_path)
    theirs = models.load_tokenizer(str(tmp_path)).get_vocab()
    found = models.foreign_tokens(tokenizer, str(tmp_path))
    assert found == {i: t for t, i in tokenizer.get_vocab().items() if theirs.get(t) != i}
    assert len(found) > 1700
    assert tokenizer.eos_token_id not in found


def test_a_template_of_a_file_takes_the_place_of_the_tokenizers(tmp_path):
    tokenizer = models.tiny_tokenizer()
    before = tokenizer.chat_template
    assert models.with_template(tokenizer, None).chat_template == before
    (tmp_path / "t").write_text("mine")
    assert models.with_template(tokenizer, str(tmp_path / "t")).chat_template == "mine"
    (tmp_path / "t").write_bytes(b"\xff")
    for name in ("t", "none"):
        with pytest.raises(models.ModelError, match=f"{name}: no chat template that can be read: "):
            models.with_template(tokenizer, str(tmp_path / name))


@pytest.fixture
def adapter(tmp_path):
    """A LoRA folder, without its weights, on a base of 7 positions with a small tokenizer of its own."""
    base, folder = tmp_path / "base", tmp_path / "adapter"
    tokenizer = models.build_tiny_tokenizer(["a b"], vocab_size=300)
    models.save(models.build(tokenizer, 16, 1), tokenizer, base)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 7}))
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(base)}))
    return folder


def test_an_adapter_has_the_tokenizer_of_its_base_or_its_own(adapter, tokenizer):
    assert models.base_of(str(adapter)) == str(adapter.parent / "base")
    theirs = models.load_tokenizer(str(adapter.parent / "base")).get_vocab()
    assert models.load_tokenizer(str(adapter)).get_vocab() == theirs != tokenizer.get_vocab()
    assert models.positions(str(adapter)) == 7
    tokenizer.save_pretrained(adapter)
    assert len(models.load_tokenizer(str(adapter))) == 2048
    assert models.base_of("tiny") is models.base_of(str(adapter.parent / "base")) is None


def test_an_adapter_s_base_has_the_seed_and_the_kind_of_number_asked_for(adapter, monkeypatch):
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "tiny"}))
    monkeypatch.setattr(models, "merged", lambda base, name: base if name == str(adapter) else None)
    model, _ = models.load(str(adapter), 1, torch.bfloat16)
    assert model.dtype == torch.bfloat16
    assert torch.equal(weight_of(model), weight_of(models.tiny(1)).bfloat16())
    assert torch.equal(weight_of(models.load(str(adapter))[0]), weight_of(models.tiny(0)))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "adapter_config.json names no base model"),
        ({"base_model_name_or_path": "."}, "adapter_config.json names the adapter itself as its base"),
    ],
)
def test_an_adapter_that_names_no_base_is_told_by_its_name(adapter, config, said):
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    for read in (models.base_of, models.load, models.load_tokenizer, models.positions):
        with pytest.raises(models.ModelError) as caught:
            read(str(adapter))
        assert str(caught.value) == f"{adapter}: {said}"


def test_an_error_of_a_base_names_the_adapter_too(adapter):
    base = adapter.parent / "base"
    (base / "config.json").write_text("{")
    for file in base.glob("token*"):
        file.unlink()
    for read, said in (
        (models.load_tokenizer, "has no tokenizer that can be loaded: "),
        (models.positions, "has no config that can be read: "),
    ):
        with pytest.raises(models.ModelError) as caught:
            read(str(adapter))
        assert str(caught.value).startswith(f"{adapter}: its base {base}: {said}")
        assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_model_is_told_as_one_and_a_name_with_those_known(tmp_path):
    """A folder that is there is not taken for a name that is wrong."""
    with pytest.raises(models.ModelError) as caught:
        models.load(str(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path}: holds no .safetensors")
    with pytest.raises(models.ModelError) as caught:
        models.load("no-such-model")
    known = "not one of tiny, smollm2-135m, nor a loadable folder or hub id: "
    assert str(caught.value).startswith(f"no-such-model: {known}")
    assert len(str(caught.value)) <= len(f"no-such-model: {known}") + 200


def test_where_gguf_weights_lie(tmp_path):
    """A file of that kind, or the first in a folder without safetensors; any other name stays as it is."""
    for name in ("b.gguf", "a.gguf", "c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "d.gguf").mkdir()
    found = {name: models._resolve(str(tmp_path / name)) for name in ("", "b.gguf", "c.txt", "none.gguf")}
    assert found == {
        "": (str(tmp_path), "a.gguf"),
        "b.gguf": (str(tmp_path), "b.gguf"),
        **{name: (str(tmp_path / name), None) for name in ("c.txt", "none.gguf")},
    }
    (tmp_path / "model.safetensors").touch()
    assert models._resolve(str(tmp_path)) == (str(tmp_path), None)
    assert models._gguf_options(None, dequantise=True) == {}
    assert models._gguf_options("a.gguf") == {"gguf_file": "a.gguf"}
    assert set(models._gguf_options("a.gguf", dequantise=True)) == {"gguf_file", "quantization_config"}

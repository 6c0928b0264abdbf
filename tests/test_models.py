"""Models: what `tiny` is, what loads, and what is refused."""

import ast
import json
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize("name", ["nobody/nothing", "no-such-model"])
def test_an_unknown_name_is_one_clear_line(name):
    with pytest.raises(models.ModelError, match=f"{name}: ") as caught:
        models.load(name)
    assert "\n" not in str(caught.value)

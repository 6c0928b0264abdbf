"""Models: what `tiny` is, what loads, and what is refused."""

import pytest
import torch

from dpoq_lab import models
from dpoq_lab.build_data import tiny_tokenizer as rebuild
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


def test_pickled_weights_are_refused(tiny, tokenizer, tmp_path):
    models.save(tiny, tokenizer, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(tiny.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(models.ModelError, match="pickled weights are not loaded"):
        models.load(str(tmp_path))


def test_a_model_that_wants_remote_code_is_refused(tiny, tokenizer, tmp_path):
    models.save(tiny, tokenizer, tmp_path)
    (tmp_path / "config.json").write_text(
        '{"auto_map": {"AutoModelForCausalLM": "evil.Evil"}, "model_type": "evil"}'
    )
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    with pytest.raises(models.ModelError):
        models.load(str(tmp_path))


@pytest.mark.parametrize("name", ["nobody/nothing", "no-such-model"])
def test_an_unknown_name_is_one_clear_line(name):
    with pytest.raises(models.ModelError, match=f"{name}: ") as caught:
        models.load(name)
    assert "\n" not in str(caught.value)

"""LoRA adapter folders: merged into their base, with its tokenizer, and it as reference."""

import json
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from dpoq_lab import models
from dpoq_lab.adapters import base_of
from dpoq_lab.commands import cli
from dpoq_lab.preferences import Pair, write_pairs

# what peft calls of transformers, and not what is tested
IGNORED = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
pytestmark = [pytest.mark.peft, IGNORED]


@pytest.fixture
def folders(tmp_path):
    """A base and an adapter on it whose weights are not 0, made by peft itself."""
    import peft

    tokenizer = models.tiny_tokenizer()
    base = models.build(tokenizer, 32, 1, seed=3)
    models.save(base, tokenizer, tmp_path / "base")
    config = peft.LoraConfig(r=2, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    tuned = peft.get_peft_model(models.load(str(tmp_path / "base"))[0], config)
    torch.manual_seed(0)
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    tuned.save_pretrained(tmp_path / "adapter")
    write_pairs([Pair(f"Sky {k}?", "It is blue.", "It is soup.") for k in range(6)], tmp_path / "pairs.jsonl")
    return tmp_path, tuned


def logits(model):
    with torch.no_grad():
        return model(torch.tensor([[5, 9, 300, 7]])).logits


def test_an_adapter_is_merged_into_the_base_that_it_names(folders):
    folder, tuned = folders
    found, tokenizer = models.load(str(folder / "adapter"))
    assert torch.allclose(logits(found), logits(tuned.eval()), atol=1e-5)
    assert abs(logits(found) - logits(models.load(str(folder / "base"))[0])).max() > 1e-2
    assert tokenizer.get_vocab() == models.tiny_tokenizer().get_vocab()
    assert base_of(str(folder / "adapter")) == str(folder / "base")
    assert base_of(str(folder / "base")) is None


def test_a_base_is_a_folder_beside_the_adapter_or_a_name(folders):
    folder, _ = folders
    config = folder / "adapter" / "adapter_config.json"
    for named, meant in (
        ("../base", f"{folder}/adapter/../base"),
        ("somebody/base", "somebody/base"),
        ("smollm2-135m", "smollm2-135m"),
    ):
        config.write_text(json.dumps({"base_model_name_or_path": named}))
        assert base_of(str(folder / "adapter")) == meant


def test_an_adapter_may_hold_the_embeddings_too(folders):
    folder, tuned = folders
    tuned.save_pretrained(folder / "adapter", save_embedding_layers=True)
    assert any("embed" in name for name in load_file(folder / "adapter" / "adapter_model.safetensors"))
    assert torch.allclose(logits(models.load(str(folder / "adapter"))[0]), logits(tuned.eval()), atol=1e-5)


def test_inspect_takes_the_base_as_reference(folders, capsys):
    folder, _ = folders
    asked = ["inspect", "--policy", str(folder / "adapter"), "--pairs", str(folder / "pairs.jsonl")]
    assert cli.main([*asked, "--out", str(folder / "seen")]) == 0
    by_default = json.loads((folder / "seen" / "summary.json").read_text())
    assert by_default["reference"] == str(folder / "base")
    assert cli.main([*asked, "--out", str(folder / "named"), "--reference", str(folder / "base")]) == 0
    named = json.loads((folder / "named" / "summary.json").read_text())
    assert named["margin_mean"] == by_default["margin_mean"] != 0
    capsys.readouterr()
    no_adapter = [
        "inspect",
        "--policy",
        "tiny",
        "--pairs",
        str(folder / "pairs.jsonl"),
        "--out",
        str(folder / "x"),
    ]
    assert cli.main(no_adapter) == 2
    assert "--reference is needed" in capsys.readouterr().err


def test_training_goes_on_from_an_adapter_with_its_base_as_reference(folders):
    folder, _ = folders
    asked = [
        "train",
        "--preset",
        "ci",
        "--model",
        str(folder / "adapter"),
        "--pairs",
        str(folder / "pairs.jsonl"),
    ]
    assert cli.main([*asked, "--out", str(folder / "run"), "--held-out", "0", "--epochs", "3"]) == 0
    first = json.loads((folder / "run" / "metrics.jsonl").read_text().splitlines()[0])
    assert first["margin_sum"] != 0  # not the policy as it starts
    models.load(str(folder / "run"))


def test_what_an_adapter_lacks_is_one_line(folders, monkeypatch):
    folder, _ = folders
    config = folder / "adapter" / "adapter_config.json"
    named = config.read_text()
    config.write_text("{}")
    with pytest.raises(models.ModelError, match="names no base model"):
        models.load(str(folder / "adapter"))
    config.write_text(named)
    weights = folder / "adapter" / "adapter_model.safetensors"
    whole = load_file(weights)
    save_file(whole | {"base_model.model.lm_head.odd": next(iter(whole.values())).clone()}, weights)
    with pytest.raises(models.ModelError, match="odd: of no use to an adapter"):
        models.load(str(folder / "adapter"))
    save_file(whole, weights)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(models.ModelError, match=r"needs the extra peft: pip install 'dpoq-lab\[peft\]'"):
        models.load(str(folder / "adapter"))
    (folder / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(models.ModelError, match="pickled weights are not loaded"):
        models.load(str(folder / "adapter"))

"""Models from elsewhere: tokens that somebody added, few positions, a smaller type."""

import json
from types import SimpleNamespace

import pytest

from dpoq_lab import models
from dpoq_lab.commands import cli
from dpoq_lab.preferences import Pair, write_pairs


def test_a_policy_with_an_added_unused_token_is_compared_by_the_ids_used(tmp_path):
    """A [PAD] that somebody added makes the vocabulary larger and changes no score."""
    tokenizer = models.tiny_tokenizer()
    base = models.build(tokenizer, 32, 1, seed=3)
    models.save(base, tokenizer, tmp_path / "base")
    write_pairs([Pair(f"Sky {k}?", "It is blue.", "It is soup.") for k in range(6)], tmp_path / "pairs.jsonl")
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    base.resize_token_embeddings(len(tokenizer))
    models.save(base, tokenizer, tmp_path / "padded")
    asked = ["inspect", "--reference", str(tmp_path / "base"), "--pairs", str(tmp_path / "pairs.jsonl")]
    assert cli.main([*asked, "--policy", str(tmp_path / "padded"), "--out", str(tmp_path / "seen")]) == 0
    summary = json.loads((tmp_path / "seen" / "summary.json").read_text())
    assert abs(summary["chosen_reward_sum_mean"]) < 0.01  # the added row takes next to no mass


def test_a_model_with_few_positions_caps_and_says_so(tmp_path, capsys):
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = models.tiny_tokenizer()
    small = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_embd=16,
            n_layer=1,
            n_head=2,
            n_positions=24,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    models.save(small, tokenizer, tmp_path / "gpt2")
    write_pairs([Pair("Sky?\n" * 4, "yes\n" * 40, "no\n" * 40)], tmp_path / "pairs.jsonl")
    asked = ["inspect", "--policy", str(tmp_path / "gpt2"), "--reference", str(tmp_path / "gpt2")]
    assert cli.main([*asked, "--pairs", str(tmp_path / "pairs.jsonl"), "--out", str(tmp_path / "seen")]) == 0
    assert "cut at 24 tokens, as many as the model has positions for" in capsys.readouterr().out
    train = [
        "train",
        "--preset",
        "ci",
        "--model",
        str(tmp_path / "gpt2"),
        "--pairs",
        str(tmp_path / "pairs.jsonl"),
    ]
    assert cli.main([*train, "--out", str(tmp_path / "run"), "--held-out", "0"]) == 0
    assert "cut at 24 tokens, as many as the model has positions for: 1 of 1 pairs" in capsys.readouterr().out
    assert models.positions("tiny") == 512


def test_inspect_in_bfloat16_is_near_to_float32(tmp_path):
    write_pairs([Pair("Sky?", "It is blue.", "It is soup.")], tmp_path / "pairs.jsonl")
    other = models.build(models.tiny_tokenizer(), 32, 1, seed=1)
    models.save(other, models.tiny_tokenizer(), tmp_path / "other")
    asked = ["inspect", "--policy", str(tmp_path / "other"), "--reference", "tiny"]
    margins = []
    for dtype in ("float32", "bfloat16"):
        out = ["--pairs", str(tmp_path / "pairs.jsonl"), "--out", str(tmp_path / dtype), "--dtype", dtype]
        assert cli.main([*asked, *out]) == 0
        margins.append(json.loads((tmp_path / dtype / "summary.json").read_text())["margin_mean"])
    assert margins[0] != margins[1]
    assert abs(margins[0] - margins[1]) < 0.02


def test_a_chat_template_is_taken_from_a_file(tmp_path, capsys):
    turn = "{{ m['role'] }}:\n{{ m['content'] }}{% if m['role'] == 'assistant' %}<|end|>{% endif %}\n"
    begin = "{% if add_generation_prompt %}assistant:\n{% endif %}"
    template = "{% for m in messages %}" + turn + "{% endfor %}" + begin
    (tmp_path / "t.jinja").write_text(template)
    rows = '{"question": "Sky?", "chosen": "Blue.", "rejected": "Soup."}'
    (tmp_path / "pairs.jsonl").write_text(rows)
    told = ["--pairs", str(tmp_path / "pairs.jsonl"), "--chat-template", str(tmp_path / "t.jinja")]
    assert cli.main(["check", told[1], "--model", "tiny", *told[2:]]) == 0
    own = capsys.readouterr().out
    assert cli.main(["check", told[1], "--model", "tiny"]) == 0
    assert own != capsys.readouterr().out
    train = ["train", "--preset", "ci", "--model", "tiny", "--held-out", "0", "--out", str(tmp_path / "run")]
    assert cli.main([*train, *told]) == 0
    assert models.load_tokenizer(str(tmp_path / "run")).chat_template == template
    inspect = ["inspect", "--policy", "tiny", "--reference", "tiny", "--out", str(tmp_path / "seen")]
    assert cli.main([*inspect, *told]) == 0
    inspect[-1] = str(tmp_path / "again")
    assert cli.main([*inspect, *told[:2], "--chat-template", str(tmp_path / "none")]) == 1
    assert "no chat template that can be read" in capsys.readouterr().err


def test_variables_of_the_template_reach_check_train_and_inspect(tmp_path, capsys):
    (tmp_path / "t.jinja").write_text(
        "{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}<|end|>{% endif %}{% endfor %}"
        "{% if quiet %}HUSH{% endif %}"
    )
    (tmp_path / "pairs.jsonl").write_text('{"question": "Sky?", "chosen": "Blue.", "rejected": "Soup."}')
    told = ["--chat-template", str(tmp_path / "t.jinja"), "--chat-template-kwargs"]
    pairs = ["--pairs", str(tmp_path / "pairs.jsonl")]
    commands = {
        "check": ["check", pairs[1], "--model", "tiny"],
        "train": ["train", "--preset", "ci", "--model", "tiny", "--held-out", "0", *pairs],
        "inspect": ["inspect", "--policy", "tiny", "--reference", "tiny", *pairs],
    }
    for name, command in commands.items():
        out = [] if name == "check" else ["--out", str(tmp_path / name)]
        assert cli.main([*command, *out, *told, '{"loud": 1}']) == 1
        found = capsys.readouterr()
        assert "pairs.jsonl:1: the chat template has no argument loud" in found.out + found.err
    assert cli.main([*commands["check"], *told, '{"quiet": false}']) == 0
    with pytest.raises(SystemExit):
        cli.main([*commands["check"], *told, "[1]"])
    assert "must be a JSON object, not [1]" in capsys.readouterr().err


def test_the_fewest_positions_of_the_models_bound_the_tokens():
    few, more, none = (SimpleNamespace(config=SimpleNamespace(n_positions=n)) for n in (24, 100, None))
    assert models.room(512, few, more) == 24
    assert models.room(20, few, more) == 20
    assert models.room(512, none) == models.room(512, none, none) == 512

"""An independent peer: TRL's DPOTrainer on the same batch gives the same loss and gradients."""

import json

import pytest
import torch
from chat_templates import ASK, says, styled

from dpoq_lab import models
from dpoq_lab import score as inspect
from dpoq_lab.batches import collate
from dpoq_lab.commands import cli
from dpoq_lab.encoding import encode_pairs
from dpoq_lab.losses import dpo_loss, log_ratios, score, token_log_probs
from dpoq_lab.models import tiny as build_tiny
from dpoq_lab.preferences import Pair, write_pairs

pytestmark = [
    pytest.mark.trl,
    pytest.mark.filterwarnings("ignore"),  # TRL's and its dependencies' own
]


def plain(pairs):
    """Encoded pairs of the course as pairs of strings."""
    return [Pair(p.pair.prompt[0]["content"] + "\n", p.pair.chosen, p.pair.rejected) for p in pairs]


def trl_config(folder, pairs, **changes):
    """TRL's settings: float32 on the processor, all pairs evaluated at once."""
    trl = pytest.importorskip("trl", reason="TRL is not installed; it comes with the extra `bench`")
    plain = {"gradient_checkpointing": False, "bf16": False, "use_cpu": True, "max_length": None}
    quiet = {"report_to": "none", "disable_tqdm": True, "per_device_eval_batch_size": len(pairs)}
    return trl.DPOConfig(output_dir=str(folder), **plain, **quiet, **changes)


def trl_trainer(model, reference, tokenizer, pairs, config, **more):
    import trl
    from datasets import Dataset

    dataset = Dataset.from_list([pair.to_record() for pair in pairs])
    data = {"train_dataset": dataset, "eval_dataset": dataset}
    return trl.DPOTrainer(model, reference, config, processing_class=tokenizer, **data, **more)


def at_once(folder, pairs):
    """All pairs in a step, without dropout."""
    return trl_config(folder, pairs, beta=0.3, per_device_train_batch_size=len(pairs), disable_dropout=True)


def test_loss_and_gradients_equal_trl(tokenizer, train_pairs, tmp_path):
    pairs = encode_pairs(tokenizer, plain(train_pairs[:5]), 512).pairs
    policy, reference = build_tiny(), build_tiny(seed=1).requires_grad_(False)

    batch = collate([p.chosen for p in pairs] + [p.rejected for p in pairs], tokenizer.pad_token_id)
    ratios = log_ratios(token_log_probs(policy, batch), score(reference, batch))
    ours = dpo_loss(ratios[:5], ratios[5:], 0.3).mean()
    ours.backward()
    gradients = {name: p.grad.clone() for name, p in policy.named_parameters()}

    peer = build_tiny()
    trainer = trl_trainer(peer, reference, tokenizer, plain(train_pairs[:5]), at_once(tmp_path, pairs))
    inputs = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    theirs = trainer.compute_loss(trainer.model, inputs)
    theirs.backward()

    assert ours.item() == pytest.approx(theirs.item(), abs=1e-5)
    for name, parameter in peer.named_parameters():
        assert torch.allclose(gradients[name], parameter.grad, atol=1e-5), name


@pytest.mark.filterwarnings("default")
def test_a_checkpoint_opens_in_transformers_and_trl(tiny, tokenizer, train_pairs, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from dpoq_lab import models

    models.save(tiny, tokenizer, tmp_path / "m")
    opened = AutoModelForCausalLM.from_pretrained(tmp_path / "m")
    opened_tokenizer = AutoTokenizer.from_pretrained(tmp_path / "m")
    assert torch.equal(opened.model.embed_tokens.weight, tiny.model.embed_tokens.weight)
    pairs, out = plain(train_pairs[:2]), tmp_path / "out"
    trainer = trl_trainer(str(tmp_path / "m"), None, opened_tokenizer, pairs, at_once(out, pairs))
    trainer.train()
    assert trainer.state.global_step > 0


def logged_rewards(trainer):
    """Mean summed rewards of chosen and rejected, as TRL logs them in an evaluation."""
    logged = trainer.evaluate()
    return [logged[f"eval_rewards/{side}"] for side in ("chosen", "rejected")]


def inspected_rewards(policy, reference, tokenizer, pairs, whole_yield):
    """The same of `inspect`."""
    rows = [pair.to_record() for pair in pairs]
    scored = inspect(policy, reference, rows, tokenizer=tokenizer, beta=0.3, whole_yield=whole_yield)
    summary = scored.summary()
    return [summary[f"{side}_reward_sum_mean"] for side in ("chosen", "rejected")], summary["not_scored"]


TURNS = [says("assistant", "At noon?"), says("user", "Yes."), says("assistant", "It is blue.")]


@pytest.mark.parametrize("style", ["ChatML", "Llama-3", "Gemma"])
def test_the_whole_yield_gives_the_rewards_that_trl_logs(style, train_pairs, tmp_path):
    """One turn and several; without the option the difference is in tokens that the summary names."""
    tokenizer = styled(style)
    sizes = {"hidden_size": 32, "layers": 1, "initializer_range": 0.1}
    policy, reference = models.build(tokenizer, **sizes), models.build(tokenizer, seed=1, **sizes)
    pairs = [p.pair for p in train_pairs[:5]] + [Pair(ASK, TURNS, [says("assistant", "It is soup.")])]
    theirs = logged_rewards(trl_trainer(policy, reference, tokenizer, pairs, at_once(tmp_path, pairs)))
    ours, _ = inspected_rewards(policy, reference, tokenizer, pairs, True)
    assert ours == pytest.approx(theirs, abs=1e-4)
    actions, not_scored = inspected_rewards(policy, reference, tokenizer, pairs, False)
    assert actions != pytest.approx(theirs, abs=1e-3)
    assert not_scored["observations"] > 0
    assert list(not_scored["tails"]) == ([] if style == "Llama-3" else ["\n"])


@pytest.mark.parametrize("whole_yield", [False, True])
def test_plain_pairs_give_the_rewards_that_trl_logs(tokenizer, train_pairs, tmp_path, whole_yield):
    policy, reference, pairs = build_tiny(), build_tiny(seed=1), plain(train_pairs[:5])
    theirs = logged_rewards(trl_trainer(policy, reference, tokenizer, pairs, at_once(tmp_path, pairs)))
    ours, _ = inspected_rewards(policy, reference, tokenizer, pairs, whole_yield)
    assert ours == pytest.approx(theirs, abs=1e-4)


# A run that TRL made, from its folder


def trl_run(folder, tokenizer, pairs, lora, start, rate, batch_size=2, beta=0.3):
    """Train with TRL as its users do, and evaluate: what TRL logs of its rewards; `folder/run` is the run."""
    models.save(start, tokenizer, folder / "base")
    steps = {"num_train_epochs": 3, "learning_rate": rate, "per_device_train_batch_size": batch_size}
    config = trl_config(folder / "run", pairs, beta=beta, logging_steps=1, save_strategy="epoch", **steps)
    more = {}
    if lora:
        peft = pytest.importorskip("peft", reason="peft is not installed; it comes with the extra `peft`")
        targets = ["q_proj", "v_proj", "up_proj"]
        more["peft_config"] = peft.LoraConfig(r=4, target_modules=targets, task_type="CAUSAL_LM")
    trainer = trl_trainer(str(folder / "base"), None, tokenizer, pairs, config, **more)
    trainer.train()
    logged = logged_rewards(trainer)
    trainer.save_model(str(folder / "run"))
    return logged


@pytest.mark.peft
@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("style", [None, "ChatML", "Llama-3", "Gemma"])
def test_a_run_of_trl_is_opened_scored_and_trained_on(style, lora, train_pairs, tmp_path, capsys):
    """Its folder and a checkpoint in it give the rewards that TRL logged, and `train` goes on from it."""
    tokenizer = styled(style) if style else models.tiny_tokenizer()
    pairs = [p.pair for p in train_pairs[:6]] if style else plain(train_pairs[:6])
    start = models.build(tokenizer, 32, 1, seed=3, initializer_range=0.1)
    theirs = trl_run(tmp_path, tokenizer, pairs, lora, start, 5e-2 if lora else 5e-3)
    write_pairs(pairs, tmp_path / "pairs.jsonl")
    checkpoint = sorted((tmp_path / "run").glob("checkpoint-*"), key=lambda p: int(p.name[11:]))[-1]
    for name, policy in {"whole": tmp_path / "run", "last": checkpoint}.items():
        words = ["inspect", "--policy", policy, "--pairs", tmp_path / "pairs.jsonl", "--beta", "0.3"]
        words += [
            "--out",
            tmp_path / name,
            "--whole-yield",
            *([] if lora else ["--reference", tmp_path / "base"]),
        ]
        assert cli.main(list(map(str, words))) == 0
        summary = json.loads((tmp_path / name / "summary.json").read_text())
        ours = [summary[f"{side}_reward_sum_mean"] for side in ("chosen", "rejected")]
        assert ours == pytest.approx(theirs, abs=1e-4)
        assert abs(theirs[0] - theirs[1]) > 0.05  # it has learned something
    words = ["train", "--preset", "ci", "--model", tmp_path / "run", "--pairs", tmp_path / "pairs.jsonl"]
    words += ["--held-out", "0", "--out", tmp_path / "further", "--epochs", "2", "--batch-size", "6"]
    assert cli.main(list(map(str, words))) == 0
    first, last = (json.loads(line) for line in (tmp_path / "further" / "metrics.jsonl").open())
    assert last["loss_mean"] < first["loss_mean"]
    assert (first["margin_sum"] == 0) != lora  # the reference of an adapter is its base

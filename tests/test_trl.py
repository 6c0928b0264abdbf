"""An independent peer: TRL's DPOTrainer on the same batch gives the same loss and gradients."""

import pytest
import torch
from chat_templates import ASK, says, styled

from dpoq_lab import models
from dpoq_lab import score as inspect
from dpoq_lab.encoding import collate, encode_pairs
from dpoq_lab.losses import dpo_loss, log_ratios, score, token_log_probs
from dpoq_lab.models import tiny as build_tiny
from dpoq_lab.preferences import Pair

pytestmark = [
    pytest.mark.trl,
    pytest.mark.filterwarnings("ignore"),  # TRL's and its dependencies' own
]


def plain(pairs):
    """Encoded pairs of the course as pairs of strings."""
    return [Pair(p.pair.prompt[0]["content"] + "\n", p.pair.chosen, p.pair.rejected) for p in pairs]


def trl_trainer(model, reference, tokenizer, pairs, folder):
    trl = pytest.importorskip("trl", reason="TRL is not installed; it comes with the extra `bench`")
    from datasets import Dataset

    config = trl.DPOConfig(
        output_dir=str(folder),
        beta=0.3,
        per_device_train_batch_size=len(pairs),
        per_device_eval_batch_size=len(pairs),
        max_length=None,
        gradient_checkpointing=False,
        disable_dropout=True,
        bf16=False,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
    )
    dataset = Dataset.from_list([pair.to_record() for pair in pairs])
    data = {"train_dataset": dataset, "eval_dataset": dataset}
    return trl.DPOTrainer(model, reference, config, processing_class=tokenizer, **data)


def test_loss_and_gradients_equal_trl(tokenizer, train_pairs, tmp_path):
    pairs = encode_pairs(tokenizer, plain(train_pairs[:5]), 512).pairs
    policy, reference = build_tiny(), build_tiny(seed=1).requires_grad_(False)

    batch = collate([p.chosen for p in pairs] + [p.rejected for p in pairs], tokenizer.pad_token_id)
    ratios = log_ratios(token_log_probs(policy, batch), score(reference, batch))
    ours = dpo_loss(ratios[:5], ratios[5:], 0.3).mean()
    ours.backward()
    gradients = {name: p.grad.clone() for name, p in policy.named_parameters()}

    peer = build_tiny()
    trainer = trl_trainer(peer, reference, tokenizer, plain(train_pairs[:5]), tmp_path)
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
    trainer = trl_trainer(str(tmp_path / "m"), None, opened_tokenizer, pairs, out)
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
    theirs = logged_rewards(trl_trainer(policy, reference, tokenizer, pairs, tmp_path))
    ours, _ = inspected_rewards(policy, reference, tokenizer, pairs, True)
    assert ours == pytest.approx(theirs, abs=1e-4)
    actions, not_scored = inspected_rewards(policy, reference, tokenizer, pairs, False)
    assert actions != pytest.approx(theirs, abs=1e-3)
    assert not_scored["observations"] > 0
    assert list(not_scored["tails"]) == ([] if style == "Llama-3" else ["\n"])


@pytest.mark.parametrize("whole_yield", [False, True])
def test_plain_pairs_give_the_rewards_that_trl_logs(tokenizer, train_pairs, tmp_path, whole_yield):
    policy, reference, pairs = build_tiny(), build_tiny(seed=1), plain(train_pairs[:5])
    theirs = logged_rewards(trl_trainer(policy, reference, tokenizer, pairs, tmp_path))
    ours, _ = inspected_rewards(policy, reference, tokenizer, pairs, whole_yield)
    assert ours == pytest.approx(theirs, abs=1e-4)

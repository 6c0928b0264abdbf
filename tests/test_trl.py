"""An independent peer: TRL's DPOTrainer on the same batch gives the same loss and gradients."""

import pytest
import torch

from dpoq_lab.encoding import collate
from dpoq_lab.losses import dpo_loss, log_ratios, score, token_log_probs
from dpoq_lab.models import tiny as build_tiny

pytestmark = [
    pytest.mark.trl,
    pytest.mark.filterwarnings("ignore"),  # TRL's and its dependencies' own
]


def trl_trainer(model, reference, tokenizer, pairs, folder):
    trl = pytest.importorskip("trl", reason="TRL is not installed; it comes with the extra `bench`")
    from datasets import Dataset

    records = [
        {
            "prompt": pair.pair.prompt[0]["content"] + "\n",
            "chosen": pair.pair.chosen,
            "rejected": pair.pair.rejected,
        }
        for pair in pairs
    ]
    config = trl.DPOConfig(
        output_dir=str(folder),
        beta=0.3,
        per_device_train_batch_size=len(pairs),
        max_length=None,
        gradient_checkpointing=False,
        disable_dropout=True,
        bf16=False,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
    )
    dataset = Dataset.from_list(records)
    return trl.DPOTrainer(model, reference, config, train_dataset=dataset, processing_class=tokenizer)


def test_loss_and_gradients_equal_trl(tokenizer, train_pairs, tmp_path):
    from dpoq_lab.encoding import encode_pairs
    from dpoq_lab.preferences import Pair

    plain = [
        Pair(p.pair.prompt[0]["content"] + "\n", p.pair.chosen, p.pair.rejected) for p in train_pairs[:5]
    ]
    pairs = encode_pairs(tokenizer, plain, 512).pairs
    policy, reference = build_tiny(), build_tiny(seed=1).requires_grad_(False)

    batch = collate([p.chosen for p in pairs] + [p.rejected for p in pairs], tokenizer.pad_token_id)
    ratios = log_ratios(token_log_probs(policy, batch), score(reference, batch))
    ours = dpo_loss(ratios[:5], ratios[5:], 0.3).mean()
    ours.backward()
    gradients = {name: p.grad.clone() for name, p in policy.named_parameters()}

    peer = build_tiny()
    trainer = trl_trainer(peer, reference, tokenizer, train_pairs[:5], tmp_path)
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
    trainer = trl_trainer(str(tmp_path / "m"), None, opened_tokenizer, train_pairs[:2], tmp_path / "out")
    trainer.train()
    assert trainer.state.global_step > 0

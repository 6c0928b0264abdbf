"""An optimiser step of DPO against TRL's: the same tokens, model, reference log-probabilities and rate."""

from collections.abc import Callable
from copy import deepcopy
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab.encoding import EncodedPair, collate, pad_id
from dpoq_lab.lessons.bench.race import cost, record, stopwatch
from dpoq_lab.losses import score
from dpoq_lab.objectives import DPO
from dpoq_lab.training import Settings, train

BETA, LR, CLIP = 0.1, 1e-5, 1.0


def step_race(
    work: str,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    pairs: list[EncodedPair],
    rounds: int,
    bf16: bool = False,
) -> dict:
    """A record of `rounds` steps on all `pairs`, a step of TRL after each of ours."""
    size = len(pairs)
    settings = Settings(DPO(BETA), LR, rounds + 2, size, size, warmup_steps=1, clip=CLIP, bf16=bf16)
    theirs_do = trl_step(deepcopy(model), tokenizer, pairs, bf16)
    ours, theirs, apart = [], [], []

    def after_our_step(logged: dict) -> None:
        ours.append(mark[0]())
        spent, told = cost(theirs_do)
        theirs.append(spent)
        apart.append((abs(logged["loss_mean"] - told["loss"]), abs(logged["grad_norm"] / told["norm"] - 1)))
        mark[0] = stopwatch()

    mark = [stopwatch()]
    train(deepcopy(model), pairs, pad_id(tokenizer), settings, progress=False, on_log=after_our_step)
    more = {"apart": apart[0][0], "close": 1e-2 if bf16 else 1e-5, "gradient_apart": apart[0][1]}
    return record(work, "TRL", ours[2:], theirs[2:], more)  # the first two warm up


def trl_step(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, pairs: list[EncodedPair], bf16: bool
) -> Callable[[], dict[str, float]]:
    """One step of TRL's DPOTrainer on these tokens: its loss and the norm of its gradient."""
    import trl
    from datasets import Dataset

    row = {"prompt": "a", "chosen": " b", "rejected": " c"}
    with TemporaryDirectory() as folder:
        config = trl.DPOConfig(
            folder,
            beta=BETA,
            learning_rate=LR,
            weight_decay=0.0,
            precompute_ref_log_probs=True,
            gradient_checkpointing=False,
            disable_dropout=True,
            bf16=False,
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
            max_length=None,
        )
        trainer: Any = trl.DPOTrainer(
            model, None, config, processing_class=tokenizer, train_dataset=Dataset.from_list([row])
        )
    inputs = trainer.data_collator(_examples(model, tokenizer, pairs, bf16))
    optimizer = trainer.create_optimizer()

    def step() -> dict[str, float]:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = trainer.compute_loss(trainer.model, inputs)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()
        return {"loss": loss.item(), "norm": norm.item()}

    return step


def _examples(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, pairs: list[EncodedPair], bf16: bool
) -> list[dict]:
    """The pairs as TRL's collator takes them, with the summed log pi_ref of both replies."""
    batch = collate([p.chosen for p in pairs] + [p.rejected for p in pairs], pad_id(tokenizer))
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        sums = score(model, batch).sum(1).tolist()
    return [
        {
            "prompt_ids": pair.chosen.prompt_ids,
            "chosen_ids": pair.chosen.ids,
            "rejected_ids": pair.rejected.ids,
            "ref_chosen_logps": chosen,
            "ref_rejected_logps": rejected,
        }
        for pair, chosen, rejected in zip(pairs, sums[: len(pairs)], sums[len(pairs) :], strict=True)
    ]

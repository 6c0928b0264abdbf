"""An optimiser step of DPO against TRL's: the same tokens, model, reference log-probabilities and rate."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab.batches import collate, pad_id
from dpoq_lab.encoding import EncodedPair
from dpoq_lab.lessons.bench.race import cost, record, stopwatch
from dpoq_lab.losses import score
from dpoq_lab.objectives import DPO
from dpoq_lab.schedule import Settings
from dpoq_lab.training import train

BETA, LR, CLIP = 0.1, 1e-5, 1.0


def step_race(
    work: str,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    pairs: list[EncodedPair],
    rounds: int,
    bf16: bool = False,
    as_it_comes: bool = False,
) -> dict:
    """A record of `rounds` steps on all `pairs`, a step of TRL after each of ours.

    TRL has the same settings, or its own: bfloat16, checkpointed gradients, the reference at each step.
    """
    size = len(pairs)
    settings = Settings(DPO(BETA), LR, rounds + 2, size, size, warmup_steps=1, clip=CLIP, bf16=bf16)
    theirs_do = trl_step(deepcopy(model), tokenizer, pairs, bf16, as_it_comes)
    ours, theirs, apart = [], [], []

    def after_our_step(logged: dict) -> None:
        ours.append(mark[0]())
        spent, told = cost(theirs_do)
        theirs.append(spent)
        apart.append((abs(logged["loss_mean"] - told["loss"]), abs(logged["grad_norm"] / told["norm"] - 1)))
        mark[0] = stopwatch()

    mark = [stopwatch()]
    train(deepcopy(model), pairs, pad_id(tokenizer), settings, progress=False, on_log=after_our_step)
    close = 1e-2 if bf16 or as_it_comes else 1e-5
    more = {"apart": apart[0][0], "close": close, "gradient_apart": apart[0][1]}
    peer = "TRL as it comes" if as_it_comes else "TRL"
    return record(work, peer, ours[2:], theirs[2:], more)  # the first two warm up


def trl_config(folder: str | Path, **more: Any) -> Any:
    """TRL's settings that are ours."""
    from trl import DPOConfig

    same = {"beta": BETA, "learning_rate": LR, "max_length": None, "use_cpu": True}
    ours = {"precompute_ref_log_probs": True, "gradient_checkpointing": False, "bf16": False}
    quiet = {"report_to": "none", "disable_tqdm": True, "save_strategy": "no", "logging_strategy": "no"}
    return DPOConfig(str(folder), weight_decay=0.0, **same | ours | quiet | more)


def trl_step(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    pairs: list[EncodedPair],
    bf16: bool,
    as_it_comes: bool = False,
) -> Callable[[], dict[str, float]]:
    """One step of TRL's DPOTrainer on these tokens: its loss and the norm of its gradient."""
    from datasets import Dataset
    from trl import DPOTrainer

    row = {"prompt": "a", "chosen": " b", "rejected": " c"}
    own = {"precompute_ref_log_probs": False, "gradient_checkpointing": True, "bf16": True}
    with TemporaryDirectory() as folder:
        config = trl_config(folder, **own if as_it_comes else {})
        reference = deepcopy(model) if as_it_comes else None
        rows = Dataset.from_list([row])
        trainer: Any = DPOTrainer(model, reference, config, processing_class=tokenizer, train_dataset=rows)
    inputs = trainer.data_collator(_examples(model, tokenizer, pairs, bf16))
    optimizer = trainer.create_optimizer()

    def step() -> dict[str, float]:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16 or as_it_comes):
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

"""Four DPO runs of a real model by TRL, one as it should be and three with a planted cause.

    python -m dpoq_lab.lessons.l14_your_own_model.four_runs OUT

SmolLM2-135M-Instruct with a small LoRA adapter: SFT on the chosen replies of 192 pairs of `data/courtesy`,
then DPO on these pairs from that start, its reference. It needs the extras `bench` (TRL) and `peft`.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dpoq_lab import models, smollm2
from dpoq_lab.paths import data_folder
from dpoq_lab.preferences import Pair, usable_pairs, write_pairs
from dpoq_lab.provenance import provenance
from dpoq_lab.records import write_json

BASE, START = "smollm2-135m", "start"  # the adapter after SFT lies in the folder START
BETA, PAIRS, BATCH, SFT_EPOCHS, SCORED = 0.1, 192, 8, 3, 48
SFT_RATE, DPO_RATE = 1e-3, 5e-4
TARGETS, RANK = ["q_proj", "v_proj"], 2


@dataclass(frozen=True)
class Planted:
    """What is planted in a run, and the verdicts of the diagnosis that are right; `about` is for the key."""

    about: str
    right: tuple[str, ...]
    rate: float = 1.0  # times DPO_RATE
    flipped: bool = False
    base_as_reference: bool = False

    @property
    def fine(self) -> bool:
        """Whether nothing is to be mended."""
        return "healthy" in self.right


ANSWERS = {
    "A": Planted(
        "chosen and rejected exchanged in every pair", ("labels against the reference",), flipped=True
    ),
    "B": Planted("nothing", ("healthy", "expected: the chosen reward falls with its reference")),
    "C": Planted(
        "the reference is the base, though the policy began from SFT",
        ("policy and reference do not begin alike",),
        base_as_reference=True,
    ),
    "D": Planted("the learning rate times 20", ("too much pressure",), rate=20.0),
}


def training_pairs() -> list[Pair]:
    """The seeded `PAIRS` pairs, without marks."""
    drawn = random.Random("four runs").sample(
        list(usable_pairs(data_folder() / "courtesy" / "train.jsonl")), PAIRS
    )
    return [Pair(pair.prompt, pair.chosen, pair.rejected) for pair in drawn]


def exchanged(pairs: list[Pair]) -> list[Pair]:
    """The pairs with their labels flipped."""
    return [Pair(pair.prompt, pair.rejected, pair.chosen) for pair in pairs]


def _settings(out: Path, rate: float, epochs: float) -> dict:
    return {
        "output_dir": str(out),
        "per_device_train_batch_size": BATCH,
        "num_train_epochs": epochs,
        "learning_rate": rate,
        "lr_scheduler_type": "constant",
        "logging_steps": 1,
        "save_strategy": "no",
        "gradient_checkpointing": False,
        "max_length": None,
        "bf16": False,
        "use_cpu": True,
        "report_to": "none",
        "seed": 0,
    }


def _base() -> Any:
    return models.load(BASE)[0].float()


def _save(model: Any, folder: Path) -> None:
    """The adapter alone, its base by the kit's name for it."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, selected_adapters=["default"])
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, config | {"base_model_name_or_path": BASE})


def make_start(out: Path, pairs: list[Pair], epochs: float = SFT_EPOCHS) -> None:
    """SFT on the chosen replies, into `out / START`."""
    import trl
    from datasets import Dataset
    from peft import LoraConfig

    began = time.perf_counter()
    _, tokenizer = models.load(BASE)
    rows = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in map(Pair.to_record, pairs)]
    trainer = trl.SFTTrainer(
        _base(),
        trl.SFTConfig(**_settings(out / "unused", SFT_RATE, epochs)),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=TARGETS, task_type="CAUSAL_LM"),
    )
    trainer.train()
    _save(trainer.model, out / START)
    _provenance(out / START, began)


def make_run(out: Path, letter: str, pairs: list[Pair], epochs: float = 1) -> None:
    """DPO from the start with what `ANSWERS` plants, into `out / letter`; then its pairs are scored."""
    import trl
    from datasets import Dataset
    from peft import PeftModel

    began, planted, folder = time.perf_counter(), ANSWERS[letter], out / letter
    pairs = exchanged(pairs) if planted.flipped else pairs
    _, tokenizer = models.load(BASE)
    trainer = trl.DPOTrainer(
        PeftModel.from_pretrained(_base(), str(out / START), is_trainable=True, trust_remote_code=False),
        _base() if planted.base_as_reference else None,  # None: a frozen copy of the start's adapter
        trl.DPOConfig(beta=BETA, **_settings(out / "unused", DPO_RATE * planted.rate, epochs)),
        train_dataset=Dataset.from_list([pair.to_record() for pair in pairs]),
        processing_class=tokenizer,
    )
    trainer.train()
    _save(trainer.model, folder)
    trainer.state.save_to_json(str(folder / "trainer_state.json"))
    write_pairs(pairs[:SCORED], folder / "pairs.jsonl")
    _provenance(folder, began)
    score_run(out, letter)


def score_run(out: Path, letter: str) -> None:
    """What `dpoq-lab inspect` says of a run's pairs against the start, into `inspected`; without its page."""
    asked = ["--policy", letter, "--reference", START, "--pairs", f"{letter}/pairs.jsonl", "--whole-yield"]
    asked += ["--out", f"{letter}/inspected", "--beta", str(BETA)]
    subprocess.run([sys.executable, "-m", "dpoq_lab", "inspect", *asked], cwd=out, check=True)
    (out / letter / "inspected" / "report.html").unlink()


def _provenance(folder: Path, began: float) -> None:
    found = provenance()
    found["command"] = "python -m dpoq_lab.lessons.l14_your_own_model.four_runs OUT"
    found["versions"] |= {name: version(name) for name in ("trl", "peft")}
    write_json(folder / "provenance.json", found | {"seconds": round(time.perf_counter() - began)})


def main(words: list[str] | None = None) -> None:
    """Make the start and the runs into a folder; a run that is there already is left."""
    parser = argparse.ArgumentParser(description="Train the four runs of lesson 14 with TRL.")
    parser.add_argument("out", type=Path)
    out = parser.parse_args(words).out
    smollm2.fetch()
    pairs = training_pairs()
    if not (out / START / "provenance.json").exists():
        make_start(out, pairs)
    for letter in ANSWERS:
        if not (out / letter / "inspected" / "summary.json").exists():
            make_run(out, letter, pairs)


if __name__ == "__main__":
    main()

"""What several lessons share: the model of the preset, the course's pairs, the run of lesson 05."""

import json
from dataclasses import dataclass, replace
from typing import Literal

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab import models, smollm2
from dpoq_lab.batches import pad_id
from dpoq_lab.encoding import EncodedPair, encode_pairs
from dpoq_lab.objectives import DPO, SFT
from dpoq_lab.order_notes.language import held_out_seed, order_pairs, order_tokenizer
from dpoq_lab.order_notes.recipe import SIZES, Size, encode, train_base
from dpoq_lab.paths import data_folder, runs_folder
from dpoq_lab.preferences import usable_pairs
from dpoq_lab.presets import WITHOUT_SMOLLM2, Preset, bf16_is_fast
from dpoq_lab.schedule import Settings
from dpoq_lab.training import train, trained_copy


@dataclass
class Lesson:
    """A preset with its model and the course's pairs, tokenised."""

    preset: Preset
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    train_pairs: list[EncodedPair]
    held_out: list[EncodedPair]

    def settings(self, stage: Literal["sft", "dpo"]) -> Settings:
        """The training settings of the preset."""
        preset, sft = self.preset, stage == "sft"
        return Settings(
            SFT() if sft else DPO(preset.beta),
            lr=preset.sft_lr if sft else preset.dpo_lr,
            steps=preset.sft_steps if sft else preset.dpo_steps,
            batch_size=preset.batch_size,
            micro_batch=preset.micro_batch,
            warmup_steps=preset.warmup_steps,
            bf16=preset.model == "smollm2-135m" and bf16_is_fast(),
        )

    @property
    def pad_id(self) -> int:
        """The id that fills masked places."""
        return pad_id(self.tokenizer)


@dataclass
class OrderLesson:
    """Order notes at a preset: a base model that has read them, and the pairs, tokenised."""

    size: Size
    base: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    train_pairs: list[EncodedPair]
    held_out: list[EncodedPair]

    def settings(self, stage: Literal["sft", "dpo"]) -> Settings:
        """The training settings of a stage."""
        return self.size.stage(stage, seed=0)


def open_orders(preset: Preset) -> OrderLesson:
    """The stored base and the shipped pairs; at `gpu` the larger language, and its base trained now."""
    if preset.name != "gpu":
        size = replace(SIZES["laptop"], **({"sft_steps": 10, "dpo_steps": 20} if preset.name == "ci" else {}))
        base, tokenizer = models.load(str(data_folder() / "runs" / "order-notes" / "base"))
        pairs = [usable_pairs(data_folder() / "order_notes" / f"{p}.jsonl") for p in ("train", "held_out")]
    else:
        size, tokenizer = SIZES["gpu"], order_tokenizer(SIZES["gpu"].facts)
        base = train_base(size, 0, runs_folder() / "gpu-order-notes" / "base")
        pairs = [
            order_pairs(n, seed, facts=size.facts)
            for n, seed in ((size.pairs, 0), (size.held_out, held_out_seed(0)))
        ]
    return OrderLesson(size, base, tokenizer, *(encode(part, tokenizer) for part in pairs))


def open_lesson(preset: Preset) -> Lesson:
    """Load the preset's model and the course's pairs; without SmolLM2 go on with `tiny`, saying so."""
    try:
        model, tokenizer = models.load(preset.model)
    except smollm2.FetchError as error:
        print(f"{error}\nThis lesson goes on with `tiny`.")
        preset = replace(preset, **WITHOUT_SMOLLM2)
        model, tokenizer = models.load(preset.model)
    train_pairs, held_out = (
        encode_pairs(
            tokenizer, usable_pairs(data_folder() / "courtesy" / f"{part}.jsonl"), preset.max_length
        ).pairs
        for part in ("train", "held_out")
    )
    return Lesson(preset, model, tokenizer, train_pairs, held_out)


def policy_and_reference(lesson: Lesson) -> tuple[PreTrainedModel, PreTrainedModel]:
    """The DPO policy and its SFT reference of lesson 05: from `runs/` if it was run, else trained now."""
    folder = runs_folder() / f"{lesson.preset.name}-{lesson.preset.model}"
    if (folder / "dpo" / "config.json").is_file():
        print("Loading what lesson 05 trained.")
        return tuple(models.load_frozen(str(folder / name))[0] for name in ("dpo", "sft"))
    print("Lesson 05 has not been run at this preset; training its two models now.")
    reference = lesson.model
    train(reference, lesson.train_pairs, lesson.pad_id, lesson.settings("sft"))
    policy, _ = trained_copy(reference, lesson.train_pairs, lesson.pad_id, lesson.settings("dpo"))
    reference.requires_grad_(False)
    keep(lesson, policy, reference)
    return policy, reference


def keep(lesson: Lesson, policy: PreTrainedModel, reference: PreTrainedModel) -> None:
    """Save both models to `runs/`, so that later lessons start at once."""
    folder = runs_folder() / f"{lesson.preset.name}-{lesson.preset.model}"
    models.save(reference, lesson.tokenizer, folder / "sft")
    models.save(policy, lesson.tokenizer, folder / "dpo")


def stored_run(name: str) -> tuple[list[dict], dict]:
    """The token records and the summary, with provenance, of a run kept in `data/runs/NAME`."""
    folder = data_folder() / "runs" / name
    lines = (folder / "tokens.jsonl").read_text(encoding="utf-8").splitlines()
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return [json.loads(line) for line in lines], summary


def course_records(part: str) -> list[dict]:
    """The course's pairs as they stand in `data/courtesy`, with their labels; part: train or held_out."""
    text = (data_folder() / "courtesy" / f"{part}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]

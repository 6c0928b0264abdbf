"""Notes during DPO: what the policy writes to a held-out prompt after so many steps, and 100 true scores.

Also the three curves of four runs, one of each kind that the lesson tells apart.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

from transformers import PreTrainedModel

from dpoq_lab.encoding import EncodedPair, encode_response
from dpoq_lab.lessons.l05_train_dpo.figures import CURVES, curves_of
from dpoq_lab.lessons.study import Study
from dpoq_lab.order_notes.language import held_out_seed, order_pairs, token_rewards_of, true_score
from dpoq_lab.order_notes.recipe import BETA, SIZES, Size, encode, note_tokenizer, shuffled, stored_policies
from dpoq_lab.rewards import score_responses
from dpoq_lab.schedule import Settings
from dpoq_lab.search.generate import sample_rest
from dpoq_lab.training import train
from dpoq_lab.views.tables import Table

STEPS = (0, 5, 10, 20, 30, 45, 60, 90, 120)  # optimiser steps after which notes are written


@dataclass(frozen=True)
class WritingSize:
    """The recipe's size, how many held-out prompts are answered and after which steps, and how many steps the
    runs take that leave their curves alone."""

    recipe: Size
    prompts: int = 100
    steps: tuple[int, ...] = STEPS
    curve_steps: int = 60


def write_while_training(
    start: PreTrainedModel,
    pairs: list[EncodedPair],
    held_out: list[EncodedPair],
    size: WritingSize,
    seed: int,
) -> tuple[dict[int, dict], list[dict]]:
    """DPO from `start`, its own reference: notes by step, and the metrics of every step.

    Notes of all steps are sampled with one seed. Each step has `texts`, `R` (true scores), and of each word,
    EOS last, `r_hat` in nats and `p`, its probability.
    """
    policy, found = deepcopy(start).requires_grad_(True), {}

    def write(steps: int) -> None:
        if steps in size.steps:
            found[steps] = notes_of(policy, start, held_out)

    write(0)
    settings = size.recipe.stage("dpo", seed)
    log = run(policy, pairs, settings, on_log=lambda record: write(record["step"] + 1))
    return found, log


def run(
    policy: PreTrainedModel,
    pairs: list[EncodedPair],
    settings: Settings,
    reference: PreTrainedModel | None = None,
    on_log: Callable[[dict], None] | None = None,
) -> list[dict]:
    """`train` of order notes without a bar."""
    pad_id = note_tokenizer().pad_token_id
    return train(policy, pairs, pad_id, settings, reference, on_log=on_log, progress=False)


def notes_of(policy: PreTrainedModel, reference: PreTrainedModel, held_out: list[EncodedPair]) -> dict:
    """One sampled note to each held-out prompt, with true score, r_hat and probability of each word."""
    tokenizer = note_tokenizer()
    rows = sample_rest(policy, tokenizer, [pair.chosen.prompt_ids for pair in held_out], 1)
    texts = [tokenizer.decode(row, skip_special_tokens=True) or "." for row in rows]
    prompts = [pair.pair.prompt for pair in held_out]
    replies = [
        encode_response(tokenizer, prompt, text, 256) for prompt, text in zip(prompts, texts, strict=True)
    ]
    scored = score_responses(policy, reference, tokenizer, replies, batch_size=64, top=0)
    return {
        "texts": texts,
        "R": [true_score(prompt, text) for prompt, text in zip(prompts, texts, strict=True)],
        "r_hat": [score.rewards(BETA) for score in scored],
        "logp": [score.logp_policy for score in scored],
    }


def kept_note(found: dict[int, dict]) -> int:
    """The prompt, the first of equals, whose note rises most, never falls, and keeps its number of words."""

    def rise(i: int) -> int:
        R = [notes["R"][i] for _, notes in sorted(found.items())]
        lengths = {len(notes["texts"][i].split()) for notes in found.values()}
        return R[-1] - R[0] if sorted(R) == R and len(lengths) == 1 else -1

    return max(range(len(found[0]["R"])), key=rise)


def course_of(found: dict[int, dict], i: int, prompt: str) -> list[dict]:
    """Note i by step: its words, EOS last, with true reward, r_hat and probability."""
    rows = []
    for step, notes in sorted(found.items()):
        text = notes["texts"][i]
        rows.append(
            {
                "step": step,
                "words": text.split(),
                "r": token_rewards_of(prompt, text),
                "r_hat": [round(x, 4) for x in notes["r_hat"][i]],
                "logp": [round(x, 4) for x in notes["logp"][i]],
                "R": notes["R"][i],
            }
        )
    return rows


def scores_by_step(found: dict[int, dict]) -> list[dict]:
    """The mean true score of all notes, and how many are better or worse than their prompt's first."""
    start = found[0]["R"]
    return [
        {
            "step": step,
            "mean": sum(notes["R"]) / len(start),
            "better": sum(a > b for a, b in zip(notes["R"], start, strict=True)),
            "worse": sum(a < b for a, b in zip(notes["R"], start, strict=True)),
        }
        for step, notes in sorted(found.items())
    ]


def rounded_curves(log: list[dict]) -> dict[str, list[float]]:
    """Loss, and the sums of r_hat of chosen and rejected replies, by step."""
    return {name: [round(x, 4) for x in curve] for name, curve in zip(CURVES, curves_of(log), strict=True)}


def other_runs(models: dict[str, PreTrainedModel], size: WritingSize) -> dict[str, dict]:
    """The curves of three more runs of seed 0: from the base, labels by a coin, another reference."""
    pairs = order_pairs(size.recipe.pairs, 0)
    shown, settings = encode(pairs), replace(size.recipe, dpo_steps=size.curve_steps).stage("dpo", 0)
    base, sft = models["base"], models["SFT"]
    found = {
        "DPO from base": run(deepcopy(base).requires_grad_(True), shown, settings),
        "labels by a coin": run(deepcopy(sft).requires_grad_(True), encode(shuffled(pairs, 0)), settings),
        "the base as reference": run(deepcopy(sft).requires_grad_(True), shown, settings, base),
    }
    return {name: rounded_curves(log) for name, log in found.items()}


def measure(size: WritingSize, seeds: int, out: Path) -> tuple[dict, str]:
    """Scores by step over seeds of pairs, the note that is kept and the curves of seed 0."""
    models, held_out = stored_policies().models, encode(order_pairs(size.prompts, held_out_seed(0)))
    scores, record = [], {}
    for seed in range(seeds):
        found, log = write_while_training(
            models["SFT"], encode(order_pairs(size.recipe.pairs, seed)), held_out, size, seed
        )
        scores.append(scores_by_step(found))
        if seed == 0:
            i = kept_note(found)
            prompt = held_out[i].pair.prompt
            record = {"prompt": prompt, "place": i, "note": course_of(found, i, prompt)}
            curves = {"DPO from SFT": rounded_curves(log)} | other_runs(models, size)
            record |= {"runs": curves, "prompts": size.prompts}
    rows = [
        (str(row["step"]), *(f"{by_seed[k]['mean']:.2f}" for by_seed in scores))
        for k, row in enumerate(scores[0])
    ]
    table = Table([("step", *(f"true score, seed {seed}" for seed in range(seeds))), *rows])
    return record | {"scores": scores}, str(table)


STUDY = Study(
    "what a policy writes during DPO, and the curves of four runs",
    measure,
    {
        "ci": WritingSize(replace(SIZES["laptop"], pairs=256, dpo_steps=8), 4, (0, 4, 8), 8),
        "laptop": WritingSize(SIZES["laptop"]),
    },
)

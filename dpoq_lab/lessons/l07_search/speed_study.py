"""How fast our beam search is against transformers' `generate(num_beams)`, both in one process."""

import time
from pathlib import Path
from statistics import median

import torch

from dpoq_lab.lessons.study import Study
from dpoq_lab.order_notes.language import held_out_seed, order_pairs
from dpoq_lab.order_notes.recipe import encode, stored_policies
from dpoq_lab.search.beams import beam_search
from dpoq_lab.search.scorers import ModelScorer
from dpoq_lab.theory.token_mdp import Tokens
from dpoq_lab.views.tables import text_table

WIDTHS, MAX_TOKENS = (2, 5, 10, 20), 60


def timings(
    widths: tuple[int, ...] = WIDTHS, prompts: int = 5, repeats: int = 3
) -> list[tuple[int, float, float, float]]:
    """(width, median seconds of `generate`, of ours, share of equal best replies), both ways interleaved."""
    model = stored_policies().models["DPO from SFT"]
    asked = [tuple(pair.chosen.prompt_ids) for pair in encode(order_pairs(prompts, held_out_seed(0)))]
    rows = []
    for width in widths:
        pairs = [(_theirs(model, x, width), _ours(model, x, width)) for x in asked for _ in range(repeats)]
        same = sum(a[1] == b[1] for a, b in pairs) / len(pairs)
        rows.append((width, median(a[0] for a, _ in pairs), median(b[0] for _, b in pairs), same))
    return rows


def _theirs(model: torch.nn.Module, prompt: Tokens, width: int) -> tuple[float, Tokens]:
    ids = torch.tensor([prompt], device=model.device)
    options = {"num_beams": width, "max_new_tokens": MAX_TOKENS, "do_sample": False}
    start = time.perf_counter()
    with torch.no_grad():
        row = model.generate(ids, attention_mask=torch.ones_like(ids), **options)[0, len(prompt) :]
    return time.perf_counter() - start, tuple(row.tolist())


def _ours(model: torch.nn.Module, prompt: Tokens, width: int) -> tuple[float, Tokens]:
    start = time.perf_counter()
    scorer = ModelScorer(model, model.config.eos_token_id)
    best = beam_search(scorer, prompt, width, MAX_TOKENS).hypotheses[0]
    return time.perf_counter() - start, best.tokens


def measure(prompts: int, seeds: int, out: Path) -> tuple[dict, str]:
    """A row for each width; every prompt is timed `seeds` times."""
    rows = timings(prompts=prompts, repeats=seeds)
    names = ("width", "generate_seconds", "ours_seconds", "same")
    shown = [
        (f"{width}", f"{theirs * 1e3:.1f}", f"{ours * 1e3:.1f}", f"{theirs / ours:.2f}", f"{same:.2f}")
        for width, theirs, ours, same in rows
    ]
    table = text_table([("width", "generate ms", "ours ms", "ratio", "same"), *shown])
    return {"rows": [dict(zip(names, row, strict=True)) for row in rows]}, table


STUDY = Study("speed of beam search against transformers' generate", measure, {"ci": 1, "laptop": 5})

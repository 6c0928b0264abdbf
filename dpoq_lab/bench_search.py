"""`python -m dpoq_lab.bench_search`: beam search against transformers' `generate(num_beams)`, one process."""

import time
from statistics import median

import torch

from dpoq_lab.language_study import encode, stored_study
from dpoq_lab.languages import held_out_seed, order_pairs
from dpoq_lab.scorers import ModelScorer, Tokens
from dpoq_lab.search import beam_search

WIDTHS, MAX_TOKENS = (2, 5, 10, 20), 60


def main(widths: tuple[int, ...] = WIDTHS, prompts: int = 5, repeats: int = 3) -> None:
    """Print a row for each width: milliseconds a reply, generate over ours, share of equal replies."""
    print(f"{'width':>5}{'generate ms':>13}{'ours ms':>9}{'ratio':>7}{'same':>6}")
    for width, theirs, ours, same in measure(widths, prompts, repeats):
        print(f"{width:5d}{theirs * 1e3:13.1f}{ours * 1e3:9.1f}{theirs / ours:7.2f}{same:6.2f}")


def measure(
    widths: tuple[int, ...] = WIDTHS, prompts: int = 5, repeats: int = 3
) -> list[tuple[int, float, float, float]]:
    """(width, median seconds of `generate`, of ours, share of equal best replies), both ways interleaved."""
    model = stored_study()[0].policies["DPO from SFT"]
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


if __name__ == "__main__":
    main()

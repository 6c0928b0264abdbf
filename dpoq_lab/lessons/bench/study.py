"""`dpoq-lab study bench`: every piece of work beside its peer, as a table of ratios and as JSON."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab import models, smollm2
from dpoq_lab.batches import collate, pad_id
from dpoq_lab.encoding import EncodedPair, Response, encode_pairs
from dpoq_lab.lessons.bench.race import Race, run
from dpoq_lab.lessons.bench.setup import setup_race
from dpoq_lab.lessons.bench.solver import solver
from dpoq_lab.lessons.bench.starts import OVER, starts
from dpoq_lab.lessons.bench.steps import step_race
from dpoq_lab.lessons.study import Study
from dpoq_lab.losses import score
from dpoq_lab.paths import data_folder
from dpoq_lab.preferences import Pair, usable_pairs
from dpoq_lab.rewards import score_pairs
from dpoq_lab.search.beams import Hypothesis, beam_search
from dpoq_lab.search.scorers import ModelScorer
from dpoq_lab.theory.token_mdp import Tokens
from dpoq_lab.views.tables import text_table

NAMES = {"tiny": "tiny", "SmolLM2": "smollm2-135m"}


@dataclass(frozen=True)
class Size:
    """Rounds of each race; pairs a step, and tokens of prompt and reply, by model."""

    rounds: int
    steps: dict[str, tuple[int, tuple[tuple[int, int], ...]]]
    widths: dict[str, tuple[int, ...]]
    tokens: int  # that a beam may write
    pairs: int  # of a set-up
    horizons: tuple[int, ...]  # of the solver's trees, the smallest first


SIZES = {
    "ci": Size(1, {"tiny": (2, ((5, 3),))}, {"tiny": (2,)}, 4, 40, (4, 6)),
    "laptop": Size(
        5,
        {"tiny": (32, ((32, 16), (16, 32))), "SmolLM2": (4, ((64, 64),))},
        {"tiny": (2, 5, 10, 20), "SmolLM2": (2, 5)},
        24,
        2000,
        (14, 17, 20, 23),
    ),
}


def random_pairs(size: int, prompt: int, reply: int, words: int) -> list[EncodedPair]:
    """Pairs of random tokens, all of one length."""
    random = Random(f"bench {size} {prompt} {reply}")
    found = []
    for _ in range(size):
        ids = [[random.randrange(5, words) for _ in range(n)] for n in (prompt, reply, reply)]
        sides = [Response(ids[0], side, [(0, 0)] * reply, "") for side in ids[1:]]
        found.append(EncodedPair(*sides, Pair("", "a", "b")))
    return found


def real_pairs(tokenizer: PreTrainedTokenizerFast, size: int) -> list[EncodedPair]:
    """The first of the course's pairs about courtesy."""
    return encode_pairs(tokenizer, usable_pairs(data_folder() / "courtesy" / "train.jsonl")[:size], 512).pairs


def steps(size: Size, rounds: int) -> Iterator[dict]:
    """DPO steps against TRL's."""
    for name, (n, lengths) in _there(size.steps):
        model, tokenizer = models.load(NAMES[name])
        precisions = (False, True) if name == "SmolLM2" else (False,)
        for bf16 in precisions:
            kind = "bf16" if bf16 else "fp32"
            for prompt, reply in lengths:
                work = f"DPO step, {name} {kind}, {n} pairs of {prompt}+{reply}"
                pairs = random_pairs(n, prompt, reply, len(tokenizer))
                yield step_race(work, model, tokenizer, pairs, rounds, bf16)
        work = f"DPO step, {name} fp32, {n} real pairs"
        yield step_race(work, model, tokenizer, real_pairs(tokenizer, n), rounds)
        if name == "tiny":
            pairs = real_pairs(tokenizer, n)
            yield step_race(work, model, tokenizer, pairs, rounds, as_it_comes=True)


def setups(size: Size, rounds: int) -> Iterator[dict]:
    """From a file of pairs to the first step done, against TRL's."""
    model, tokenizer = models.load("tiny")
    told = [pair.to_record() for pair in usable_pairs(data_folder() / "courtesy" / "train.jsonl")]
    records = list(islice(cycle(told), size.pairs))
    for warm in (False, True):
        with TemporaryDirectory() as folder:
            yield run(setup_race(model, tokenizer, records, Path(folder), rounds + 1, warm), rounds)


def exact(size: Size, rounds: int) -> Iterator[dict]:
    """The exact solver by the size of its tree, and with nature in a third of the states."""
    for nature in (0.0, 1 / 3):
        yield from solver(size.horizons, nature, rounds)


def cold(size: Size, rounds: int) -> Iterator[dict]:
    """What a user waits for before anything is computed."""
    yield from starts(["-c", f"import trl; trl.DPOTrainer{OVER}"], "import of TRL's trainer", rounds)


def beams(size: Size, rounds: int) -> Iterator[dict]:
    """Beam search against transformers' generate, and what no search that asks the model can win more."""
    for name, widths in _there(size.widths):
        model, tokenizer = models.load_frozen(NAMES[name])
        prompt = tuple(real_pairs(tokenizer, 1)[0].chosen.prompt_ids)
        for width in widths:
            for race in (_beam_race, _passes_race):
                yield run(race(name, model, prompt, width, size.tokens), rounds)


def _generated(model: PreTrainedModel, prompt: Tokens, width: int, tokens: int) -> Tokens:
    """The best reply of transformers' beam."""
    ids = torch.tensor([prompt])
    options = {"num_beams": width, "max_new_tokens": tokens, "do_sample": False}
    options |= {"eos_token_id": model.config.eos_token_id, "attention_mask": torch.ones_like(ids)}
    with torch.no_grad():
        found = model.generate(ids, **options)  # pyright: ignore
    return tuple(found[0, len(prompt) :].tolist())


def _best(model: PreTrainedModel, prompt: Tokens, width: int, tokens: int) -> Hypothesis:
    """The best reply of ours."""
    scorer = ModelScorer(model, model.config.eos_token_id)
    return beam_search(scorer, prompt, width, tokens).hypotheses[0]


def _beam_race(name: str, *search: Any) -> Race:
    def ours() -> Tokens:
        return _best(*search).tokens

    work = f"beam search of {search[2]}, {name}, {search[3]} tokens"
    return Race(work, "generate", ours, lambda: _generated(*search), lambda a, b: float(a != b), 0.0)


def _passes_race(name: str, *search: Any) -> Race:
    """The forward passes of a beam without a search: `width` rows read the best reply token by token."""
    model, prompt, width, tokens = search
    best = _best(*search)

    @torch.inference_mode()
    def ours() -> float:
        cache = DynamicCache()
        seen = [model(torch.tensor([prompt]), past_key_values=cache, logits_to_keep=1).logits]
        cache.batch_repeat_interleave(width)
        for token in best.tokens[:-1]:
            row = torch.full((width, 1), token)
            seen.append(model(row, past_key_values=cache, logits_to_keep=1).logits)
        log_pi = torch.cat([logits[0] for logits in seen]).log_softmax(-1)  # (tokens, n_actions)
        return float(log_pi[range(len(seen)), best.tokens].mean())

    def apart(mean: float, theirs: Tokens) -> float:
        return abs(mean - best.log_pi / len(best.tokens)) + float(theirs != best.tokens)

    work = f"beam search of {width}, {name}, {tokens} forward passes alone"
    return Race(work, "generate", ours, lambda: _generated(*search), apart, 1e-5)


def scoring(size: Size, rounds: int) -> Iterator[dict]:
    """`inspect`'s scores of pairs, both KLs included, against two forward passes alone."""
    for name, (n, _) in _there(size.steps):
        model, tokenizer = models.load_frozen(NAMES[name])
        pairs = real_pairs(tokenizer, n)
        batch = collate([p.chosen for p in pairs] + [p.rejected for p in pairs], pad_id(tokenizer))

        def ours(model=model, tokenizer=tokenizer, pairs=pairs) -> torch.Tensor:  # noqa: ANN001
            found = score_pairs(model, model, tokenizer, pairs)
            return torch.tensor([sum(pair[side].logp_policy) for side in (0, 1) for pair in found])

        def theirs(model=model, batch=batch) -> torch.Tensor:  # noqa: ANN001
            return [score(model, batch).sum(1) for _ in range(2)][0]

        def apart(a: torch.Tensor, b: torch.Tensor) -> float:
            return (a - b).abs().max().item()

        yield run(
            Race(f"score {n} real pairs, {name}", "two forward passes", ours, theirs, apart, 1e-3), rounds
        )


def _there(by_model: dict) -> Iterator[tuple]:
    """The models that can be had without a network."""
    return ((name, given) for name, given in by_model.items() if name == "tiny" or smollm2.is_cached())


WORKS: tuple[Callable[[Size, int], Iterator[dict]], ...] = (steps, setups, beams, scoring, exact, cold)


def measure(size: Size, seeds: int, out: Path) -> tuple[dict, str]:
    """All races, `seeds` times the rounds of the size; one thread, so that CPU time is work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings(action="ignore"):  # the peers'
            rows = [row for work in WORKS for row in work(size, size.rounds * seeds)]
    finally:
        torch.set_num_threads(threads)
    return {"rows": rows}, table(rows)


def table(rows: list[dict]) -> str:
    """CPU seconds, and ratios of CPU and wall time, above 1 in our favour; `apart`: how far results part."""
    head = ("work", "peer", "ours s", "theirs s", "ratio", "least to most", "wall", "MiB", "theirs", "apart")
    return text_table([head, *map(_shown, rows)])


def _shown(row: dict) -> tuple[str, ...]:
    low, high = row["ratio_cpu_spread"]
    peaks = [f"{row[f'{name}_peak'] or 0:,.0f}" for name in ("ours", "theirs")]
    seconds = [f"{row[f'{name}_cpu']:.3g}" for name in ("ours", "theirs")]
    ratios = f"{row['ratio_cpu']:.2f}", f"{low:.2f} to {high:.2f}", f"{row['ratio_wall']:.2f}"
    agreed = "" if row["apart"] <= row["close"] else " (not equal)"
    return (row["work"], row["peer"], *seconds, *ratios, *peaks, f"{row['apart']:.1e}{agreed}")


STUDY = Study("speed beside peers: TRL, transformers, plain forward passes", measure, SIZES)

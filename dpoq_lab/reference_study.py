"""What the reference does to the rewards: DPO on the same pairs from five references, over seeds.

`python -m dpoq_lab.reference_study --out FOLDER`. For a data law mu, E_mu[beta log pi/pi_ref] is
beta [KL(mu, pi_ref) - KL(mu, pi)]: how far below 0 or above the chosen reward can end is set, before any
training, by KL(mu, pi_ref). The careful writer's law is known, so that KL is measured, not guessed.
"""

import math
import time
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, replace
from multiprocessing import get_context
from random import Random

import numpy as np
import torch
from transformers import PreTrainedModel

from dpoq_lab.encoding import EncodedPair
from dpoq_lab.language_study import (
    DPO,
    PAD,
    SFT,
    SIZES,
    TOKENIZER,
    Size,
    encode,
    held_out_seed,
    train_base,
)
from dpoq_lab.languages import (
    ADJECTIVES,
    CAREFUL,
    CLOSERS,
    FACTS,
    FILLERS,
    GREETINGS,
    INSULTS,
    ORDERS,
    RUDE,
    SENTENCES,
    Pair,
    Writer,
    flaws_of,
    order_pair,
    order_pairs,
    prompt_of,
    random_order,
    slipped,
    true_score,
    write,
)
from dpoq_lab.rewards import score_responses
from dpoq_lab.rollouts import mean_true_score, sample_rest
from dpoq_lab.studies import across_tables, plus_minus, study_options, write_record
from dpoq_lab.training import train

KEPT = ("chosen_reward_sum", "rejected_reward_sum", "chosen_logp_sum", "rejected_logp_sum")
PRESETS = {
    "ci": (replace(SIZES["laptop"], notes=640, pairs=64, base_steps=3, dpo_steps=3), 8),
    "laptop": (SIZES["laptop"], 200),
}


@dataclass(frozen=True)
class Run:
    """A DPO run: SFT steps before it (on the chosen replies, or on both), and where its pairs come from."""

    sft_steps: int
    sft_on: str = "chosen"
    pairs: str = "off-policy"  # "off-policy", "minimal edit" or "on-policy"

    @property
    def name(self) -> str:
        """What the lesson calls it."""
        start = f"SFT {self.sft_steps} on {self.sft_on}" if self.sft_steps else "base"
        return f"{start}, {self.pairs} pairs"


RUNS = (
    *(Run(steps) for steps in (0, 5, 20, 80)),
    Run(80, sft_on="both"),
    *(Run(steps, pairs=kind) for kind in ("minimal edit", "on-policy") for steps in (0, 80)),
)


def writer_entropy(writer: Writer) -> float:
    """The entropy of a writer's reply to an order, in nats; exact, as his choices are independent.

    A dropped clause changes how many there are to shuffle: k of the rest in one of k! orders.
    """
    H = math.log(len(GREETINGS)) + math.log(len(ORDERS)) + math.log(len(CLOSERS))
    H += coin(0.5) + 0.5 * math.log(len(ADJECTIVES))
    H += sum(fact_entropy(writer, fact) for fact in FACTS if fact not in SENTENCES)
    H += sum(clause_entropy(writer, fact) for fact in SENTENCES)
    stays = 1 - writer.drop * (1 - writer.slip)  # a slip is never dropped
    n = len(SENTENCES)
    H += sum(
        math.comb(n, k) * stays**k * (1 - stays) ** (n - k) * math.log(math.factorial(k))
        for k in range(n + 1)
    )
    H += (coin(writer.filler) + writer.filler * math.log(len(FILLERS))) / (1 - writer.filler)
    return H + coin(writer.rude) + writer.rude * math.log(len(INSULTS) * len(RUDE))


def coin(p: float) -> float:
    """The entropy of a yes with probability p, in nats."""
    return -sum(q * math.log(q) for q in (p, 1 - p) if q > 0)


def fact_entropy(writer: Writer, fact: str) -> float:
    """The entropy of what is said of a fact: right, the next value, or any other wrong one."""
    n, slip = len(FACTS[fact]), writer.slip
    other = slip * 0.15 / (n - 1)
    laws = [1 - slip, slip * 0.85 + other, *[other] * (n - 2)]
    return -sum(p * math.log(p) for p in laws if p > 0)


def clause_entropy(writer: Writer, fact: str) -> float:
    """The entropy of a clause: left out, or one of its phrases with a value; a slip is never left out."""
    left_out = (1 - writer.slip) * writer.drop
    n, slip = len(FACTS[fact]), writer.slip
    other = slip * 0.15 / (n - 1)
    said = [(1 - slip) * (1 - writer.drop), slip * 0.85 + other, *[other] * (n - 2)]
    H = -sum(p * math.log(p) for p in (left_out, *said) if p > 0)
    return H + (1 - left_out) * math.log(len(SENTENCES[fact]))


def minimal_edit_pairs(n: int, seed: int) -> list[Pair]:
    """n pairs of a right reply and the same reply with one fact wrong."""
    random, pairs = Random(f"minimal {seed}"), []
    for _ in range(n):
        order = random_order(random)
        text = write(order, Writer(slip=0.0, filler=0.15), random)
        words, value = text.split(), order[random.choice(list(FACTS))]
        words[words.index(value)] = slipped(value, random)
        pairs.append(order_pair(prompt_of(order, random), text, " ".join(words)))
    return pairs


def on_policy_pairs(pi: PreTrainedModel, prompts: list[Pair], seed: int) -> list[Pair]:
    """Two replies of `pi` to each prompt, labelled by Bradley-Terry with their true scores (eq. 1)."""
    random, found = Random(f"on-policy {seed}"), []
    for start in range(0, len(prompts), 250):
        some = prompts[start : start + 250]
        rows = sample_rest(pi, TOKENIZER, [p.chosen.prompt_ids for p in encode(some)], 2, seed=seed + start)
        for pair, both in zip(some, zip(rows[::2], rows[1::2], strict=True), strict=True):
            first, second = (TOKENIZER.decode(ids, skip_special_tokens=True) for ids in both)
            if not first or not second or first == second:
                continue
            gap = true_score(pair.prompt, first) - true_score(pair.prompt, second)
            if random.random() >= 1 / (1 + math.exp(-gap)):
                first, second = second, first
            found.append(Pair(pair.prompt, first, second, flaws_of(pair.prompt, first)))
    return found


def sft_pairs(pairs: list[Pair], on: str) -> list[EncodedPair]:
    """What SFT reads: the chosen replies, or chosen and rejected alike."""
    swapped = [Pair(pair.prompt, pair.rejected, pair.chosen) for pair in pairs]
    return encode(pairs if on == "chosen" else [p for both in zip(pairs, swapped, strict=True) for p in both])


@torch.no_grad()
def cross_entropy(pi: PreTrainedModel, pairs: list[EncodedPair]) -> float:
    """-E log pi(y) of the chosen replies, in nats a reply."""
    scores = score_responses(pi, pi, TOKENIZER, [pair.chosen for pair in pairs], batch_size=64, top=0)
    return -float(np.mean([sum(s.logp_policy) for s in scores]))


def measure_run(run: Run, base: PreTrainedModel, size: Size, held_out: list[EncodedPair], seed: int) -> dict:
    """Train one run: its curves, the KLs on the careful writer's held-out replies, and true scores."""
    written = order_pairs(size.pairs, seed)
    policy = deepcopy(base)
    if run.sft_steps:
        train(policy, sft_pairs(written, run.sft_on), PAD, size.settings(SFT, run.sft_steps, seed))
    pairs = {
        "off-policy": lambda: written,
        "minimal edit": lambda: minimal_edit_pairs(size.pairs, seed),
        "on-policy": lambda: on_policy_pairs(policy, written, seed),
    }[run.pairs]()
    H = writer_entropy(CAREFUL)
    found = {"kl_mu_ref": cross_entropy(policy, held_out) - H, "score_before": score_of(policy, held_out)}
    log = train(policy, encode(pairs), PAD, size.settings(DPO, size.dpo_steps, seed))
    found |= {"kl_mu_pi": cross_entropy(policy, held_out) - H, "score_after": score_of(policy, held_out)}
    found |= {name: float(np.mean([record[name] for record in log[-10:]])) for name in KEPT}
    return found | {"curves": {name: [round(record[name], 4) for record in log] for name in KEPT}}


def score_of(pi: PreTrainedModel, pairs: list[EncodedPair]) -> float:
    """The true score of one reply a prompt at temperature 1."""
    return mean_true_score(pi, TOKENIZER, pairs)


def measure_seed(arguments: tuple[int, str]) -> dict[str, dict]:
    """All runs of one seed."""
    seed, preset = arguments
    size, prompts = PRESETS[preset]
    held_out = encode(order_pairs(prompts, held_out_seed(seed)))
    base = train_base(size, seed)
    return {run.name: measure_run(run, base, size, held_out, seed) for run in RUNS}


def main(arguments: list[str] | None = None) -> None:
    """Measure over seeds, two at a time, and write `reference.json`."""
    options = study_options("implicit rewards by reference policy", arguments, PRESETS)
    started = time.perf_counter()
    jobs = [(seed, options.preset) for seed in range(options.seeds)]
    with ProcessPoolExecutor(2, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        seeds = list(pool.map(measure_seed, jobs))
    curves = {name: mean_curves([seed[name].pop("curves") for seed in seeds]) for name in seeds[0]}
    table = across_tables(seeds)
    record = {"seeds": options.seeds, "table": table, "mean_curves": curves}
    write_record(options.out / "reference.json", record, started)
    print(reference_lines(table))


def mean_curves(curves: list[dict[str, list[float]]]) -> dict[str, list[float]]:
    """Each curve, averaged over seeds step by step."""
    return {name: np.mean([c[name] for c in curves], axis=0).round(4).tolist() for name in curves[0]}


def reference_lines(table: dict) -> str:
    """KL(mu, pi_ref) before, the chosen and rejected reward after, and how many seeds end above 0."""
    lines = [f"{'':<30} {'KL(mu,ref)':>12} {'chosen':>13} {'> 0':>6} {'rejected':>9} {'score':>14}"]
    for name, row in table.items():
        chosen = row["chosen_reward_sum"]
        above = f"{sum(v > 0 for v in chosen['values'])}/{len(chosen['values'])}"
        score = f"{row['score_before']['mean']:.1f} to {row['score_after']['mean']:.1f}"
        lines.append(
            f"{name:<30} {row['kl_mu_ref']['mean']:>12.2f} {plus_minus(chosen, '+'):>13} "
            f"{above:>6} {row['rejected_reward_sum']['mean']:>+9.2f} {score:>14}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""Where outcome-only DPO puts the blame, and what it does for the answers, over seeds."""

from dataclasses import asdict
from pathlib import Path
from random import Random

import numpy as np
from transformers import PreTrainedModel

from dpoq_lab import models
from dpoq_lab.credit import auroc
from dpoq_lab.encoding import encode_response
from dpoq_lab.intervals import across_tables, plus_minus
from dpoq_lab.lessons.l10_reasoning import recipe
from dpoq_lab.lessons.l10_reasoning.recipe import BETA, PAY, Size
from dpoq_lab.lessons.l10_reasoning.walk import (
    PLACES,
    STEP_TOKENS,
    STEPS,
    Walk,
    advantages,
    is_right,
    stated,
    walk_tokenizer,
    wrong_steps,
)
from dpoq_lab.lessons.study import Study
from dpoq_lab.rewards import TokenScores, score_responses
from dpoq_lab.views.tables import Table

Chain = tuple[Walk, str]
Rows = dict[str, dict[str, float]]  # a table of one seed: measures by name
KEPT = ("base", "DPO", "SFT on chosen", "shuffled labels")  # the models of seed 0 that the lesson shows
FIRST = "the first wrong step"
MARKS = (-0.2, -0.3, -0.4)  # what r_hat of a step must fall below to be blamed, where one reads in order
PAYS = (1, 2, 3, 4, 6, 8)  # of a right answer, to the exact A*


def train_all(size: Size, seed: int) -> tuple[dict[str, PreTrainedModel], Rows]:
    """Every policy of one seed, by name, all but the base from it; and what the pairs of each have cost.

    An answer judged is a label, and so is a first wrong step that is named. Step pairs go on from the wrong
    replies of the outcome pairs, and have their labels too.
    """
    base = recipe.train_base(size, seed)
    told, judged = recipe.outcome_pairs(base, size.pairs, seed)
    pairs, dpo = recipe.preferred(told), size.stage("dpo", seed)
    found = {"base": base, "DPO": recipe.tuned(base, pairs, dpo)}
    found["shuffled labels"] = recipe.tuned(base, recipe.shuffled(told, seed), dpo)
    found["SFT on chosen"] = recipe.tuned(base, pairs, size.stage("sft", seed))
    labels = {"DPO": {"pairs": float(size.pairs), "labels": float(judged[-1])}}
    for n in (size.pairs // 8, size.pairs // 2):
        found[f"DPO, {n} pairs"] = recipe.tuned(base, pairs[:n], dpo)
        labels[f"DPO, {n} pairs"] = {"pairs": float(n), "labels": float(judged[n - 1])}
    wrong = [(walk, reply) for walk, _, reply in told]
    blame = blamed(found["DPO"], base, wrong)["-r_hat"]
    random = Random(f"places {seed}")
    places = {
        FIRST: wrong_of(wrong).argmax(axis=1).tolist(),
        "a random step": [random.randrange(STEPS) for _ in wrong],
        "the step of least r_hat": by_step(blame).argmax(axis=1).tolist(),
    }
    for name, at in places.items():
        steps, tried = recipe.step_pairs(base, told, at, seed)
        spent = np.array(judged) + np.cumsum(np.array(tried) + (name == FIRST))  # after each wrong reply
        arms = {f"step pairs at {name}": len(told)}
        if name == FIRST:
            arms[f"step pairs at {name}, labels as DPO"] = int((spent <= judged[-1]).sum())
        for arm, n in arms.items():
            kept = [step for step in steps[:n] if step]
            found[arm] = recipe.tuned(base, kept, dpo)
            labels[arm] = {"pairs": float(len(kept)), "labels": float(spent[n - 1])}
    return found, labels


def wrong_of(chains: list[Chain]) -> np.ndarray:
    """Which steps of every chain are wrong, (n, 4)."""
    return np.array([wrong_steps(walk, stated(reply) or []) for walk, reply in chains])


def held_out_chains(base: PreTrainedModel, size: Size, seed: int) -> list[Chain]:
    """Wrong replies of the base to new prompts, one a prompt, in the language."""
    asked = recipe.walks(size.held_out, seed, "held out")
    found = [
        (walk, reply) for walk, [reply] in zip(asked, recipe.replies(base, asked, 1, seed + 7), strict=True)
    ]
    return [(walk, reply) for walk, reply in found if stated(reply) and not is_right(walk, reply)]


def scored(policy: PreTrainedModel, reference: PreTrainedModel, chains: list[Chain]) -> list[TokenScores]:
    """Every reply scored by policy and reference."""
    tokenizer = walk_tokenizer()
    responses = [encode_response(tokenizer, walk.prompt, reply, 64) for walk, reply in chains]
    return score_responses(policy, reference, tokenizer, responses, batch_size=64, top=0)


def blamed(policy: PreTrainedModel, base: PreTrainedModel, chains: list[Chain]) -> dict[str, np.ndarray]:
    """How suspicious each token of every chain is, (n, tokens), by detector."""
    scores = scored(policy, base, chains)
    return {
        "-r_hat": -np.array([s.rewards(BETA) for s in scores]),
        "surprisal of the policy": -np.array([s.logp_policy for s in scores]),
        "surprisal of the reference": -np.array([s.logp_reference for s in scores]),
    }


def exact_blame(chains: list[Chain], pay: float = PAY) -> np.ndarray:
    """-A* of each token, (n, tokens): of the places stated; wording, answer and EOS have none."""
    found = np.zeros((len(chains), STEPS * STEP_TOKENS + 3))
    for row, (walk, reply) in zip(found, chains, strict=True):
        row[PLACES] = -advantages(walk, stated(reply) or [], pay, BETA)
    return found


def by_step(blame: np.ndarray) -> np.ndarray:
    """The blame of each step, (..., 4), from that of tokens."""
    return blame[..., : STEPS * STEP_TOKENS].reshape(*blame.shape[:-1], STEPS, STEP_TOKENS).sum(axis=-1)


def mean(found: np.ndarray) -> float:
    """The mean; NaN of nothing."""
    return float(found.mean()) if len(found) else float("nan")


def credit_row(blame: np.ndarray, chains: list[Chain]) -> dict[str, float]:
    """How well blame finds any wrong step, the one wrong step, and the first wrong step; a wrong token is the
    place that a wrong step states."""
    wrong = wrong_of(chains)
    bad = np.zeros(blame.shape, dtype=bool)
    bad[:, PLACES] = wrong
    top, steps, first = blame.argmax(axis=1), by_step(blame), wrong.argmax(axis=1)
    one, rows = wrong.sum(axis=1) == 1, np.arange(len(chains))
    is_first = np.eye(STEPS, dtype=bool)[first]
    first_token = np.zeros(blame.shape, dtype=bool)
    first_token[:, PLACES] = is_first
    return {
        "top token is a wrong place": mean(bad[rows, top]),
        "one error: token precision": mean(bad[rows, top][one]),
        "one error: step precision": mean((steps.argmax(axis=1) == first)[one]),
        "first error: step precision": mean(steps.argmax(axis=1) == first),
        "first error: step AUROC": auroc(steps.ravel(), is_first.ravel()),
        "first error: token precision": mean(first_token[rows, top]),
        "first error: token AUROC": auroc(blame.ravel(), first_token.ravel()),
    }


def read_in_order(blame: np.ndarray, chains: list[Chain]) -> dict[str, float]:
    """How often the first step whose r_hat is below a mark is the first wrong one, by mark. Where no step's
    is, the most blamed one is taken."""
    return {f"below {mark}": first_over(blame, chains, -mark) for mark in MARKS}


def first_over(blame: np.ndarray, chains: list[Chain], mark: float) -> float:
    """How often the first step whose blame is over a mark is the first wrong one; the most blamed one, where
    none is."""
    steps, first = by_step(blame), wrong_of(chains).argmax(axis=1)
    over = steps > mark
    return mean(np.where(over.any(axis=1), over.argmax(axis=1), steps.argmax(axis=1)) == first)


def by_pay(chains: list[Chain]) -> dict[str, float]:
    """How often exact A* blames the first wrong step most, by what a right answer is worth."""
    first = wrong_of(chains).argmax(axis=1)
    return {f"pay {pay}": mean(by_step(exact_blame(chains, pay)).argmax(axis=1) == first) for pay in PAYS}


def by_order(blame: np.ndarray, chains: list[Chain]) -> dict[str, float]:
    """The mean credit of the first and of the second of two wrong steps, and of a lone one by its place."""
    wrong = wrong_of(chains)
    credit, count = -by_step(blame), wrong.sum(axis=1)
    two = count == 2
    pairs = credit[two][wrong[two]].reshape(-1, 2)
    found = {"first of two": mean(pairs[:, 0]), "second of two": mean(pairs[:, 1])}
    return found | {f"lone, step {k + 1}": mean(credit[(count == 1) & wrong[:, k], k]) for k in range(STEPS)}


def answers_row(policy: PreTrainedModel, asked: list[Walk], seed: int) -> dict[str, float]:
    """The share of right answers, sampled at temperature 1 and greedy."""
    drawn = recipe.replies(policy, asked, 1, seed)
    greedy = recipe.replies(policy, asked, 0, seed)
    return {
        name: float(np.mean([is_right(walk, reply) for walk, [reply] in zip(asked, found, strict=True)]))
        for name, found in (("sampled", drawn), ("greedy", greedy))
    }


def best_of_row(found: dict[str, PreTrainedModel], asked: list[Walk], seed: int, n: int) -> dict[str, dict]:
    """Best of n replies of the base: by the sum of r_hat, by the base's likelihood, and by the truth."""
    some = recipe.replies(found["base"], asked, n, seed + 11)
    chains = [(walk, reply) for walk, more in zip(asked, some, strict=True) for reply in more]
    scores = scored(found["DPO"], found["base"], chains)
    right = np.array([is_right(*chain) for chain in chains]).reshape(-1, n)
    ranks = {
        "r_hat of DPO": np.array([sum(s.rewards(BETA)) for s in scores]).reshape(-1, n),
        "likelihood of the base": np.array([sum(s.logp_reference) for s in scores]).reshape(-1, n),
    }
    rows = {
        f"best of {n} by {name}": {"sampled": float(right[np.arange(len(right)), rank.argmax(axis=1)].mean())}
        for name, rank in ranks.items()
    }
    return rows | {f"best of {n} by the truth": {"sampled": float(right.any(axis=1).mean())}}


def measure_seed(size: Size, seed: int) -> tuple[dict[str, PreTrainedModel], dict[str, Rows]]:
    """The policies of one seed and its tables: credit, credit by order of errors, the first error by reading
    r_hat in order and by A* for other pays, answers, and labels."""
    found, labels = train_all(size, seed)
    chains = held_out_chains(found["base"], size, seed)
    exact = exact_blame(chains)
    credit, first = {"-A*, exact": credit_row(exact, chains)}, {"A*": by_pay(chains)}
    for name in [name for name in found if name.startswith("DPO") or name in KEPT[2:]]:
        blame = blamed(found[name], found["base"], chains)
        credit[f"-r_hat, {name}"] = credit_row(blame["-r_hat"], chains)
        if name in ("DPO", "shuffled labels"):
            first[f"r_hat, {name}"] = read_in_order(blame["-r_hat"], chains)
        if name == "DPO":
            credit |= {of: credit_row(blame[of], chains) for of in list(blame)[1:]}
            order = {"r_hat": by_order(blame["-r_hat"], chains), "A*": by_order(exact, chains)}
    asked = recipe.walks(size.held_out // 2, seed, "asked")
    answers = {name: answers_row(policy, asked, seed + 13) for name, policy in found.items()}
    answers |= best_of_row(found, asked, seed, 4)
    return found, {"credit": credit, "order": order, "first": first, "answers": answers, "labels": labels}


def measure(size: Size, seeds: int, out: Path) -> tuple[dict, str]:
    """All tables over seeds; the models of the first seed are kept in `out`."""
    tables = []
    for seed in range(seeds):
        found, rows = measure_seed(size, seed)
        tables.append(rows)
        print(f"seed {seed} done", flush=True)
        if seed == 0:
            for name in KEPT:
                models.save(found[name], walk_tokenizer(), out / name.lower().replace(" ", "-"))
    record = {name: across_tables([rows[name] for rows in tables]) for name in tables[0]}
    shown = "\n\n".join(str(table(record[name])) for name in ("credit", "first", "answers"))
    return {"size": asdict(size), "beta": BETA} | record, shown


def table(rows: dict) -> Table:
    """Means and half-widths of the 95% intervals."""
    measures = list(dict.fromkeys(measure for row in rows.values() for measure in row))
    shown = [
        (name, *(plus_minus(row[m]) if m in row else "" for m in measures)) for name, row in rows.items()
    ]
    return Table([("", *measures), *shown])


STUDY = Study("outcome-only DPO on walks: where it blames, what it answers", measure, recipe.SIZES)

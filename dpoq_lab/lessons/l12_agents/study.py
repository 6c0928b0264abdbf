"""What DPO on whole episodes does for calls, success and return, masked and unmasked, over seeds."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from dpoq_lab import models
from dpoq_lab.credit import auroc
from dpoq_lab.intervals import across_tables, plus_minus
from dpoq_lab.lessons.l12_agents import recipe
from dpoq_lab.lessons.l12_agents.desk import (
    OPENERS,
    Episode,
    Question,
    Rules,
    as_response,
    desk_tokenizer,
    questions,
)
from dpoq_lab.lessons.l12_agents.recipe import DPOWithNLL, Size
from dpoq_lab.lessons.l12_agents.theory import BETA
from dpoq_lab.lessons.study import Study
from dpoq_lab.preferences import write_pairs
from dpoq_lab.rewards import score_responses
from dpoq_lab.views.tables import Table

FIRST_SEED = 10  # the settings were chosen on smaller ones
RULES = {"a tool that answers": Rules(busy=0.0), "a tool that is busy": Rules(busy=0.6)}
# The models of the first seed with the busy tool that stay
KEPT = ("SFT, masked", "SFT, unmasked", "DPO, masked", "DPO, unmasked", "DPO, luck removed")
Policies = dict[str, tuple[PreTrainedModel, PreTrainedModel]]  # by name: the policy and its reference


def train_all(size: Size, rules: Rules, seed: int) -> Policies:
    """Every policy of one tool and one seed."""
    noisy = rules.busy > 0
    base, open_base = (recipe.train_base(size, rules.busy, masked, seed) for masked in (True, False))
    told, drawn = _judged(base, size, rules, seed)
    pairs, dpo = recipe.encode(told), size.dpo(seed, noisy)
    found = {"SFT, masked": (base, base), "SFT, unmasked": (open_base, open_base)}
    found["DPO, masked"] = recipe.tuned(base, pairs, dpo), base
    open_pairs = recipe.encode(_judged(open_base, size, rules, seed)[0], masked=False)
    found["DPO, unmasked"] = recipe.tuned(open_base, open_pairs, dpo), open_base
    found["DPO + NLL"] = recipe.tuned(base, pairs, size.dpo(seed, noisy, DPOWithNLL())), base
    if noisy:
        lucky = recipe.encode(recipe.judged(drawn, recipe.without_luck(rules), seed))
        found["DPO, luck removed"] = recipe.tuned(base, lucky, dpo), base
        return found
    found["DPO unmasked after SFT masked"] = recipe.tuned(base, recipe.encode(told, masked=False), dpo), base
    found["shuffled labels"] = recipe.tuned(base, recipe.encode(recipe.shuffled(told, seed)), dpo), base
    found["SFT on chosen"] = recipe.tuned(base, recipe.alone(pairs), size.sft(seed)), base
    return found


def _judged(base: PreTrainedModel, size: Size, rules: Rules, seed: int) -> tuple[list, list[Episode]]:
    """Labelled pairs of the base's own episodes, two a question, and the episodes."""
    n = size.noisy_pairs if rules.busy else size.pairs
    drawn = recipe.episodes(base, questions(n, seed, "pairs"), rules.busy, seed, 2)
    return recipe.judged(drawn, recipe.by_return(rules), seed), drawn


def row_of(found: list[Episode], rules: Rules) -> dict[str, float]:
    """Success, calls and form of episodes, by kind of question, and their mean return."""
    row = {}
    for kind, easy in (("easy", True), ("hard", False)):
        some = [episode for episode in found if episode.question.easy == easy]
        row[f"right, {kind}"] = _share(episode.is_right for episode in some)
        row[f"calls, {kind}"] = _share(episode.called for episode in some)
    row["return"] = float(np.mean([episode.paid(rules) for episode in found]))
    row["in the language"] = _share(episode.well_formed for episode in found)
    if rules.busy:
        after = [episode for episode in found if episode.called and episode.turns[1] == "busy"]
        row["in the language after busy"] = _share(episode.well_formed for episode in after)
    return row


def _share(these: Iterable[bool]) -> float:
    these = list(these)
    return float(np.mean(these)) if these else float("nan")


@torch.no_grad()
def next_log_probs(policy: PreTrainedModel, texts: list[str]) -> np.ndarray:
    """log pi of every word after each text, (n, n_actions); all texts have the same number of tokens."""
    ids = torch.tensor(desk_tokenizer()(texts).input_ids)
    return policy(ids).logits[:, -1].log_softmax(-1).numpy()


def decisions(policy: PreTrainedModel, reference: PreTrainedModel, asked: list[Question]) -> dict[str, float]:
    """r_hat of `call` on hard questions, and how well call against say tells them from easy ones."""
    call, say = desk_tokenizer().convert_tokens_to_ids(["call", "say"])
    texts = [f"{question.prompt} {OPENERS[0]}" for question in asked]
    r_hat = BETA * (next_log_probs(policy, texts) - next_log_probs(reference, texts))
    hard = np.array([not question.easy for question in asked])
    return {
        "r_hat of call, hard": float(r_hat[hard, call].mean()),
        "call tells hard from easy": auroc((r_hat[:, call] - r_hat[:, say]).tolist(), hard.tolist()),
    }


def believed_busy(policy: PreTrainedModel, asked: list[Question]) -> dict[str, float]:
    """What a policy that has learned the tool's words takes for the probability of `busy`."""
    busy = desk_tokenizer().convert_tokens_to_ids("busy")
    called = [f"{q.prompt} {OPENERS[0]} call {q.name} <|end|>" for q in asked if not q.easy]
    return {"believes busy": float(np.exp(next_log_probs(policy, called)[:, busy]).mean())}


def best_of_rows(found: Policies, asked: list[Question], rules: Rules, seed: int) -> dict[str, dict]:
    """Best of 4 and 8 episodes of SFT: by the sum of r_hat, by likelihood and by the truth. Every call that
    was made is paid for."""
    policy, base = found["DPO, masked"]
    drawn, rows = recipe.episodes(base, asked, rules.busy, seed, 8), {}
    responses = [as_response(episode) for episode in drawn]
    scores = score_responses(policy, base, desk_tokenizer(), responses, batch_size=256, top=0)
    ranks = {
        "r_hat": [sum(s.rewards(BETA)) for s in scores],
        "likelihood": [sum(s.logp_reference) for s in scores],
        "the truth": [episode.paid(rules) for episode in drawn],
    }
    for n, of in ((4, "r_hat"), (8, "r_hat"), (8, "likelihood"), (8, "the truth")):
        rank = np.array(ranks[of]).reshape(-1, 8)[:, :n]
        best = [drawn[8 * i + int(k)] for i, k in enumerate(rank.argmax(axis=1))]
        called = np.array([episode.called for episode in drawn]).reshape(-1, 8)[:, :n].sum(axis=1)
        row = row_of(best, rules)
        row["return"] -= rules.price * float(np.mean(called - [episode.called for episode in best]))
        for kind, easy in (("easy", True), ("hard", False)):
            row[f"calls, {kind}"] = float(called[[question.easy == easy for question in asked]].mean())
        rows[f"best of {n} by {of}"] = row
    return rows


def measure_seed(size: Size, rules: Rules, seed: int) -> tuple[Policies, dict]:
    """The policies of one tool and one seed and the table of what they do."""
    found, rows = train_all(size, rules, seed), {}
    asked = questions(size.held_out, seed, "held out")
    for name, (policy, reference) in found.items():
        row = row_of(recipe.episodes(policy, asked, rules.busy, seed + 500), rules)
        row |= believed_busy(policy, asked) if "unmasked" in name else {}
        rows[name] = row | (decisions(policy, reference, asked) if policy is not reference else {})
    if not rules.busy:
        rows |= best_of_rows(found, asked, rules, seed + 900)
    return found, rows


def measure(size: Size, seeds: int, out: Path) -> tuple[dict, str]:
    """A table for each tool over seeds; models of the first seed and pairs to inspect stay in `out`."""
    tables: dict[str, dict] = {}
    for tool, rules in RULES.items():
        rows = []
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            found, row = measure_seed(size, rules, seed)
            rows.append(row)
            print(f"{tool}, seed {seed} done", flush=True)
            if seed == FIRST_SEED and rules.busy:
                keep(found, rules, out)
        tables[tool] = across_tables(rows)
    shown = "\n\n".join(f"{tool}\n{table(rows)}" for tool, rows in tables.items())
    return {"size": asdict(size), "beta": BETA, "first seed": FIRST_SEED, "tables": tables}, shown


def keep(found: Policies, rules: Rules, out: Path) -> None:
    """The models that the lesson shows, and 40 pairs of new episodes as a preference file."""
    for name in KEPT:
        models.save(found[name][0], desk_tokenizer(), out / name.lower().replace(", ", "-").replace(" ", "-"))
    drawn = recipe.episodes(
        found["SFT, masked"][0], questions(60, FIRST_SEED, "shown"), rules.busy, FIRST_SEED, 2
    )
    pairs = recipe.judged(drawn, recipe.by_return(rules), FIRST_SEED)[:40]
    write_pairs([recipe.as_pair(*pair) for pair in pairs], out / "pairs.jsonl")


def table(rows: dict) -> Table:
    """Means and half-widths of the 95% intervals."""
    measures = list(dict.fromkeys(measure for row in rows.values() for measure in row))
    shown = [
        (name, *(plus_minus(row[m]) if m in row else "" for m in measures)) for name, row in rows.items()
    ]
    return Table([("", *measures), *shown])


STUDY = Study("agents that call a tool: masked and unmasked", measure, recipe.SIZES)

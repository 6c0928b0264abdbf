"""Score every token of a preference file under policy and reference: numbers, summary, report."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab import models
from dpoq_lab.columns import BY_NAME, How
from dpoq_lab.commands.audit import left_out
from dpoq_lab.credit import credit_report
from dpoq_lab.encoding import EncodedPair, encode_pairs, flaw_mask, used_ids
from dpoq_lab.intervals import accuracy_with_interval
from dpoq_lab.preferences import read_pairs
from dpoq_lab.records import provenance, write_json
from dpoq_lab.rewards import ScoredPair, TokenScores, score_pairs
from dpoq_lab.sources import PairsError, Problem, Rows, kind_of
from dpoq_lab.views.report import credit_table, not_scored_line, report

Model = str | Path | PreTrainedModel  # a name, a folder, or a loaded model
FILES = ("tokens.jsonl", "summary.json", "report.html")


@dataclass(frozen=True)
class Scored:
    """Preference pairs scored token by token under a policy and its reference.

    `pairs` and `scores` have one entry a usable pair, `problems` one a pair that was left out; `head` says
    what was scored.
    """

    pairs: list[EncodedPair]
    scores: list[ScoredPair]
    beta: float
    problems: list[Problem]
    head: dict

    def tokens(self, i: int) -> dict[str, dict]:
        """Pair `i` by side, "chosen" and "rejected": a dict of lists with one entry a token.

        `tokens` (text), `token_ids`, `offsets` (characters), `logp_policy`, `logp_reference` (nats), and
        `reward` = beta (logp_policy - logp_reference); `flaws` (bool) where some are marked; `actions` (bool)
        where others speak too, whose tokens have 0.
        """
        return {side: _record(s, self.beta) for side, s in zip(SIDES, self.scores[i], strict=True)}

    def summary(self) -> dict:
        """The numbers of `summary.json`: pair accuracy with its interval, mean rewards, both KLs, credit."""
        return {**self.head, **summarise(self.scores, self.beta)}

    def report(self, path: str | Path) -> Path:
        """Write one self-contained page with the summary and the first pairs; returns its path."""
        page = report(self.scores, self.pairs, self.beta, self.summary())
        Path(path).write_text(page, encoding="utf-8")
        return Path(path)

    def write(self, out: Path) -> dict:
        """Write `FILES` to the folder `out`; returns the summary."""
        out.mkdir(parents=True, exist_ok=True)
        with (out / "tokens.jsonl").open("w", encoding="utf-8") as stream:
            for record in token_records(self.scores, self.beta):
                stream.write(json.dumps(record, ensure_ascii=False) + "\n")
        self.report(out / "report.html")
        write_json(out / "summary.json", self.summary())
        return self.summary()


def score(
    policy: Model,
    reference: Model,
    rows: Rows,
    tokenizer: PreTrainedTokenizerFast | None = None,
    beta: float = 0.1,
    max_length: int = 512,
    whole_yield: bool = False,
    how: How = BY_NAME,
    limit: int | None = None,
    dtype: str = "float32",
    chat_template: str | None = None,
) -> Scored:
    """Score every token of preference pairs under a policy and its reference (eq. 11).

    `policy` and `reference` are names, folders or loaded models of one tokenizer (a loaded policy needs
    `tokenizer`); `rows` are dicts, a Dataset, a file or the name of a dataset, in any form that `read_pairs`
    reads by `how`, the first `limit` usable ones. `max_length` counts the tokens of prompt and response. With
    `whole_yield` all that the chat template writes after the prompt is scored, as TRL does. Both models are
    scored in eval mode, in their own precision. Raises TypeError or ValueError for an argument of another
    kind before anything is loaded, PairsError where no pair is usable, ModelError where a model cannot be
    used.
    """
    _check(policy, reference, tokenizer, beta, max_length)
    reading = read_pairs(rows, how)
    if not reading.pairs:
        raise PairsError(f"no usable pair; first problem: {reading.problems[0]}")
    if tokenizer is None:
        tokenizer = models.load_tokenizer(str(policy))
    tokenizer = models.with_template(tokenizer, chat_template)
    notes, room = dict(reading.notes()), models.room(max_length, _of(policy), _of(reference))
    if room < max_length:
        notes[f"cut at {room} tokens, as many as the model has positions for"] = len(reading.pairs)
    encoding = encode_pairs(tokenizer, reading.pairs[:limit], room, whole_yield)
    problems = reading.problems + encoding.refused
    if not encoding.pairs:
        raise PairsError(f"no usable pair; first problem: {problems[0]}")
    pi, pi_ref = _loaded(policy, reference, tokenizer, encoding.pairs, getattr(torch, dtype))
    head = {
        "policy": _name(policy),
        "reference": _name(reference),
        "source": str(rows) if isinstance(rows, str | Path) else "rows in memory",
        "truncated": encoding.truncated,
        "read": len(reading.pairs),
        "notes": notes,
        "provenance": provenance(),
    }
    scores = score_pairs(pi, pi_ref, tokenizer, encoding.pairs)
    return Scored(encoding.pairs, scores, beta, problems, head)


def _check(policy: Model, reference: Model, tokenizer: Any, beta: float, max_length: int) -> None:
    """Raise TypeError or ValueError for an argument of another kind."""
    for role, model in (("policy", policy), ("reference", reference)):
        if not isinstance(model, str | Path | PreTrainedModel):
            raise TypeError(f"{role} is {kind_of(model)}, not a name, a folder or a loaded model")
    if tokenizer is not None and not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise TypeError(f"tokenizer is {kind_of(tokenizer)}, not a fast tokenizer of transformers")
    if tokenizer is None and isinstance(policy, PreTrainedModel):
        raise TypeError("a loaded policy comes without its tokenizer: pass tokenizer=...")
    if isinstance(beta, bool) or not isinstance(beta, int | float):
        raise TypeError(f"beta is {kind_of(beta)}, not a number")
    if not 0 < beta < float("inf"):
        raise ValueError(f"beta is {beta}; it must be above 0")
    if isinstance(max_length, bool) or not isinstance(max_length, int):
        raise TypeError(f"max_length is {kind_of(max_length)}, not a whole number")
    if max_length < 1:
        raise ValueError(f"max_length is {max_length}; it must be above 0")


def _loaded(
    policy: Model,
    reference: Model,
    tokenizer: PreTrainedTokenizerFast,
    pairs: list[EncodedPair],
    dtype: torch.dtype,
) -> tuple[PreTrainedModel, PreTrainedModel]:
    """Both models; one name for both is loaded once. ModelError: a token is another to one of them."""
    used = used_ids(pairs)
    pi = policy if isinstance(policy, PreTrainedModel) else models.load_frozen(str(policy), 0, dtype)[0]
    if isinstance(reference, PreTrainedModel):
        pi_ref = reference
    else:
        models.check_same_tokens(tokenizer, str(reference), used)
        pi_ref = pi if reference == policy else models.load_frozen(str(reference), 0, dtype)[0]
    for role, model in (("policy", pi), ("reference", pi_ref)):
        if max(used) >= model.config.vocab_size:
            size = f"{model.config.vocab_size} words, and the pairs use number {max(used)}"
            raise models.ModelError(f"{role}: has {size}, so token rewards have no meaning")
    return pi, pi_ref


def _of(model: Model) -> PreTrainedModel | str:
    return model if isinstance(model, PreTrainedModel) else str(model)


def _name(model: Model) -> str:
    return model.name_or_path or type(model).__name__ if isinstance(model, PreTrainedModel) else str(model)


SIDES = ("chosen", "rejected")


def token_records(scored: list[ScoredPair], beta: float) -> Iterable[dict]:
    """A record per response, as `tokens.jsonl` holds it; numbers in nats, rounded to 1e-5."""
    for number, pair in enumerate(scored):
        for side, scores in zip(SIDES, pair, strict=True):
            yield {"pair": number, "role": side} | _record(scores, beta)


def _record(scores: TokenScores, beta: float) -> dict:
    response = scores.response
    record = {
        "tokens": response.tokens,
        "token_ids": response.ids,
        "offsets": [list(span) for span in response.offsets],
        "logp_policy": _rounded(scores.logp_policy),
        "logp_reference": _rounded(scores.logp_reference),
        "reward": _rounded(scores.rewards(beta)),
    }
    if response.n_actions < len(response.ids):
        record["actions"] = response.actions
    return record | ({"flaws": flaw_mask(response)} if response.flaws else {})


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 5) for value in values]


def summary_lines(summary: dict, out: Path, problems: Sequence[Problem] = ()) -> str:
    """What `dpoq-lab inspect` prints: what was left out, accuracy, rewards, credit, where the report is."""
    found = summary["pair_accuracy"]
    low, high = found["interval_95"]
    rewards = (
        f"summed reward: chosen {summary['chosen_reward_sum_mean']:+.3f}, "
        f"rejected {summary['rejected_reward_sum_mean']:+.3f}, margin {summary['margin_mean']:+.3f}"
    )
    return "\n".join(
        [
            *left_out(list(map(str, problems)), summary.get("notes", {}), summary.get("read", 0)),
            f"pair accuracy {found['accuracy']:.3f} ({low:.3f} to {high:.3f}, {found['pairs']} pairs)",
            rewards,
            *filter(None, [not_scored_line(summary["not_scored"])]),
            str(credit_table(summary["credit"])),
            str(out / "report.html"),
        ]
    )


def summarise(pairs: list[ScoredPair], beta: float) -> dict:
    """The numbers of `summary.json`; rewards are sums over actions, averaged over pairs, in nats.

    The two KLs are exact at each visited state, averaged over actions; the states are the data's.
    """
    chosen = [sum(chosen.rewards(beta)) for chosen, _ in pairs]
    rejected = [sum(rejected.rewards(beta)) for _, rejected in pairs]
    margins = [c - r for c, r in zip(chosen, rejected, strict=True)]
    by_likelihood = [sum(c.logp_policy) - sum(r.logp_policy) for c, r in pairs]
    tokens = [scores for pair in pairs for scores in pair]
    kls = {
        name: np.concatenate([np.array(getattr(s, name))[s.response.actions] for s in tokens])
        for name in ("kl_ref_pi", "kl_pi_ref")
    }
    return {
        "beta": beta,
        "pair_accuracy": accuracy_with_interval(margins),
        "pair_accuracy_by_likelihood": accuracy_with_interval(by_likelihood),
        "chosen_reward_sum_mean": float(np.mean(chosen)),
        "rejected_reward_sum_mean": float(np.mean(rejected)),
        "margin_mean": float(np.mean(margins)),
        "kl_ref_pi_token_mean": float(np.mean(kls["kl_ref_pi"])),
        "kl_pi_ref_token_mean": float(np.mean(kls["kl_pi_ref"])),
        "not_scored": {
            "responses": len(tokens),
            "observations": sum(len(s.response.ids) - s.response.n_actions for s in tokens),
            "tails": dict(Counter(s.response.tail for s in tokens if s.response.tail)),
        },
        "credit": credit_report(pairs),
    }

"""`tokens.jsonl`: two lines a scored pair, from which the summary and the report are made."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from dpoq_lab.encoding import EOS, EncodedPair, Response, flaw_mask
from dpoq_lab.messages import who_said_what
from dpoq_lab.preferences import SIDES
from dpoq_lab.rewards import ScoredPair, Shift, TokenScores, token_rewards

BY_TOKEN = ("logp_policy", "logp_reference", "kl_ref_pi", "kl_pi_ref", "entropy")  # nats


@dataclass(frozen=True)
class ScoredRow:
    """A scored pair as it is stored: its place in the source, the prompt as text, both responses."""

    where: str
    prompt: str
    sides: ScoredPair


def row_of(pair: EncodedPair, sides: ScoredPair) -> ScoredRow:
    """The row of a pair that was scored."""
    return ScoredRow(pair.pair.where, who_said_what(pair.pair.prompt), sides)


def lines(number: int, row: ScoredRow, beta: float) -> Iterator[str]:
    """Both lines of pair `number`."""
    for role, scores in zip(SIDES, row.sides, strict=True):
        record = {"pair": number, "role": role, "where": row.where} | token_record(scores, beta)
        if role == "chosen":
            record["prompt"] = row.prompt
        yield json.dumps(record, ensure_ascii=False) + "\n"


def token_record(scores: TokenScores, beta: float) -> dict:
    """A response as `tokens.jsonl` holds it; numbers rounded to 1e-6, rewards those of the rounded ones."""
    response, shift = scores.response, scores.shift
    by_token = {name: _rounded(getattr(scores, name)) for name in BY_TOKEN}
    log_pi, log_pi_ref = (np.array(by_token[name]) for name in ("logp_policy", "logp_reference"))
    record = {
        "text": response.text,
        "tokens": response.tokens,
        "token_ids": response.ids,
        "offsets": [list(span) for span in response.offsets],
        "ends": list(response.ends),
        "reward": _rounded(token_rewards(log_pi, log_pi_ref, beta).tolist()),
        **by_token,
    }
    if shift:
        record["shift"] = {"at": shift.at, "gained": shift.gained, "lost": shift.lost}
    if response.n_actions < len(response.ids):
        record["actions"] = response.actions
    if response.truncated:
        record["truncated"] = True
    if response.tail:
        record["tail"] = response.tail
    return record | ({"flaws": flaw_mask(response)} if response.flaws else {})


def read_rows(lines: Iterable[str]) -> Iterator[ScoredRow]:
    """The rows that `lines` wrote; what a model's likeliest tokens were is not among them."""
    records = map(json.loads, lines)
    for chosen, rejected in zip(records, records, strict=True):
        yield ScoredRow(chosen["where"], chosen["prompt"], (_scores(chosen), _scores(rejected)))


def _scores(record: dict) -> TokenScores:
    ids, spans = record["token_ids"], [tuple(span) for span in record["offsets"]]
    eos = next((i for i, token in zip(ids, record["tokens"], strict=True) if token == EOS), None)
    response = Response(
        [],
        ids,
        spans,
        record["text"],
        tuple(span for span, flaw in zip(spans, record.get("flaws", []), strict=False) if flaw),
        record.get("truncated", False),
        record.get("actions", []),
        eos,
        record.get("tail", ""),
        tuple(record["ends"]),
    )
    none, shift = [[] for _ in ids], record.get("shift")
    logp, logp_ref, kl, kl_back, entropy = (record[name] for name in BY_TOKEN)
    moved = (
        Shift(shift["at"], *([tuple(m) for m in shift[way]] for way in ("gained", "lost"))) if shift else None
    )
    return TokenScores(response, logp, logp_ref, kl, kl_back, none, none, entropy, moved)


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 6) for value in values]

"""Preference pairs scored token by token in memory, as `dq.score` gives them, and the files that say so."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from dpoq_lab.columns import BY_NAME, How
from dpoq_lab.commands.scorer import Found, Model, Scorer, chunks
from dpoq_lab.encoding import EncodedPair
from dpoq_lab.preferences import SIDES
from dpoq_lab.provenance import provenance
from dpoq_lab.records import write_json, write_text
from dpoq_lab.rewards import ScoredPair
from dpoq_lab.runs.diagnosis import diagnose
from dpoq_lab.runs.summary import Picked, Tally
from dpoq_lab.runs.token_file import ScoredRow, lines, row_of, token_record
from dpoq_lab.sources import Rows, check_rows, kind_of, none_usable
from dpoq_lab.views.report import report

FILES = ("tokens.jsonl", "report.html", "summary.json")


@dataclass(frozen=True)
class Scored:
    """Preference pairs scored token by token under a policy and its reference.

    `pairs` and `scores` have one entry a usable pair; `head` says what was scored, `found` what reading gave.
    """

    pairs: list[EncodedPair]
    scores: list[ScoredPair]
    beta: float
    head: dict
    found: Found

    @property
    def problems(self) -> list[str]:
        """One line a pair that was left out."""
        return self.found.problems

    def tokens(self, i: int) -> dict[str, dict]:
        """Pair `i` by side, "chosen" and "rejected": a dict of lists with one entry a token.

        `tokens`, `token_ids`, `offsets` (characters of `text`), `logp_policy`, `logp_reference` (nats),
        `reward` = beta (logp_policy - logp_reference), both KLs and the policy's entropy at the state;
        `flaws` (bool) where some are marked; `actions` (bool) where others speak too, whose tokens have 0.
        `ends` are the places of tokens that close a turn, `shift` where probability went at the steepest one.
        """
        return {side: token_record(s, self.beta) for side, s in zip(SIDES, self.scores[i], strict=True)}

    def rows(self) -> Iterator[ScoredRow]:
        """The pairs as they are stored."""
        return map(row_of, self.pairs, self.scores)

    def summary(self) -> dict:
        """The numbers of `summary.json`; see `Tally.summary`."""
        tally = Tally(self.beta)
        for row in self.rows():
            tally.add(row)
        return self.head | self.found.counts() | tally.summary()

    def report(self, path: str | Path) -> Path:
        """Write one self-contained page with the summary and the first pairs; returns its path."""
        summary, picked = self.summary(), Picked(self.beta)
        for number, row in enumerate(self.rows()):
            picked.add(number, row)
        page = report(summary, picked.shown(), diagnose(summary["facts"]))
        write_text(Path(path), page)
        return Path(path)

    def write(self, out: Path) -> dict:
        """Write `FILES` to the folder `out`, each put in place whole; returns the summary."""
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix="unfinished-") as aside:
            summary = write_files(Path(aside), self.rows(), self.beta, self.head, self.found)
            for name in FILES:
                (Path(aside) / name).replace(out / name)
        return summary


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
    scored in eval mode, in their own precision. All is kept in memory; `inspect` keeps it on disk. Raises
    TypeError or ValueError for an argument of another kind before anything is loaded, PairsError where no
    pair is usable, ModelError where a model cannot be used.
    """
    _check(rows, beta)
    scorer = Scorer(policy, reference, tokenizer, max_length, whole_yield, dtype, chat_template)
    found, pairs, scores = Found(), [], []
    for chunk in chunks(rows, how, limit):
        counts, encoded, scored = scorer.score(chunk)
        found.add(counts)
        pairs += encoded
        scores += scored
    if not pairs:
        raise none_usable(found.problems)
    return Scored(pairs, scores, beta, head_of(scorer, rows), found)


def write_files(folder: Path, rows: Iterable[ScoredRow], beta: float, head: dict, found: Found) -> dict:
    """Write `FILES` into `folder` in one pass over the rows, through which `found` may fill; the summary."""
    tally, picked = Tally(beta), Picked(beta)
    with (folder / "tokens.jsonl").open("w", encoding="utf-8", errors="backslashreplace") as stream:
        for number, row in enumerate(rows):
            stream.writelines(lines(number, row, beta))
            tally.add(row)
            picked.add(number, row)
    if not picked.first:
        raise none_usable(found.problems)
    summary = head | found.counts() | tally.summary()
    page = report(summary, picked.shown(), diagnose(summary["facts"]))
    write_text(folder / "report.html", page)
    write_json(folder / "summary.json", summary)
    return summary


def head_of(scorer: Scorer, rows: Rows) -> dict:
    """What was scored, and by what."""
    source = str(rows) if isinstance(rows, str | Path) else "rows in memory"
    return {**scorer.names, "source": source, "provenance": provenance()}


def _check(rows: Rows, beta: float) -> None:
    """Raise TypeError or ValueError for an argument of another kind."""
    check_rows(rows)
    if isinstance(beta, bool) or not isinstance(beta, int | float):
        raise TypeError(f"beta is {kind_of(beta)}, not a number")
    if not 0 < beta < float("inf"):
        raise ValueError(f"beta is {beta}; it must be above 0")

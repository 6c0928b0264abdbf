"""Score every token of a preference file under policy and reference: numbers, summary, report."""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerFast

from dpoq_lab.columns import BY_NAME, How
from dpoq_lab.commands.audit import left_out
from dpoq_lab.commands.claim import ClaimError, claimed, strangers
from dpoq_lab.commands.scorer import Found, Model, Scorer, chunks
from dpoq_lab.commands.unfinished import FOLDER, Unfinished, UnfinishedError, stopped
from dpoq_lab.encoding import EncodedPair
from dpoq_lab.preferences import SIDES
from dpoq_lab.provenance import provenance, sha256
from dpoq_lab.records import write_json, write_text
from dpoq_lab.rewards import ScoredPair
from dpoq_lab.runs.diagnosis import diagnose
from dpoq_lab.runs.summary import Picked, Tally
from dpoq_lab.runs.token_file import ScoredRow, lines, read_rows, row_of, token_record
from dpoq_lab.sources import PairsError, Rows, check_rows, kind_of, none_usable, records
from dpoq_lab.views.report import report
from dpoq_lab.views.summary_view import sentences, summary_tables
from dpoq_lab.views.verdict import verdict_lines

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
            summary = _write(Path(aside), self.rows(), self.beta, self.head, self.found)
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
    return Scored(pairs, scores, beta, _head(scorer, rows), found)


def inspect(
    policy: str,
    reference: str,
    rows: str,
    out: Path,
    beta: float,
    how: How = BY_NAME,
    limit: int | None = None,
    replace: bool = False,
    **options: Any,
) -> tuple[dict, list[str]] | None:
    """`score` by names, to `FILES` in the folder `out`: the summary and why pairs were left out.

    Memory does not grow with the pairs. What was stopped goes on when the same is asked again. The processes
    of `accelerate launch` share the chunks, and the first one returns. Other files in `out` are refused, but
    with `replace`. Raises UnfinishedError and ClaimError too.
    """
    from accelerate import PartialState

    main = PartialState().is_main_process
    with claimed(out) if main else nullcontext():
        ours = {FOLDER, *FILES} if stopped(out) else set()
        if main and not replace and (others := set(strangers(out)) - ours):
            raise ClaimError(f"{out}: holds {min(others)}: choose another folder")
        return _inspect(policy, reference, rows, out, beta, how, limit, **options)


def _inspect(
    policy: str,
    reference: str,
    rows: str,
    out: Path,
    beta: float,
    how: How,
    limit: int | None,
    **options: Any,
) -> tuple[dict, list[str]] | None:
    """`inspect` into a folder that is claimed."""
    from accelerate import PartialState

    process: Any = PartialState()
    scorer = Scorer(policy, reference, None, **options)
    shows = process.is_main_process  # a count of the records is for its bar alone
    total = sum(1 for _ in records(rows, how.split, how.config)) if shows else 0
    asked = {
        "beta": beta,
        "limit": limit,
        **asdict(how),
        **options,
        "template": _content(options.get("chat_template")),
    }
    aside = Unfinished(
        out,
        asked
        | {"policy": _content(policy), "reference": _content(reference), "pairs": _content(rows, "**/*")},
    )
    if process.is_main_process:
        aside.claim()
    process.wait_for_everyone()
    number = -1
    with (
        aside.kept_if_begun(),
        tqdm(total=min(total, limit or total), desc="scoring", unit=" pairs", disable=not shows) as bar,
    ):
        for number, chunk in enumerate(chunks(rows, how, limit)):
            if number % process.num_processes == process.process_index and not aside.has(number):
                aside.write(number, _chunk_lines(*scorer.score(chunk), beta))
            bar.update(len(chunk))
    process.wait_for_everyone()
    if not process.is_main_process:
        return None
    found = Found()
    stored = chain.from_iterable(_stored_rows(aside.chunk(k), found) for k in range(number + 1))
    try:
        summary = _write(aside.folder, stored, beta, _head(scorer, rows), found)
    except PairsError:
        aside.discard()  # there is nothing to go on from
        raise
    except BaseException:
        (aside.folder / "tokens.jsonl").unlink(missing_ok=True)
        raise
    aside.finish(FILES)
    return summary, found.problems


def _chunk_lines(
    found: Found, pairs: list[EncodedPair], scores: list[ScoredPair], beta: float
) -> Iterator[str]:
    """A chunk as it is stored: what was found, then two lines a pair."""
    yield json.dumps(vars(found)) + "\n"
    for row in map(row_of, pairs, scores):
        yield from lines(0, row, beta)


def _stored_rows(chunk: Path, found: Found) -> Iterator[ScoredRow]:
    """The rows of a stored chunk; what was found with them is added to `found`. Raises UnfinishedError."""
    try:
        with chunk.open(encoding="utf-8") as stream:
            found.add(Found(**json.loads(stream.readline())))
            yield from read_rows(stream)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnfinishedError(f"{chunk}: is damaged: delete {chunk.parent}") from error


def _write(folder: Path, rows: Iterable[ScoredRow], beta: float, head: dict, found: Found) -> dict:
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


def _head(scorer: Scorer, rows: Rows) -> dict:
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


def _content(name: str | None, which: str = "*") -> str | None:
    """What stands behind a name: the hash of a file, of a folder its files' dates, else the name itself.

    A model's files lie at the top of its folder; results may be written below it.
    """
    if name is None or not (path := Path(name)).exists():
        return name
    if path.is_file():
        return sha256(path)
    stats = sorted((str(file.relative_to(path)), file.stat()) for file in path.glob(which) if file.is_file())
    return hashlib.sha256(repr([(name, s.st_size, s.st_mtime_ns) for name, s in stats]).encode()).hexdigest()


def summary_lines(summary: dict, out: Path, problems: Sequence[str] = ()) -> str:
    """What `dpoq-lab inspect` prints: what was left out, accuracy, rewards, credit, where the report is."""
    return "\n".join(
        [
            *left_out(problems, summary["notes"], summary["read"]),
            *sentences(summary),
            verdict_lines(diagnose(summary["facts"]))[0],
            *(f"\n{table.caption}\n{table}" for table in summary_tables(summary, most=3)),
            str(out / "report.html"),
        ]
    )

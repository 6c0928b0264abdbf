"""`score` on disk: a preference file of any length, in chunks, by several processes, on from where it was."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from dpoq_lab.columns import BY_NAME, How
from dpoq_lab.commands.audit import left_out
from dpoq_lab.commands.claim import ClaimError, claimed, strangers
from dpoq_lab.commands.scored import FILES, head_of, write_files
from dpoq_lab.commands.scorer import Found, Scorer, chunks
from dpoq_lab.commands.unfinished import FOLDER, Unfinished, UnfinishedError, stopped
from dpoq_lab.encoding import EncodedPair
from dpoq_lab.provenance import sha256
from dpoq_lab.rewards import ScoredPair
from dpoq_lab.runs.diagnosis import diagnose
from dpoq_lab.runs.token_file import ScoredRow, lines, read_rows, row_of
from dpoq_lab.sources import PairsError, records
from dpoq_lab.views.summary_view import sentences, summary_tables
from dpoq_lab.views.verdict import verdict_lines


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
    named = {"policy": policy, "reference": reference, "template": options.get("chat_template")}
    behind = {what: _content(name) for what, name in named.items()} | {"pairs": _content(rows, "**/*")}
    aside = Unfinished(out, {"beta": beta, "limit": limit, **asdict(how), **options} | behind)
    if process.is_main_process:
        aside.claim()
    process.wait_for_everyone()
    bar = tqdm(total=min(total, limit or total), desc="scoring", unit=" pairs", disable=not shows)
    with aside.kept_if_begun(), bar:
        n = _score_share(aside, scorer, process, chunks(rows, how, limit), beta, bar)
    process.wait_for_everyone()
    if not process.is_main_process:
        return None
    found = Found()
    summary = _put_together(aside, n, beta, head_of(scorer, rows), found)
    return summary, found.problems


def _score_share(
    aside: Unfinished, scorer: Scorer, process: Any, every: Iterator[list], beta: float, bar: tqdm
) -> int:
    """Score the chunks that are this process's and do not lie there yet; how many there are for all."""
    number = -1
    for number, chunk in enumerate(every):
        if number % process.num_processes == process.process_index and not aside.has(number):
            aside.write(number, _chunk_lines(*scorer.score(chunk), beta))
        bar.update(len(chunk))
    return number + 1


def _put_together(aside: Unfinished, n: int, beta: float, head: dict, found: Found) -> dict:
    """`FILES` of the n chunks in their place; the summary, and what reading gave in `found`."""
    stored = chain.from_iterable(_stored_rows(aside.chunk(k), found) for k in range(n))
    try:
        summary = write_files(aside.folder, stored, beta, head, found)
    except PairsError:
        aside.discard()  # there is nothing to go on from
        raise
    except BaseException:
        (aside.folder / "tokens.jsonl").unlink(missing_ok=True)
        raise
    aside.finish(FILES)
    return summary


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

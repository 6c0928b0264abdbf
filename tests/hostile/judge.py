"""Run a case in this process and say what is not as expected."""

import contextlib
import gc
import hashlib
import importlib.util
import io
import os
import re
import shutil
import signal
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import torch

from dpoq_lab import models
from dpoq_lab.commands import cli
from hostile.adapter_folders import make_adapter
from hostile.case import Case, inspect
from hostile.run_folders import make_run

SECONDS = 20  # a command that takes longer hangs
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
BAR = re.compile(r"\r(?:\w+: +(?:\d+%\||\d+it )[^\r\n]*| *)(?=[\r\n]|dpoq|$)")  # progress, not an error
ERROR = re.compile(r"dpoq-lab( [a-z]+)?: error: \S")
LONGEST, LONGEST_TOLD = 600, 3000  # characters of an error, of a line of a report


class Hung(BaseException):
    """A command that does not end; no Exception, so that nothing catches it."""


@dataclass
class Seen:
    """What a command did."""

    status: int | None
    out: str
    err: str
    escaped: str
    changed: list[str]  # files that were there
    added: list[str]


def make_beside(root: Path, adapter: bool = True) -> None:
    """What every case finds beside its own folder: models `a` and `b`, an adapter `lora`, a run `stopped`,
    what was inspected, `seen`, and an unfinished inspection, `begun`."""
    tokenizer = models.tiny_tokenizer()
    for seed, name in enumerate("ab"):
        models.save(models.build(tokenizer, 32, 1, seed=seed), tokenizer, root / name)
    if adapter and importlib.util.find_spec("peft"):
        with _quiet():
            make_adapter(root)
    here = root / "stopped"
    here.mkdir()
    with contextlib.chdir(here), _quiet():
        make_run(root)
        _succeed(inspect(policy="model", reference="reference", out="../seen"))
    stopped = patch("dpoq_lab.commands.inspect.write_files", side_effect=KeyboardInterrupt)
    with contextlib.chdir(here), _quiet(), stopped:
        cli.main(inspect(out="../begun"))


def _succeed(argv: list[str]) -> None:
    if cli.main(argv):
        raise RuntimeError(f"{argv} fails")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        away = stack.enter_context(tempfile.TemporaryFile("w"))
        stack.enter_context(contextlib.redirect_stdout(away))
        stack.enter_context(contextlib.redirect_stderr(away))
        stack.enter_context(warnings.catch_warnings())
        yield


def tried(case: Case, root: Path) -> list[str]:
    """What is not as expected of a case, nothing if all is."""
    here = root / "case"
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir()
    case.lay(here)
    before = _content(here)
    with contextlib.chdir(here), _guarded():
        status, out, err, escaped = _run(case.argv)
    if status is None:
        gc.collect()  # what a command that hung has taken
    after = _content(here)
    short = _short(case, here) if status == 0 else []
    changed = [name for name in before if after.get(name) != before[name]]
    seen = Seen(status, out, err, escaped, changed, sorted(after.keys() - before))
    return [*short, *_complaints(case, seen)]


def _short(case: Case, here: Path) -> list[str]:
    """What is wrong with the number of lines that a success left in a file."""
    if case.lines is None:
        return []
    name, most = case.lines
    found = len((here / name).read_text(encoding="utf-8").splitlines())
    return [] if found == most else [f"{name} has {found} lines, not {most}"]


def _content(folder: Path) -> dict[str, str]:
    """Every path below a folder with the hash of what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        plain = path.is_file() and not path.is_symlink()
        name = os.fsencode(path.relative_to(folder)).decode("utf-8", "backslashreplace")
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if plain else ""
    return found


@contextlib.contextmanager
def _guarded() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _run(argv: list[str]) -> tuple[int | None, str, str, str]:
    """Exit status, stdout, stderr, and what escaped."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    err = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", write_through=True)
    status, escaped = None, ""
    with tempfile.TemporaryFile() as low, warnings.catch_warnings(), _descriptor(low.fileno()):
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            torch.manual_seed(0)
            try:
                with patch("os.execve", lambda *_: None):
                    status = cli.main(argv) or 0
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else int(end.code is not None)
            except Hung:
                escaped = f"does not end within {SECONDS} s"
            except Exception as error:
                escaped = _where(error)
        low.seek(0)
        logged = low.read().decode("utf-8", "backslashreplace")
    texts = [stream.buffer.getvalue().decode("utf-8") for stream in (out, err)]
    return status, texts[0], BAR.sub("", logged + texts[1]).lstrip("\n"), escaped


@contextlib.contextmanager
def _descriptor(other: int) -> Iterator[None]:
    """Libraries that log to the stderr of the start write to `other`."""
    kept = os.dup(2)
    os.dup2(other, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _where(error: Exception) -> str:
    """An exception with the last line of the package that it passed, and where it began."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "dpoq_lab" in Path(frame.filename).parts]
    both = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in (*ours[-1:], frames[-1])]
    at = ", ".join(dict.fromkeys(both))
    return f"traceback: {type(error).__name__} at {at}: {' '.join(str(error).split())[:120]}"


def _complaints(case: Case, seen: Seen) -> Iterator[str]:
    if seen.escaped:
        yield seen.escaped
    elif seen.status not in case.status:
        last = (seen.err or seen.out).strip().splitlines()[-1:]
        yield f"exit status {seen.status}, not {' or '.join(map(str, case.status))}: {str(last)[:300]}"
    elif seen.status == 0:
        if case.says not in seen.out:
            yield f"stdout does not say {case.says!r}: {seen.out[-300:]!r}"
    else:
        yield from _of_error(case, seen)
    for name, text, allowed in (("stdout", seen.out, "\t"), ("stderr", seen.err, "")):
        if found := sorted(set(CONTROL.findall(text)) - set(allowed)):
            yield f"control characters in {name}: {found}"
    longest = max(map(len, seen.out.split("\n")))
    if longest > LONGEST_TOLD:
        yield f"a line of {longest} characters in stdout"
    if seen.escaped or seen.status in case.status:
        yield from _of_files(case, seen)


def _of_error(case: Case, seen: Seen) -> Iterator[str]:
    """An error is one line; `check` may instead print a report that names what is wrong."""
    if case.argv[0] == "check" and seen.status == 1 and not seen.err:
        if case.named not in seen.out:
            yield f"the report does not name {case.named!r}: {seen.out[:300]!r}"
        return
    told = seen.err.rstrip("\n").split("\n")
    if told[0].startswith("usage: "):
        yield f"misuse prints {len(told)} lines: argparse's usage stands before the error"
        told = told[-1:]
    if len(told) > 1 or not ERROR.match(told[0]):
        yield f"stderr is not one line of error but {len(told)}: {seen.err[:300]!r}"
    if (length := len("\n".join(told))) >= LONGEST:
        yield f"an error of {length} characters"
    if "DPOQ_DEBUG" in told[-1]:
        yield f"an exception that nobody foresaw: {told[-1][:200]!r}"
    if case.named not in told[-1]:
        yield f"the error does not name {case.named!r}: {told[-1][:300]!r}"


def _of_files(case: Case, seen: Seen) -> Iterator[str]:
    if seen.status == 0 or case.leaves:
        changed = [name for name in seen.changed if not name.startswith(case.writes)]
        added = [name for name in seen.added if not name.startswith(case.writes)]
        added += [n for n in seen.added if re.search(r"(^|/)(tmp|unfinished|\.checkpoint)|\.part$", n)]
    else:
        changed, added = seen.changed, seen.added
    if changed:
        yield f"changed or lost: {', '.join(changed[:4])}"
    if added:
        yield f"left behind: {', '.join(added[:4])}"

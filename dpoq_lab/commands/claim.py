"""A folder that a command writes: held by one process, and left as it was found if nothing came of it."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".lock"


class ClaimError(RuntimeError):
    """A folder that cannot be written; the text is one line that says why."""


@contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Hold the folder `out`, made if it is not there, against other processes while it is written.

    Folders that were made and stayed empty are removed. Raises ClaimError if it is a file or another process
    holds it, OSError if it cannot be made.
    """
    if out.exists() and not out.is_dir():
        raise ClaimError(f"{out}: is a file, not a folder")
    made = make_folder(out)
    lock = FileLock(out / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ClaimError(f"{out}: another process is writing here") from error
    try:
        yield
    except Exception as error:
        if (full := _full_disk(error)) and not getattr(error, "filename", None):
            raise ClaimError(f"{out}: {full}") from error
        raise
    finally:
        (out / LOCK).unlink(missing_ok=True)
        lock.release()
        remove_empty(made)


def _full_disk(error: Exception) -> str | None:
    """What the system says of a disk that is full, whichever library passes it on and in which error."""
    told = (os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
    return next((words for words in told if words in str(error)), None)


def make_folder(out: Path) -> list[Path]:
    """Make a folder; those that had to be made, the innermost first. Raises OSError."""
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    out.mkdir(parents=True, exist_ok=True)
    return made


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders, the innermost first, as far as nothing came of them."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def strangers(out: Path) -> list[str]:
    """What lies in the folder, without what a stopped write of ours leaves behind."""
    return sorted(p.name for p in out.iterdir() if p.name != LOCK and not p.name.endswith(".part"))

"""Where a result comes from, and records that are written whole: provenance and atomic JSON."""

import hashlib
import json
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any


def provenance() -> dict:
    """A JSON-ready record of this process: what was run, of which commit, on what."""
    import torch

    cuda = torch.cuda.is_available()
    packages = ("dpoq-lab", "torch", "transformers", "accelerate", "tokenizers")
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "commit": commit(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "device": torch.cuda.get_device_name() if cuda else f"CPU, {torch.get_num_threads()} threads",
    }


def commit() -> str | None:
    """The commit of the clone, with `+` if it has uncommitted changes; None outside a clone."""
    root = Path(__file__).resolve().parent.parent
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def read_json(text: str) -> Any:
    """JSON in which a key stands once. Raises ValueError, for numbers and depths that are too large too."""
    try:
        return json.loads(text, object_pairs_hook=once)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises ValueError if a key stands twice, where the parser would drop the first."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {max(names, key=names.count)!r} stands twice in one object")
    return found


def sha256(path: Path) -> str:
    """The hash of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def one_line(error: Exception, most: int = 200) -> str:
    """What an error says, on one line of at most `most` characters; its kind, if it says nothing."""
    return " ".join(str(error).split())[:most] or type(error).__name__


def same_mode(folder: Path, like: str) -> None:
    """Weights, which safetensors writes for their owner alone, get the mode of the file `like` with them."""
    for path in folder.glob("*.safetensors"):
        shutil.copymode(folder / like, path)


def write_json(path: Path, record: dict) -> None:
    """`write_text` of a record as JSON."""
    write_text(path, json.dumps(record, indent=1))


def write_text(path: Path, text: str) -> None:
    """`write_lines` of one text."""
    write_lines(path, [text])


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of one."""
    aside = path.with_name(f".{path.name}.part")
    try:
        with aside.open("w", encoding="utf-8", errors="backslashreplace") as stream:  # a name may be no text
            stream.writelines(lines)
        aside.replace(path)
    except OSError as error:  # a full disk, most often, of which a write names no file
        aside.unlink(missing_ok=True)
        error.filename = error.filename or str(path)
        raise

"""Where a result comes from: the command, the commit, the versions, the content of a file."""

import hashlib
import platform
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path


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


def sha256(path: Path) -> str:
    """The hash of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

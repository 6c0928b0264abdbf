"""Where a result comes from, and records that are written whole: provenance and atomic JSON."""

import json
import platform
import shlex
import subprocess
import sys
import tempfile
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


def write_json(path: Path, record: dict) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of one."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as stream:
        json.dump(record, stream, indent=1)
    Path(stream.name).chmod(0o644)
    Path(stream.name).replace(path)

"""Small models and pairs, commands over them in processes of their own, and what of two results is equal."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from dpoq_lab import models
from dpoq_lab.paths import data_folder, kit_folder

PAIRS = 8
CLOCK = ("provenance", "seconds")  # of a record: what is another each time


def make_beside(folder: Path, pairs: int = PAIRS) -> Path:
    """`policy` and `reference`, models of one layer, and `pairs.jsonl` in a folder."""
    for seed, name in enumerate(("policy", "reference")):
        tokenizer = models.tiny_tokenizer()
        models.save(models.build(tokenizer, 32, 1, seed=seed), tokenizer, folder / name)
    lines = (data_folder() / "courtesy" / "train.jsonl").read_text(encoding="utf-8").splitlines()[:pairs]
    (folder / "pairs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def train_words(beside: Path, out: Path, steps: int) -> list[str]:
    """`train` over them for about so many steps, of two pairs each."""
    named = {"model": beside / "policy", "pairs": beside / "pairs.jsonl", "out": out, "held-out": 0.25}
    named |= {"preset": "ci", "batch-size": 2, "epochs": max(1, steps // (PAIRS * 3 // 8))}
    return ["train", *(word for name, value in named.items() for word in (f"--{name}", str(value)))]


def inspect_words(beside: Path, out: Path, pairs: Path | None = None) -> list[str]:
    """`inspect` over them."""
    named = {"policy": beside / "policy", "reference": beside / "reference", "out": out}
    named |= {"pairs": pairs or beside / "pairs.jsonl"}
    return ["inspect", *(word for name, value in named.items() for word in (f"--{name}", str(value)))]


def diagnose_words(beside: Path, run: Path, out: Path) -> list[str]:
    """`diagnose` of a run, with its pairs scored."""
    scored = ["--pairs", str(beside / "pairs.jsonl"), "--reference", str(beside / "reference")]
    return ["diagnose", str(run), *scored, "--out", str(out)]


def start(words: list[str], code: str | None = None, **variables: str) -> subprocess.Popen:
    """`dpoq-lab`, or `code`, in a process of its own that heeds every signal; stderr is to be read."""
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(kit_folder()),
    }
    program = ["-c", code] if code else ["-m", "dpoq_lab"]
    return subprocess.Popen(
        [sys.executable, *program, *words],
        env=environment | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed,
    )


def heed() -> None:
    """Signals that the caller may have ignored do what they do by default."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def ended(process: subprocess.Popen) -> tuple[int, str]:
    """The exit status of a process and its last line on stderr, below the progress bars."""
    said = process.communicate()[1]
    return process.returncode, (said.replace("\r", "\n").strip().splitlines() or [""])[-1].strip()


def result(out: Path) -> dict[str, object]:
    """Every file in a folder by what must be equal in it, so that two folders can be compared."""
    found: dict[str, object] = {}
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        found[name] = path.read_bytes() if path.is_file() else None
        with contextlib.suppress(ValueError):
            if name == "metrics.jsonl":
                found[name] = [_timeless(json.loads(line)) for line in path.read_text().splitlines()]
            elif name in ("run.json", "summary.json", "diagnosis.json"):
                found[name] = _timeless(json.loads(path.read_text()))
    return found


def _timeless(record: dict) -> dict:
    left_out = (*CLOCK, "tokens_per_second", "out")
    kept = {name: value for name, value in record.items() if name not in left_out}
    return {name: _timeless(value) if isinstance(value, dict) else value for name, value in kept.items()}


def different(out: Path, whole: Path) -> list[str]:
    """The names of files that are not equal in both folders, or in one alone."""
    a, b = result(out), result(whole)
    return sorted(
        name for name in a.keys() | b.keys() if name not in a or name not in b or a[name] != b[name]
    )

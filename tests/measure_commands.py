"""Time and peak memory of `check` and `inspect` by the number of pairs, each in a process of its own.

python tests/measure_commands.py [PAIRS ...]      default: 1000 10000 100000
python tests/measure_commands.py check PAIRS ...  `check` alone
python tests/measure_commands.py long             a reply of 1 MB of text, and replies of 5,000 tokens

The pairs are those of `data/courtesy` over and over, each with a number in its replies; the models have one
layer of 32, so that the kit is measured and not the models. Memory is also a share of the first row's.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dpoq_lab.paths import data_folder

# in a process of its own: a child's peak begins with what its parent holds
MODELS = """
import sys
from pathlib import Path
from dpoq_lab import models
tokenizer = models.tiny_tokenizer()
for seed, folder in enumerate(sys.argv[1:]):
    models.save(models.build(tokenizer, 32, 1, seed=seed), tokenizer, Path(folder))
"""


def write_numbered(n: int, path: Path) -> Path:
    """`n` pairs, no two alike."""
    rows = [json.loads(line) for line in (data_folder() / "courtesy" / "train.jsonl").open(encoding="utf-8")]
    with path.open("w", encoding="utf-8") as stream:
        for k in range(n):
            row = rows[k % len(rows)]
            numbered = {side: f"{row[side]} {k}" for side in ("chosen", "rejected")}
            stream.write(json.dumps(row | numbered) + "\n")
    return path


def measured(command: list[str]) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak MiB of a command that must succeed."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "dpoq_lab", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} exits with {process.returncode}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main(words: list[str]) -> None:
    """Print a line a command and size."""
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        policy, reference = str(there / "policy"), str(there / "reference")
        subprocess.run([sys.executable, "-c", MODELS, policy, reference], check=True)
        models = ["--policy", policy, "--reference", reference]
        print("command                   pairs   wall s   cpu s  peak MiB  of the first")
        if words == ["long"]:
            return long_replies(there, policy, models)
        sizes = [int(word) for word in words if word != "check"] or [1000, 10_000, 100_000]
        rows = Rows()
        for n in sizes:
            pairs = str(write_numbered(n, there / f"{n}.jsonl"))
            rows.measure("check", n, ["check", pairs])
            if "check" not in words:
                rows.measure("check --model", n, ["check", pairs, "--model", policy])
                out = ["--pairs", pairs, "--out", str(there / f"out-{n}")]
                rows.measure("inspect", n, ["inspect", *models, *out])
    return None


def long_replies(there: Path, policy: str, models: list[str]) -> None:
    """Pairs whose replies are long: 1 MB of text, of which the model reads a part, and 5,000 tokens."""
    for config in there.glob("*/config.json"):  # rotary positions have no weights
        config.write_text(config.read_text().replace(": 512", ": 8192"))
    rows, word = Rows(), " word and more"
    for name, n, letters in (("1 MB", 1, 1_000_000), ("5,000 tokens", 4, 5000 * len(word) // 3)):
        path, text = there / f"{letters}.jsonl", (word * (letters // len(word) + 1))[:letters]
        pair = {"prompt": "Say it.", "chosen": f"Yes.{text}", "rejected": f"No.{text}"}
        path.write_text("\n".join([json.dumps(pair)] * n), encoding="utf-8")
        rows.measure(f"check, {name}", n, ["check", str(path), "--model", policy, "--max-length", "5100"])
        out = ["--pairs", str(path), "--max-length", "5100", "--out", str(there / f"out {letters}")]
        rows.measure(f"inspect, {name}", n, ["inspect", *models, *out])


class Rows:
    """The lines of the table; memory is also a share of a command's first."""

    def __init__(self) -> None:
        self.first: dict[str, float] = {}

    def measure(self, name: str, n: int, command: list[str]) -> None:
        """Measure a command and print its line."""
        wall, cpu, peak = measured(command)
        share = peak / self.first.setdefault(name, peak)
        print(f"{name:20} {n:10} {wall:8.1f} {cpu:7.1f} {peak:9.0f} {share:13.2f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

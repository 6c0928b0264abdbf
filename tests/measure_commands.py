"""Time and peak memory of `check` and `inspect` by the number of pairs, each in a process of its own.

python tests/measure_commands.py [PAIRS ...]      default: 1000 10000 100000

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
from dpoq_lab import models
for seed, folder in enumerate(sys.argv[1:]):
    models.save(models.build(models.tiny_tokenizer(), 32, 1, seed=seed), models.tiny_tokenizer(), folder)
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


def main(sizes: list[int]) -> None:
    """Print a line a command and size."""
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        policy, reference = str(there / "policy"), str(there / "reference")
        subprocess.run([sys.executable, "-c", MODELS, policy, reference], check=True)
        pair_of_models = ["--policy", policy, "--reference", reference]
        first: dict[str, float] = {}
        print("command                   pairs   wall s   cpu s  peak MiB  of the first")
        for n in sizes:
            pairs = str(write_numbered(n, there / f"{n}.jsonl"))
            for name, command in {
                "check": ["check", pairs],
                "check --model": ["check", pairs, "--model", policy],
                "inspect": ["inspect", *pair_of_models, "--pairs", pairs, "--out", str(there / f"out-{n}")],
            }.items():
                wall, cpu, peak = measured(command)
                share = peak / first.setdefault(name, peak)
                print(f"{name:20} {n:10} {wall:8.1f} {cpu:7.1f} {peak:9.0f} {share:13.2f}", flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [1000, 10_000, 100_000])

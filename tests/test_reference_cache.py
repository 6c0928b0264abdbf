"""Log-probabilities that are kept: read back to the bit, found by content, never a reason to fail."""

import os
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator

from dpoq_lab import reference_cache, training
from dpoq_lab.models import tiny as build_tiny
from dpoq_lab.objectives import DPO
from dpoq_lab.schedule import Settings
from dpoq_lab.training import train

FOUND = {
    4: (torch.tensor([-0.5, -1.25]), torch.tensor([-3.0])),
    1: (torch.tensor([-2.0]), torch.tensor([-0.125, -7.0, -1.0])),
}
RUN = Settings(DPO(0.1), lr=1e-3, steps=2, batch_size=4, micro_batch=2)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "new" / "deep" / "a.safetensors"
    reference_cache.write(path, FOUND)
    back = reference_cache.read(path)
    assert list(back) == [4, 1]
    assert all(torch.equal(x, y) for i in FOUND for x, y in zip(FOUND[i], back[i], strict=True))
    assert [file.name for file in path.parent.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-4], lambda data: b"x" * 64])
def test_a_file_that_is_not_whole_is_as_none(tmp_path, damage):
    path = tmp_path / "a.safetensors"
    assert reference_cache.read(path) is None
    reference_cache.write(path, FOUND)
    path.write_bytes(damage(path.read_bytes()))
    assert reference_cache.read(path) is None


def test_a_folder_that_takes_nothing_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    reference_cache.write(tmp_path / "file" / "a.safetensors", FOUND)
    assert reference_cache.read(tmp_path / "file" / "a.safetensors") is None


def test_what_cannot_be_put_in_place_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reference_cache.Path, "replace", full)
    reference_cache.write(tmp_path / "a.safetensors", FOUND)
    assert list(tmp_path.iterdir()) == []


def test_so_many_files_are_kept(tmp_path, monkeypatch):
    assert reference_cache.MOST_FILES == 32
    monkeypatch.setattr(reference_cache, "MOST_FILES", 2)
    for k, name in enumerate("abc"):
        reference_cache.write(tmp_path / f"{name}.safetensors", FOUND)
        os.utime(tmp_path / f"{name}.safetensors", (k, k))
    reference_cache.write(tmp_path / "d.safetensors", FOUND)
    assert sorted(file.stem for file in tmp_path.iterdir()) == ["c", "d"]


def test_a_place_is_of_content(tiny, monkeypatch, tmp_path):
    """Another name of the same model is no other model; all else is."""
    monkeypatch.setenv("DPOQ_CACHE", str(tmp_path))
    first = reference_cache.place(tiny, "weights", "pairs", "cpu", 4)
    assert first.parent == tmp_path / "log_probs"
    tiny.config._name_or_path = "elsewhere"
    assert reference_cache.place(tiny, "weights", "pairs", "cpu", 4) == first
    others = [("w", "pairs", "cpu", 4), ("weights", "p", "cpu", 4), ("weights", "pairs", "cpu", 2)]
    places = {reference_cache.place(tiny, *other) for other in others}
    tiny.config.rms_norm_eps *= 2
    places |= {reference_cache.place(tiny, "weights", "pairs", "cpu", 4), first}
    assert len(places) == 5
    orders = [SimpleNamespace(to_dict=lambda names=names: dict.fromkeys(names, 1)) for names in ("ab", "ba")]
    one, other = (reference_cache.place(SimpleNamespace(config=config), "w", "p") for config in orders)
    assert one == other


def test_a_second_run_scores_nothing_and_is_the_same(tokenizer, train_pairs, tmp_path, monkeypatch):
    keep = tmp_path / "a.safetensors"
    runs = [train(build_tiny(), train_pairs[:8], 1, RUN, progress=False, keep=keep)]
    monkeypatch.setattr(training, "eval_mode", lambda *_: pytest.fail("scored again"))
    runs.append(train(build_tiny(), train_pairs[:8], 1, RUN, progress=False, keep=keep))
    for one, other in zip(*runs, strict=True):
        assert one | {"tokens_per_second": 0} == other | {"tokens_per_second": 0}


def test_pairs_that_a_file_lacks_are_scored(tiny, train_pairs, tmp_path):
    """A file of two pairs serves them alone; of three, all are scored and kept."""
    keep = tmp_path / "a.safetensors"
    accelerator = Accelerator()
    for n in (2, 3):
        found = training.pair_log_probs(accelerator, tiny, train_pairs[:n], 1, RUN, progress=False, keep=keep)
        assert sorted(found) == sorted(reference_cache.read(keep)) == list(range(n))
    plain = training.pair_log_probs(accelerator, tiny, train_pairs[:3], 1, RUN, progress=False)
    assert all(torch.equal(x, y) for i in range(3) for x, y in zip(plain[i], found[i], strict=True))


def test_no_pair_is_nothing_to_keep(tiny, tmp_path):
    keep = tmp_path / "a.safetensors"
    assert training.pair_log_probs(Accelerator(), tiny, [], 1, RUN, progress=False, keep=keep) == {}
    assert not keep.exists()

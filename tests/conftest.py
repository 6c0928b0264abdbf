"""Shared fixtures. No test may reach another machine, and every test is seeded."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests run side by side

import socket

import pytest
import torch

from dpoq_lab import models, smollm2
from dpoq_lab.encoding import encode_pairs
from dpoq_lab.paths import data_folder
from dpoq_lab.preferences import usable_pairs


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory):
    """The real model where it has been fetched, and nothing else that other runs have left."""
    folder, fetched = tmp_path_factory.mktemp("cache"), smollm2.checkpoint_folder()
    if fetched.is_dir():
        (folder / fetched.name).symlink_to(fetched, target_is_directory=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DPOQ_CACHE", str(folder))
        yield


LOCAL = ("127.0.0.1", "::1", "localhost", "0.0.0.0")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """A connection to another machine is an error."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOCAL:
            raise OSError(f"a test tried to reach {address[0]}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def tokenizer():
    return models.tiny_tokenizer()


@pytest.fixture
def tiny():
    """An untrained `tiny`; a fresh one for every test."""
    return models.tiny()


@pytest.fixture(scope="session")
def train_pairs(tokenizer):
    """The first 24 encoded training pairs of the course."""
    pairs = usable_pairs(data_folder() / "courtesy" / "train.jsonl")[:24]
    return encode_pairs(tokenizer, pairs, 256).pairs


@pytest.fixture(scope="session")
def smollm2_model():
    """SmolLM2-135M and its tokenizer, where it has been fetched."""
    if not smollm2.is_cached():
        pytest.skip("SmolLM2-135M is not cached; run `dpoq-lab doctor --fetch`")
    return models.load_frozen("smollm2-135m")

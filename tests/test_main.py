"""The command line as a process of its own: it keeps its memory, and is seldom searched for garbage."""

import gc
from types import SimpleNamespace

import pytest

from dpoq_lab import __main__ as entry


@pytest.fixture
def process(monkeypatch):
    """Run `main` as a process would; the tests' own process gets its settings back."""
    asked, before = [], gc.get_threshold()
    library = SimpleNamespace(mallopt=lambda *setting: asked.append(setting))
    monkeypatch.setattr("ctypes.CDLL", {None: library}.get)

    def run(main):
        monkeypatch.setattr(entry, "main", main)
        return entry.process(), asked

    yield run
    gc.unfreeze()
    gc.set_threshold(*before)


def test_a_command_keeps_its_memory_and_its_status_is_given_back(process):
    """glibc's numbers: a block of up to 1 GiB comes from the heap (-3), which never shrinks (-1)."""
    seen = []

    def main():
        seen.append((gc.isenabled(), gc.get_threshold()[0], gc.get_freeze_count()))
        return 3

    assert process(main) == (3, [(-3, 2**30), (-1, -1)])
    assert seen == [(True, 100_000, 0)]
    assert gc.get_freeze_count() > 10_000


def test_a_command_that_exits_is_not_searched_either(process):
    def main():
        raise SystemExit(2)

    with pytest.raises(SystemExit, match="2"):
        process(main)
    assert gc.get_freeze_count() > 10_000


@pytest.mark.parametrize("error", [None, OSError, TypeError])
def test_another_c_library_keeps_its_ways(monkeypatch, error):
    """One has no such function; on some systems there is none to be had by no name."""

    def library(_):
        if error:
            raise error
        return object()

    monkeypatch.setattr("ctypes.CDLL", library)
    entry.keep_freed_memory()

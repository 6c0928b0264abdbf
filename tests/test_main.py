"""The command line as a process of its own: seldom searched for garbage, and not at all at its end."""

import gc

import pytest

from dpoq_lab import __main__ as entry


@pytest.fixture(autouse=True)
def collector():
    """The tests' own settings, put back."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_a_command_runs_with_few_searches_and_its_status_is_given_back(monkeypatch):
    seen = []

    def main():
        seen.append((gc.isenabled(), gc.get_threshold()[0], gc.get_freeze_count()))
        return 3

    monkeypatch.setattr(entry, "main", main)
    assert entry.process() == 3
    assert seen == [(True, 100_000, 0)]
    assert gc.get_freeze_count() > 10_000


def test_a_command_that_exits_is_not_searched_either(monkeypatch):
    def main():
        raise SystemExit(2)

    monkeypatch.setattr(entry, "main", main)
    with pytest.raises(SystemExit, match="2"):
        entry.process()
    assert gc.get_freeze_count() > 10_000

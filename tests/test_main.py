"""The command line as a process of its own: seldom searched for garbage, and not at all at its end."""

import gc

import pytest

from dpoq_lab import __main__ as entry


@pytest.fixture
def process(monkeypatch):
    """Run `main` as a process would; the tests' own process gets its settings back."""
    before = gc.get_threshold()

    def run(main):
        monkeypatch.setattr(entry, "main", main)
        return entry.process()

    yield run
    gc.unfreeze()
    gc.set_threshold(*before)


def test_a_command_is_seldom_searched_and_its_status_is_given_back(process):
    seen = []

    def main():
        seen.append((gc.isenabled(), gc.get_threshold()[0], gc.get_freeze_count()))
        return 3

    assert process(main) == 3
    assert seen == [(True, 100_000, 0)]
    assert gc.get_freeze_count() > 10_000


def test_a_command_that_exits_is_not_searched_either(process):
    def main():
        raise SystemExit(2)

    with pytest.raises(SystemExit, match="2"):
        process(main)
    assert gc.get_freeze_count() > 10_000

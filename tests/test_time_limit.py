"""Work without end is stopped; work that ends, and what others do with the signal, is left as it is."""

import signal
import threading
import time

import pytest

from dpoq_lab.time_limit import at_most


def busy(seconds):
    """Seconds of the processor, not of the clock, which a busy machine makes longer."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return "done"


def test_what_takes_longer_is_stopped_where_it_is():
    start = time.process_time()
    with pytest.raises(TimeoutError, match=r"^it takes more than 0.05 s$"), at_most(0.05, "it"):
        busy(5)
    assert 0.04 < time.process_time() - start < 1


def test_what_ends_in_time_is_left_alone_then_and_afterwards():
    before = signal.getsignal(signal.SIGVTALRM)
    with at_most(0.05, "it"):
        done = "done"
    assert (done, busy(0.2)) == ("done", "done"), "no timer is left to run"
    assert signal.getsignal(signal.SIGVTALRM) is before


def test_a_pause_is_no_work():
    with at_most(0.05, "it"):
        time.sleep(0.2)


def test_an_error_takes_the_timer_away_too():
    with pytest.raises(KeyError), at_most(0.05, "it"):
        raise KeyError
    assert busy(0.2) == "done"


def test_outside_the_main_thread_there_is_no_limit():
    found = []

    def work():
        with at_most(0.01, "it"):
            found.append(busy(0.1))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == ["done"]


def test_where_the_system_has_no_timer_there_is_no_limit(monkeypatch):
    monkeypatch.delattr(signal, "setitimer")
    with at_most(0.01, "it"):
        assert busy(0.1) == "done"

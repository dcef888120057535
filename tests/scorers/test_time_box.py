"""A limit on what runs in our own process."""

import re
import signal
import threading

import pytest

from weighbridge.scorers.time_box import TimeUp, time_box


def test_a_pattern_that_would_backtrack_for_years_is_stopped() -> None:
    with pytest.raises(TimeUp), time_box(0.05):
        re.search(r"(a+)+$", "a" * 5000 + "!")


def test_what_is_in_time_is_left_alone_and_the_alarm_is_off_again() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with time_box(60):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getsignal(signal.SIGALRM) is before


def test_an_alarm_that_was_set_before_is_still_set_after() -> None:
    """Whoever calls us may have a time limit of their own (pytest-timeout has)."""
    left = signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        with time_box(60):
            assert signal.getitimer(signal.ITIMER_REAL)[0] <= 60
        assert 60 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1000
    finally:
        signal.setitimer(signal.ITIMER_REAL, *left)


def test_the_alarm_is_put_back_where_the_block_raises() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(ZeroDivisionError), time_box(60):
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGALRM) is before


def test_off_the_main_thread_it_runs_without_a_limit() -> None:
    done: list[str] = []

    def work() -> None:
        with time_box(0.001):
            done.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["done"]

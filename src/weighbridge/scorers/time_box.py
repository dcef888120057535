"""A limit on how long a piece of our own process may take: a user's regular expression can backtrack for years."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, NoReturn


class TimeUp(Exception):
    """It took longer than it may."""


@contextmanager
def time_box(seconds: float) -> Iterator[None]:
    """Raises TimeUp inside the block when its time is up. An alarm does it, which also interrupts Python's `re`; off
    the main thread, and where there are no alarms, the block runs without a limit. An alarm that was set before is
    set again with what is left of its time."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    begun = monotonic()
    before = signal.signal(signal.SIGALRM, _time_is_up)
    left = interval = 0.0
    try:
        try:
            left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:  # also where the alarm went off in the lines above
        signal.signal(signal.SIGALRM, signal.SIG_DFL if before is None else before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (monotonic() - begun), 0.001), interval)


def _time_is_up(number: int, frame: Any) -> NoReturn:
    del number, frame
    raise TimeUp

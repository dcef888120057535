"""Work that requests leave behind them: a thread does it later, and a full queue never makes a request wait."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)

_MOST: Final = 10_000
_AT_ONCE: Final = 500


class Behind(Generic[T]):
    """`put` costs a request an append. `work` gets what came since, some hundred at a time, in a thread of its own,
    `every` so many seconds; what it raises is logged. `dropped` counts what found the queue full."""

    def __init__(self, work: Callable[[list[T]], None], name: str, *, every: float = 1.0, most: int = _MOST) -> None:
        self.dropped = 0
        self._work = work
        self._every = every
        self._most = most
        self._queue: deque[T] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Never waits, never raises."""
        if len(self._queue) >= self._most or self._stop.is_set():
            self.dropped += 1
        else:
            self._queue.append(item)

    def close(self, limit: float = 5.0) -> bool:
        """Does what is left, for `limit` seconds at most; False where that was not enough."""
        self._stop.set()
        self._thread.join(limit)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self._drain()
        self._drain()

    def _drain(self) -> None:
        while self._queue:
            items = [self._queue.popleft() for _ in range(min(len(self._queue), _AT_ONCE))]
            try:
                self._work(items)
            except Exception:
                log.exception("%s: %d records are lost", self._thread.name, len(items))
                self.dropped += len(items)

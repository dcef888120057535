"""Sending many streams' chunks on time: one timer for all of them, not one for each chunk."""

from __future__ import annotations

import asyncio
import heapq
from array import array
from collections.abc import Callable
from time import monotonic
from typing import Any

_BATCH_S = 0.0002


class Stream:
    """One stream under way: when each prepared piece is due, and when it was really sent.

    `sent` holds the monotonic time right after each write. `done` is called once, after the last piece."""

    __slots__ = ("done", "due", "pieces", "place", "sent", "write")

    def __init__(
        self, write: Callable[[bytes], Any], pieces: list[bytes], due: list[float], done: Callable[[], None]
    ) -> None:
        self.write: Callable[[bytes], Any] | None = write
        self.pieces = pieces
        self.due = due
        self.place = 0
        self.sent = array("d")
        self.done = done

    def stop(self) -> None:
        """The client has gone: nothing more is sent."""
        self.write = None


class Ticker:
    """A heap of streams by when their next piece is due, and one timer for its top."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Stream]] = []
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0

    def add(self, stream: Stream) -> None:
        self._number += 1
        heapq.heappush(self._heap, (stream.due[0], self._number, stream))
        self._arm()

    def _arm(self) -> None:
        due = self._heap[0][0]
        if self._timer is not None:
            if self._armed_for <= due:
                return
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._armed_for = due
        self._timer = loop.call_later(max(0.0, due - monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        heap = self._heap
        now = monotonic()
        limit = now + _BATCH_S
        while heap and heap[0][0] <= limit:
            _, number, stream = heap[0]
            if self._send(stream):
                heapq.heapreplace(heap, (stream.due[stream.place], number, stream))
            else:
                heapq.heappop(heap)
        if heap:
            self._arm()

    @staticmethod
    def _send(stream: Stream) -> bool:
        """One piece; True where there is another."""
        write = stream.write
        if write is None:
            stream.done()
            return False
        write(stream.pieces[stream.place])
        stream.sent.append(monotonic())
        stream.place += 1
        if stream.place < len(stream.pieces):
            return True
        stream.done()
        return False

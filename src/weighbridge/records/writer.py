"""The thread that waits for the disk, so that nobody else does."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from weighbridge.records.segments import Segment, Write

_log = logging.getLogger("weighbridge.records")
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class Losses:
    """Counts records that could not be written, and says so: at once, and then at most each minute."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, every: float = 60.0) -> None:
        self.count = 0
        self.why: str | None = None
        self._clock = clock
        self._every = every
        self._next = float("-inf")
        self._lock = threading.Lock()

    def add(self, count: int, why: str) -> None:
        with self._lock:
            self.count += count
            self.why = why
            total, now = self.count, self._clock()
            if now < self._next:
                return
            self._next = now + self._every
        _log.warning("records lost: %d so far, requests go on: %s", total, why)


class Writer:
    """Appends what it is handed to segments, on a thread of its own that starts with the first of it.

    `rotate_bytes` and `rotate_seconds` bound a segment, `most_waiting` the bytes that may wait for a slow disk.
    """

    def __init__(
        self,
        home: Path,
        worker: str,
        losses: Losses,
        *,
        rotate_bytes: int,
        rotate_seconds: float,
        most_waiting: int,
        write: Write = os.write,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._home, self._worker, self._losses = home, worker, losses
        self._rotate_bytes, self._rotate_seconds, self._most_waiting = rotate_bytes, rotate_seconds, most_waiting
        self._write, self._clock = write, clock
        self._process = os.urandom(3).hex()
        self._number = 0
        self._segment: Segment | None = None
        self._retire_at = 0.0
        self._queue: queue.SimpleQueue[tuple[bytes, int] | None] = queue.SimpleQueue()
        # Each counter has one thread that writes it, so none needs a lock.
        self._handed = self._handed_records = 0
        self._done = self._done_records = 0
        self._thread: threading.Thread | None = None

    def put(self, data: bytes, count: int) -> None:
        """Hands over `count` whole lines; drops them where too much is waiting already."""
        if self._handed - self._done + len(data) > self._most_waiting:
            self._losses.add(count, "the disk is too slow")
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="weighbridge-records", daemon=True)
            self._thread.start()
        self._handed += len(data)
        self._handed_records += count
        self._queue.put((data, count))

    async def close(self, limit: float) -> None:
        if self._thread is None:
            return
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, limit)
        if self._thread.is_alive():
            self._losses.add(self._handed_records - self._done_records, f"the disk did not answer in {limit:g} s")

    def _run(self) -> None:
        while (handed := self._queue.get()) is not None:
            data, count = handed
            try:
                self._store(data, count)
            except Exception as error:  # noqa: BLE001 -- a thread that died would lose all that follows
                self._losses.add(count, str(error))
            self._done += len(data)
            self._done_records += count
        self._retire()

    def _store(self, data: bytes, count: int) -> None:
        try:
            segment = self._current()
        except OSError as error:
            self._losses.add(count, _said(error))
            return
        kept, refusal = segment.append(data)
        if refusal is not None:
            self._losses.add(data.count(b"\n", kept), _said(refusal))
            if refusal.errno not in _FULL or segment.torn:
                self._retire()  # another file may fare better; on a full disk it would not

    def _current(self) -> Segment:
        now = self._clock()
        segment = self._segment
        if segment is not None and (segment.size >= self._rotate_bytes or now >= self._retire_at or segment.deleted()):
            self._retire()
            segment = None
        if segment is None:
            self._number += 1
            segment = Segment(self._home, self._worker, self._process, self._number, write=self._write)
            self._segment = segment
            self._retire_at = now + self._rotate_seconds
        return segment

    def _retire(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close()


def _said(error: OSError) -> str:
    return error.strerror or str(error)

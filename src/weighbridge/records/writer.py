"""The thread that waits for the disk, so that nobody else does."""

from __future__ import annotations

import asyncio
import contextlib
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
_GIVE_WAY: Final = 0.001  # seconds; it takes a tenth of that unless the disk is slow
_OFTEN: Final = 4  # times in a row: a machine with no processor to spare may need more than one
_RARELY: Final = 63  # flushes
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
    """Appends what it is handed to segments, on a thread of its own. The thread and the first segment are there before
    the first record: on a busy loop either may take longer than a record is to wait.

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
        self._idle = threading.Event()
        self._patience = self._refused = 0
        self._prepare()
        self._thread = threading.Thread(target=self._run, name="weighbridge-records", daemon=True)
        self._thread.start()

    def put(self, data: bytes, count: int) -> None:
        """Hands over `count` whole lines; drops them where too much is waiting already."""
        if self._handed - self._done + len(data) > self._most_waiting:
            self._losses.add(count, "the disk is too slow")
            return
        behind = self._handed != self._done
        self._handed += len(data)
        self._handed_records += count
        self._idle.clear()
        self._queue.put((data, count))
        if behind:
            self._give_way()

    def _give_way(self) -> None:
        """Lets the thread run that has not yet written what it was handed before.

        It may be starving: a loop that is never idle lets go of the interpreter only for the moment of each system
        call, and has taken it back before the thread wakes up, for as long as the load lasts. Where it is the disk that
        is slow, waiting does not help, and is tried ever more rarely.
        """
        if self._patience:
            self._patience -= 1
        elif self._idle.wait(_GIVE_WAY):
            self._refused = 0
        else:
            self._refused += 1
            self._patience = min(2 ** max(0, self._refused - _OFTEN) - 1, _RARELY)

    async def close(self, limit: float) -> None:
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
            if self._queue.empty():
                self._idle.set()
        self._retire()

    def _store(self, data: bytes, count: int) -> None:
        # Nothing but the write itself comes before the write: on a busy loop each system call may cost this thread
        # five milliseconds of waiting for the interpreter.
        try:
            segment = self._segment or self._opened()
            kept, refusal = segment.append(data)
            if refusal is None and segment.deleted():
                self._retire()
                segment = self._opened()
                kept, refusal = segment.append(data)
        except OSError as error:
            self._losses.add(count, _said(error))
            return
        if refusal is not None:
            self._losses.add(data.count(b"\n", kept), _said(refusal))
            if refusal.errno not in _FULL or segment.torn:
                self._retire()  # another file may fare better; on a full disk it would not
        elif segment.size >= self._rotate_bytes or self._clock() >= self._retire_at:
            self._retire()
            self._prepare()

    def _prepare(self) -> None:
        """Opens a segment before it is needed; if that fails, the next records try again, and say so."""
        with contextlib.suppress(OSError):
            self._opened()

    def _opened(self) -> Segment:
        self._number += 1
        segment = Segment(self._home, self._worker, self._process, self._number, write=self._write)
        self._segment = segment
        self._retire_at = self._clock() + self._rotate_seconds
        return segment

    def _retire(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close()


def _said(error: OSError) -> str:
    return error.strerror or str(error)

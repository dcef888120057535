"""Appending records while requests are served: never waits, never raises, and a kill loses 50 ms at most."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from weighbridge.records.exchange import Record
from weighbridge.records.segments import Write
from weighbridge.records.writer import Losses, Writer

_FLUSH: Final = 0.01  # on a busy loop the next flush makes the thread's turn (`Writer.put`): 20 of the 50 ms
_AT_ONCE: Final = 64  # records encoded in one go: 0.1 ms in which no request is served
_HAND_OVER: Final = 2**20  # encoded bytes that do not wait for the timer


class Recorder:
    """Appends to `home`/exchanges/live. `worker` names this process among those that share `home`.

    Make it in the process that appends: it opens a file and starts a thread, which a fork would not take along.
    Use it from one event loop; without a running one every record is handed over at once. `write` and `clock` are for
    tests.
    """

    def __init__(
        self,
        home: Path,
        worker: str,
        *,
        rotate_bytes: int = 64 * 2**20,
        rotate_seconds: float = 3600.0,
        most_waiting: int = 16 * 2**20,
        write: Write = os.write,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.home = home
        self.worker = worker
        self._losses = Losses(clock=clock)
        self._writer = Writer(
            home,
            worker,
            self._losses,
            rotate_bytes=rotate_bytes,
            rotate_seconds=rotate_seconds,
            most_waiting=most_waiting,
            write=write,
            clock=clock,
        )
        self._encoder = msgspec.json.Encoder()
        self._pending: list[Record] = []
        self._encoded: list[bytes] = []
        self._encoded_bytes = 0
        self._encoded_records = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def lost(self) -> int:
        """How many records could not be written."""
        return self._losses.count

    @property
    def why(self) -> str | None:
        """Why the last of them could not."""
        return self._losses.why

    def append(self, record: Record) -> None:
        """Never blocks, never raises; the record is on its way to the disk within 10 ms."""
        pending = self._pending
        pending.append(record)
        if self._timer is None:
            self._arm()
        if len(pending) >= _AT_ONCE:
            self._encode()

    async def close(self, limit: float = 5.0) -> None:
        """Writes what is left; where the disk does not answer within `limit` seconds, the rest counts as lost."""
        if self._timer is not None:
            self._timer.cancel()
        self._flush()
        self._closed = True
        await self._writer.close(limit)

    def _arm(self) -> None:
        if self._closed:
            self._losses.add(len(self._pending), "the recorder is closed")
            self._pending.clear()
            return
        try:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH, self._flush)
        except RuntimeError:
            self._flush()

    def _flush(self) -> None:
        self._timer = None
        self._encode()
        self._hand_over()

    def _encode(self) -> None:
        pending = self._pending
        if not pending:
            return
        try:
            lines = self._encoder.encode_lines(pending)
            count = len(pending)
        except Exception:  # noqa: BLE001 -- one of them holds what JSON cannot say; the others are kept
            lines, count = self._one_by_one(pending)
        pending.clear()
        self._encoded.append(lines)
        self._encoded_records += count
        self._encoded_bytes += len(lines)
        if self._encoded_bytes >= _HAND_OVER:
            self._hand_over()

    def _one_by_one(self, pending: list[Record]) -> tuple[bytes, int]:
        lines: list[bytes] = []
        for record in pending:
            try:
                lines.append(self._encoder.encode(record) + b"\n")
            except Exception as error:  # noqa: BLE001 -- see above
                self._losses.add(1, f"a record cannot be encoded: {error}")
        return b"".join(lines), len(lines)

    def _hand_over(self) -> None:
        if self._encoded_records:
            self._writer.put(b"".join(self._encoded), self._encoded_records)
        self._encoded.clear()
        self._encoded_bytes = self._encoded_records = 0

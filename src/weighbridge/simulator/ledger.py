"""What really happened: every request with its true send times, and what was paid for."""

from __future__ import annotations

import logging
from array import array
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from weighbridge.errors import MeasurementError
from weighbridge.simulator.replies import Made

log = logging.getLogger(__name__)


class Entry(msgspec.Struct, omit_defaults=True, gc=False):
    """One request. Times are monotonic seconds, comparable across processes of one machine. `sent` holds when each
    piece was handed to the socket: `tokens` pieces with a token each (reasoning first: the answer begins at piece
    `first_token`), then the one that ends the stream."""

    number: int
    key: str | None
    received: float
    stream: bool = False
    outcome: str = "open"
    status: int = 0
    paid: bool = False
    sent: list[float] = []
    first_token: int = 0
    tokens: int = 0
    finished: float = 0.0


class Stats(msgspec.Struct):
    """Counts since the start or the last reset. `paid` counts requests that were charged: one for each idempotency
    key, and each without a key; `repeated` those that came again under a key that was charged."""

    requests: int = 0
    completed: int = 0
    paid: int = 0
    repeated: int = 0
    tokens: int = 0
    concurrent: int = 0
    most_concurrent: int = 0
    faults: dict[str, int] = {}
    limited: int = 0


class Charged(msgspec.Struct, gc=False):
    """What is remembered under an idempotency key: which request it was, and its reply once it was sent whole."""

    body: int
    made: Made | None = None


class Ledger:
    """Kept in memory, and written to a file a buffer at a time where one is given. Raises MeasurementError where the
    file cannot be opened."""

    def __init__(self, path: Path | None = None) -> None:
        self.stats = Stats(faults={})
        self._entries: list[tuple[Entry, array[float] | None]] = []
        self._charged: dict[str, Charged] = {}
        self._encode = msgspec.json.Encoder().encode
        self._path = path
        self._file: BinaryIO | None = None
        self._failure = ""
        if path is not None:
            try:
                self._file = path.open("ab", buffering=1 << 20)
            except OSError as error:
                raise MeasurementError(f"the log cannot be written: {error.strerror}", where=str(path)) from error

    def remembered(self, key: str | None) -> Charged | None:
        return self._charged.get(key) if key is not None else None

    def charge(self, key: str | None, body: bytes) -> bool:
        """Counts a request as paid, once for each key: also where its client vanished before the reply was whole. True
        where it is new."""
        if key is not None:
            if key in self._charged:
                self.stats.repeated += 1
                return False
            self._charged[key] = Charged(hash(body))
        self.stats.paid += 1
        return True

    def keep(self, key: str | None, made: Made) -> None:
        """The reply that a further request under this key gets."""
        charged = self.remembered(key)
        if charged is not None:
            charged.made = made

    def record(self, entry: Entry, sent: array[float] | None = None) -> None:
        # Send times stay packed until they are read: lists of floats would make the cycle collector walk them all.
        self._entries.append((entry, sent))
        if self._file is not None:
            try:
                self._file.write(self._encode(_unpacked(entry, sent)) + b"\n")
            except OSError as error:
                self._fail(error)

    @property
    def entries(self) -> list[Entry]:
        """Every request that has ended, in the order they did."""
        return [_unpacked(entry, sent) for entry, sent in self._entries]

    def lines(self) -> bytes:
        return b"".join(self._encode(entry) + b"\n" for entry in self.entries)

    def reset(self) -> None:
        self.stats = Stats(faults={}, concurrent=self.stats.concurrent, most_concurrent=self.stats.concurrent)
        self._entries.clear()
        self._charged.clear()

    def close(self) -> None:
        """Raises MeasurementError where the log could not be written whole."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                self._fail(error)
            self._file = None
        if self._failure:
            raise MeasurementError(f"the log is not whole: {self._failure}", where=str(self._path))

    def _fail(self, error: OSError) -> None:
        """The simulation goes on: those who measure against it still have the log in memory."""
        if not self._failure:
            self._failure = error.strerror or str(error)
            log.error("the log %s is not written any more: %s", self._path, self._failure)
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # it is the same one, from what was still in the buffer
                file.close()


def _unpacked(entry: Entry, sent: array[float] | None) -> Entry:
    return entry if sent is None else msgspec.structs.replace(entry, sent=sent.tolist())


def decode(data: bytes) -> list[Entry]:
    """Entries from a log's bytes."""
    decoder: Any = msgspec.json.Decoder(Entry)
    return [decoder.decode(line) for line in data.splitlines()]

"""What really happened: every request with its true send times, and what was paid for."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from weighbridge.errors import MeasurementError


class Entry(msgspec.Struct, omit_defaults=True, gc=False):
    """Times are monotonic seconds, comparable across processes of one machine. `sent` holds when each piece was handed
    to the socket; `token_pieces` says which of them bore tokens."""

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
    key, and each without a key."""

    requests: int = 0
    completed: int = 0
    paid: int = 0
    repeated: int = 0
    tokens: int = 0
    concurrent: int = 0
    most_concurrent: int = 0
    faults: dict[str, int] = {}
    limited: int = 0


class Ledger:
    """Kept in memory, and written to a file a buffer at a time where one is given."""

    def __init__(self, path: Path | None = None) -> None:
        self.stats = Stats(faults={})
        self._entries: list[tuple[Entry, array[float] | None]] = []
        self._charged: set[str] = set()
        self._encode = msgspec.json.Encoder().encode
        self._file: BinaryIO | None = None
        if path is not None:
            try:
                self._file = path.open("ab", buffering=1 << 20)
            except OSError as error:
                raise MeasurementError(f"the log cannot be written: {error.strerror}", where=str(path)) from error

    def charge(self, key: str | None) -> bool:
        """Counts a request as paid, once for each key. True where it is new."""
        if key is not None:
            if key in self._charged:
                self.stats.repeated += 1
                return False
            self._charged.add(key)
        self.stats.paid += 1
        return True

    def record(self, entry: Entry, sent: array[float] | None = None) -> None:
        # Send times stay packed until they are read: lists of floats would make the cycle collector walk them all.
        self._entries.append((entry, sent))
        if self._file is not None:
            self._file.write(self._encode(_unpacked(entry, sent)) + b"\n")

    @property
    def entries(self) -> list[Entry]:
        """Every request that has ended, in the order they did."""
        return [_unpacked(entry, sent) for entry, sent in self._entries]

    def lines(self) -> bytes:
        return b"".join(self._encode(entry) + b"\n" for entry in self.entries)

    def reset(self) -> None:
        self.stats = Stats(faults={}, concurrent=self.stats.concurrent)
        self._entries.clear()
        self._charged.clear()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _unpacked(entry: Entry, sent: array[float] | None) -> Entry:
    return entry if sent is None else msgspec.structs.replace(entry, sent=sent.tolist())


def decode(data: bytes) -> list[Entry]:
    """Entries from a log's bytes."""
    decoder: Any = msgspec.json.Decoder(Entry)
    return [decoder.decode(line) for line in data.splitlines()]

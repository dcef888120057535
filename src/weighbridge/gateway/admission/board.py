"""Named rows of whole numbers that all workers of one machine see: a mapped file, written without locks.

Each number has one writer (the worker whose seat it belongs to) and is written in one 8-byte store, so a process that
is killed leaves numbers that are whole. The lock is for what is rare: adding a row, and leasing money.

The file grows by chunks that are allocated before they are mapped: a full disk is an error when a row is added, and
never a bus error at a store. `path` None keeps the board in this process's memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from weighbridge.errors import MeasurementError

CHUNK: Final = 1 << 18
"""Bytes; a multiple of every page size there is."""
LOCK_WAIT_S: Final = 0.05
"""The holder needs microseconds. One that was stopped in the middle must not stop every other worker with it."""
_MAGIC: Final = 0x5742_4F41_5244_3031
_HEADER: Final = 8
_MAGIC_AT, _SEATS_AT, _BOOT_AT, _END_AT = range(4)
_WORD: Final = 8


class Busy(MeasurementError):
    """Somebody else held the board's lock for too long."""

    def __init__(self, where: Path | None = None) -> None:
        super().__init__("is held by another process", where=str(where or ""), mend="Is a worker of it stopped?")


class Board:
    """Rows by name. `rebooted` says that the machine may have lost the last writes: it was started since."""

    def __init__(self, path: Path | None, seats: int) -> None:
        self.seats = seats
        self.rebooted = False
        self._path = path
        self._rows: dict[str, memoryview[int]] = {}
        self._chunks: list[memoryview[int]] = []
        self._read_to = _HEADER
        self._fd = -1
        if path is not None:
            self._open(path)

    def row(self, name: str, words: int) -> memoryview[int]:
        """The row of this name, all zeros at first. Raises Busy, and MeasurementError where the disk refuses."""
        found = self._rows.get(name)
        if found is None:
            found = self._find(name, words)
        if len(found) != words:
            raise MeasurementError(f"row {name!r} has {len(found)} numbers, not {words}", where=str(self._path))
        return found

    def rows(self, prefix: str) -> dict[str, memoryview[int]]:
        """Every row there is whose name begins so, those of other workers too."""
        if self._path is not None:
            with self.locked():
                self._scan()
        return {name: row for name, row in self._rows.items() if name.startswith(prefix)}

    def sit(self, seat: int) -> None:
        """Somebody takes this seat, or has left it with nothing to clear up (a negative number)."""
        self.row("seats", self.seats)[abs(seat)] = int(seat > 0)

    def taken(self) -> list[int]:
        """Seats that somebody took and nobody has cleared up since."""
        return [seat for seat, taken in enumerate(self.row("seats", self.seats)) if taken]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among the workers. Raises Busy after 50 ms."""
        if self._path is None:
            yield
            return
        end = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise Busy(self._path) from None
                time.sleep(0.0001)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def flush(self) -> None:
        """To the disk, so that a power cut loses little. Takes milliseconds: off the event loop."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.fsync(self._fd)

    def close(self) -> None:
        """Lets go of the file; rows that were handed out stay readable. Calling it again does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._chunks, self._rows = [], {}

    def _find(self, name: str, words: int) -> memoryview[int]:
        if self._path is None:
            return self._rows.setdefault(name, memoryview(bytearray(words * _WORD)).cast("q"))
        with self.locked():
            self._scan()
            found = self._rows.get(name)
            return found if found is not None else self._append(name, words)

    def _open(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with self.locked():
                if os.fstat(self._fd).st_size < CHUNK:
                    self._grow()
                    head = self._chunks[0]
                    head[_SEATS_AT], head[_BOOT_AT], head[_END_AT] = self.seats, _boot(), _HEADER
                    head[_MAGIC_AT] = _MAGIC
                self._map()
                self._check(self._chunks[0])
        except OSError as error:
            raise MeasurementError((error.strerror or str(error)).lower(), where=str(path)) from error

    def _check(self, head: memoryview[int]) -> None:
        if head[_MAGIC_AT] != _MAGIC or head[_SEATS_AT] != self.seats:
            raise MeasurementError("is no board of this version", where=str(self._path), mend="Move it away")
        self.rebooted = head[_BOOT_AT] != _boot()

    def trust(self) -> None:
        """Whatever a restart of the machine cost has been made good."""
        if self._chunks:
            self._chunks[0][_BOOT_AT] = _boot()
        self.rebooted = False

    def _grow(self) -> None:
        size = os.fstat(self._fd).st_size
        size -= size % CHUNK
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._fd, size, CHUNK)
        else:  # macOS has none: real zeros take their room as well
            os.pwrite(self._fd, bytes(CHUNK), size)
        self._map()

    def _map(self) -> None:
        size = os.fstat(self._fd).st_size
        while (len(self._chunks) + 1) * CHUNK <= size:
            mapped = mmap.mmap(self._fd, CHUNK, offset=len(self._chunks) * CHUNK)
            self._chunks.append(memoryview(mapped).cast("q"))

    def _scan(self) -> None:
        """Reads the rows that were added since: length of the name in bytes, number of words, the name, the words."""
        self._map()
        per_chunk = CHUNK // _WORD
        end = self._chunks[0][_END_AT]
        while self._read_to < end:
            index, at = divmod(self._read_to, per_chunk)
            chunk = self._chunks[index]
            if at + 2 > per_chunk or chunk[at] == 0:  # the next row did not fit in here
                self._read_to = (index + 1) * per_chunk
                continue
            length, words = chunk[at], chunk[at + 1]
            begins = at + 2 + -(-length // _WORD)
            name = bytes(chunk[at + 2 : begins].cast("B")[:length]).decode()
            self._rows[name] = chunk[begins : begins + words]
            self._read_to = index * per_chunk + begins + words

    def _append(self, name: str, words: int) -> memoryview[int]:
        coded = name.encode()
        padded = coded + bytes(-len(coded) % _WORD)
        needs, per_chunk = 2 + len(padded) // _WORD + words, CHUNK // _WORD
        if needs > per_chunk - _HEADER:
            raise MeasurementError(f"row {name[:40]!r} is too long", where=str(self._path))
        index, at = divmod(self._chunks[0][_END_AT], per_chunk)
        if at + needs > per_chunk:
            index, at = index + 1, 0
        if index >= len(self._chunks):
            try:
                self._grow()
            except OSError as error:
                raise MeasurementError((error.strerror or "").lower(), where=str(self._path)) from error
        chunk = self._chunks[index]
        begins = at + 2 + len(padded) // _WORD
        chunk[at + 1] = words
        chunk[at + 2 : begins].cast("B")[:] = padded
        chunk[at] = len(coded)
        self._chunks[0][_END_AT] = index * per_chunk + begins + words  # from here on it is there
        self._scan()
        return self._rows[name]


def _boot() -> int:
    """A number that changes when the machine starts anew; 0 where it cannot be known."""
    try:
        return zlib.crc32(Path("/proc/sys/kernel/random/boot_id").read_bytes()) + 1
    except OSError:
        return 0

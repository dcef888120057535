"""Segments: files of records that one process appends to, and that are sealed when it is done with them.

    exchanges/live/<worker>-<opened>-<process>-<n>.jsonl

A segment appears under its name already locked, and the lock lasts as long as the file is open: whoever gets the lock
knows that no process will write to it any more, however that process ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from weighbridge.records.exchange import Record, decode

_LONGEST: Final = 64 * 2**20  # two bodies of 1 MiB take 12 at most: longer is damage, and is not held in memory
_NAME: Final = re.compile(r"(?P<worker>.+)-(?P<date>\d{8})T\d{6}-[0-9a-f]{6}-\d+")

Write = Callable[[int, bytes], int]


def folder(home: Path) -> Path:
    return home / "exchanges"


def live(home: Path) -> list[Path]:
    """Segments that are not sealed, oldest first of each worker; being written or left by a process that ended."""
    return sorted(path for path in (folder(home) / "live").glob("*.jsonl") if not path.name.startswith("."))


def date_of(stem: str) -> str:
    """The day (UTC) a segment was opened: `2026-10-25`; `undated` for a file that somebody renamed."""
    found = _NAME.fullmatch(stem)
    if found is None:
        return "undated"
    digits = found["date"]
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"


def worker_of(stem: str) -> str | None:
    found = _NAME.fullmatch(stem)
    return found["worker"] if found else None


class Segment:
    """Open for appending. Raises OSError where it cannot be made."""

    def __init__(self, home: Path, worker: str, process: str, number: int, *, write: Write = os.write) -> None:
        within = _made(home)
        opened = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        safe = re.sub(r"[^A-Za-z0-9_.-]", "_", worker).lstrip(".") or "worker"
        self.path = within / f"{safe}-{opened}-{process}-{number:04d}.jsonl"
        self.size = 0
        self.torn = False
        self._write = write
        self._fd = _locked(self.path)

    def append(self, data: bytes) -> tuple[int, OSError | None]:
        """Appends whole lines. How many bytes of them are in the file, and what the disk said where that is not all:
        a line that it took in part is taken back."""
        written = 0
        try:
            while written < len(data):
                written += self._write(self._fd, data[written:] if written else data)
        except OSError as error:
            kept = data.rfind(b"\n", 0, written) + 1
            if written != kept:
                self._cut(self.size + kept)
            self.size += kept
            return kept, error
        self.size += written
        return written, None

    def _cut(self, size: int) -> None:
        try:
            os.ftruncate(self._fd, size)
        except OSError:
            self.torn = True  # readers skip a torn last line; so nothing may follow it

    def deleted(self) -> bool:
        """Somebody removed the file: what is written to it goes nowhere."""
        return os.fstat(self._fd).st_nlink == 0

    def close(self) -> None:
        """Never raises: what was written is in the system's hands."""
        with contextlib.suppress(OSError):
            if not self.size:
                self.path.unlink()
        with contextlib.suppress(OSError):
            os.close(self._fd)


def _made(home: Path) -> Path:
    """The folder of live segments; bodies may be in it, so it is its owner's alone."""
    within = folder(home) / "live"
    if not within.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        folder(home).mkdir(mode=0o700, exist_ok=True)
        within.mkdir(mode=0o700, exist_ok=True)
    return within


def _locked(path: Path) -> int:
    """Made under another name and renamed once locked, so that nobody ever sees it unlocked and empty."""
    unready = path.with_name(f".{path.name}")
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(unready, flags, 0o600)
    try:
        with contextlib.suppress(OSError):  # a file system without locks: what is there stays unsealed
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unready.rename(path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


Damaged = Callable[[int, bytes, str], None]
"""Told of a line that is no record: its number, the line (cut where it is too long to hold), and why."""


def records(file: BinaryIO, damaged: Damaged | None = None) -> Iterator[Record]:
    """Records of a segment in the order written. A last line without its end was cut off by a kill and is left out, or
    is being written; other lines that are no record are told to `damaged`."""
    for number, line in _lines(file):
        try:
            record = decode(line)
        except ValueError as error:
            if damaged is not None:
                damaged(number, line, str(error))
            continue
        if record is not None:
            yield record
        elif damaged is not None:
            damaged(number, line, "a kind of record this version does not know")


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := file.readline(_LONGEST):
        number += 1
        whole = line.endswith(b"\n")
        while not whole and (more := file.readline(_LONGEST)):
            whole = more.endswith(b"\n")
            line = line[:1024]  # too long for a record: enough of it to look at
        if whole:
            yield number, line

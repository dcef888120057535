"""The journal: every request is written down before it leaves, every result before it counts.

One JSON object a line: a header, then `{"t":"sent", …}` and `{"t":"result", …}`. Each line is one write to the file, so
what was written survives `kill -9`; a line that was cut by it is the last one, and is taken off on resume.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import msgspec

from weighbridge.errors import MeasurementError, UsageError
from weighbridge.replay.result import Result

Key = tuple[str, str, int]


class Header(msgspec.Struct, frozen=True, tag_field="t", tag="run"):
    """`plan` is the plan's digest: another plan cannot go on with this journal."""

    run: str
    plan: str
    version: int = 1


class Sent(msgspec.Struct, frozen=True, tag_field="t", tag="sent", omit_defaults=True):
    """An attempt that is about to leave; `most` is what it may cost in USD at most, where a budget is kept."""

    candidate: str
    sample: str
    repeat: int
    attempt: int
    most: float = 0.0


class Done(msgspec.Struct, frozen=True, tag_field="t", tag="result"):
    result: Result


Line = Header | Sent | Done


@dataclass(slots=True)
class Past:
    """What a journal holds already. `in_flight` were sent by a process that died before it heard: they are sent again
    under the same Idempotency-Key, and a provider that does not know that header is paid twice for them."""

    done: set[Key] = field(default_factory=set)
    in_flight: dict[Key, Sent] = field(default_factory=dict)
    spent: float = 0.0
    unknown_costs: int = 0
    lines: int = 0


class Journal:
    """Open for appending, by one process at a time."""

    def __init__(self, path: Path, *, run: str, plan: str, sync: bool = False) -> None:
        """Raises UsageError where another process has it open, it belongs to another plan or a line is damaged, and
        MeasurementError where the disk refuses. `sync` waits for the disk after every result."""
        self.path = path
        self._sync = sync
        self._encode = msgspec.json.Encoder().encode
        self._fd = self._opened()
        try:
            self.past = self._read(plan)
            self._size = os.fstat(self._fd).st_size
            if not self.past.lines:
                self._write(Header(run, plan))
        except BaseException:
            os.close(self._fd)
            raise

    def _opened(self) -> int:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise self._refused(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise UsageError(
                "another process is running this run", where=str(self.path), mend="Wait for it, or stop it"
            ) from None
        return descriptor

    def _read(self, plan: str) -> Past:
        past = Past()
        whole = 0
        for number, line in _lines(self.path):
            whole += len(line)
            try:
                entry = msgspec.json.decode(line, type=Line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise UsageError(
                    f"damaged line: {error}",
                    where=f"{self.path}:{number}",
                    mend="Delete that line; its request will be sent again",
                ) from None
            if isinstance(entry, Header) and entry.plan != plan:
                raise UsageError(
                    "this journal belongs to another plan: candidates, samples, repeats or seed differ",
                    where=str(self.path),
                    mend="Start a new run, or undo the change",
                )
            past.lines += 1
            _remember(past, entry)
        if whole != os.fstat(self._fd).st_size:
            os.ftruncate(self._fd, whole)  # a line that a killed process left half-written
        return past

    def sent(self, key: Key, attempt: int, most: float = 0.0) -> None:
        """Call before an attempt leaves. Raises MeasurementError where it cannot be written."""
        self._write(Sent(*key, attempt, most))

    def result(self, result: Result) -> None:
        """Call before a result counts. Raises MeasurementError where it cannot be written."""
        self._write(Done(result))
        if self._sync:
            os.fsync(self._fd)

    def _write(self, entry: Line) -> None:
        line = self._encode(entry) + b"\n"
        try:
            written = os.write(self._fd, line)
            if written != len(line):  # the disk filled up in the middle
                os.ftruncate(self._fd, self._size)
        except OSError as error:
            raise self._refused(error) from error
        if written != len(line):
            raise self._refused(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        self._size += written

    def _refused(self, error: OSError) -> MeasurementError:
        return MeasurementError(
            f"the journal cannot be written: {error.strerror or error}",
            where=str(self.path),
            mend="Make room and run the same command again: it goes on where this stopped",
        )

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> Literal[False]:
        self.close()
        return False


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Whole lines with their numbers."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.endswith(b"\n"):
                yield number, line


def _remember(past: Past, entry: Line) -> None:
    if isinstance(entry, Sent):
        past.in_flight[entry.candidate, entry.sample, entry.repeat] = entry
    elif isinstance(entry, Done):
        result = entry.result
        past.in_flight.pop(result.key, None)
        past.done.add(result.key)
        past.spent += result.cost or 0.0
        past.unknown_costs += result.cost is None

"""A number for each living worker of one home folder, known free again the moment its process is gone.

A seat is held by a lock on its file, which the kernel lets go however the process ends: no process id is compared,
so none that was given to another process can deceive. Seat 0 is nobody's: it stands for other machines.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from weighbridge.errors import MeasurementError


class Seat:
    """The lowest free seat of `folder`, below `seats`. Raises MeasurementError where all are taken."""

    def __init__(self, folder: Path, seats: int) -> None:
        self._folder = folder
        self.seats = seats
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, seats):
            held = self._lock(number)
            if held is not None:
                self.number, self._held = number, held
                return
        raise MeasurementError(
            f"all {seats - 1} workers' seats are taken", where=str(folder), mend="Stop a worker, or use another home"
        )

    def _lock(self, number: int) -> int | None:
        path = self._folder / f"seat-{number:02d}.lock"
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(held)
            return None
        return held

    @contextlib.contextmanager
    def vacant(self, number: int) -> Iterator[bool]:
        """Whether nobody lives in this seat; nobody can take it while the block runs."""
        held = self._lock(number) if number != self.number else None
        try:
            yield held is not None
        finally:
            if held is not None:
                os.close(held)

    def leave(self) -> None:
        """Frees the seat. Calling it again does nothing."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

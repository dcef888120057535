"""Limits and budgets where the disk is full when the gateway starts: it serves all the same, and says what it cannot.

Limits count within one worker then. Money cannot be kept there: what was spent before is not known, nor what others
spend, so a request under a budget is a 503 until there is room again.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from weighbridge.errors import MeasurementError
from weighbridge.gateway.admission.admission import Admission
from weighbridge.gateway.admission.board import CHUNK, Board
from weighbridge.gateway.admission.rules import Rules

log = logging.getLogger(__name__)

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
"""What passes without a change of configuration. Anything else is told at once, by not starting."""


class _Unkept(Board):
    """Stands in for the board of budgets, and keeps none."""

    def __init__(self, why: str) -> None:
        super().__init__(None, 2)
        self._why = why

    def row(self, name: str, words: int) -> memoryview[int]:  # noqa: ARG002
        raise MeasurementError(f"{name!r} cannot be kept: {self._why}")


def shared_or_alone(rules: Mapping[str, Rules], *, home: Path | None, workers: int) -> Admission:
    """Raises MeasurementError where the home folder cannot be used for another reason than a disk without room."""
    try:
        return Admission(rules, home=home, workers=workers)
    except (MeasurementError, OSError) as error:
        if home is None or not _full(error):
            raise
        log.warning("limits count in this worker alone, and requests under a budget are refused: %s", error)
        made = Admission(rules)
        made.budgets.board = _Unkept(str(error))
        return made


def is_alone(admission: Admission) -> bool:
    """Whether it was made on a full disk, and could be made better once that has room."""
    return isinstance(admission.budgets.board, _Unkept)


def has_room(home: Path) -> bool:
    """Whether limits and budgets could be kept there. Looked at first, for a try that fails takes a worker's seat."""
    folder = home / "admission"
    probe = folder / f"room-{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_bytes(bytes(2 * CHUNK))
        finally:
            probe.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _full(error: Exception) -> bool:
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, OSError) and cause.errno in _FULL

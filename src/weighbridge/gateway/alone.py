"""Limits and budgets where the disk is full when the gateway starts: it serves all the same, and says what it cannot.

Limits count within one worker then. Money cannot be kept there: what was spent before is not known, nor what others
spend, so a request under a budget is a 503 until there is room again.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from weighbridge.errors import MeasurementError
from weighbridge.gateway.admission.admission import Admission
from weighbridge.gateway.admission.board import CHUNK, Board
from weighbridge.gateway.admission.budgets import Budgets, Purse
from weighbridge.gateway.admission.plan import Plans
from weighbridge.gateway.admission.rules import Budget, Rules

log = logging.getLogger(__name__)

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
"""What passes without a change of configuration. Anything else is told at once, by not starting."""


def shared_or_alone(rules: Mapping[str, Rules], *, home: Path | None, workers: int) -> Admission:
    """Raises MeasurementError where the home folder cannot be used for another reason than a disk without room."""
    try:
        return Admission(rules, home=home, workers=workers)
    except (MeasurementError, OSError) as error:
        if home is None or not _full(error):
            raise
        log.warning("limits count in this worker alone, and requests under a budget are refused: %s", error)
        return Alone(rules, home, workers, str(error))


class Alone(Admission):
    """One worker's limits, in its memory, and no budget at all."""

    def __init__(self, rules: Mapping[str, Rules], home: Path, workers: int, why: str) -> None:
        super().__init__(rules)
        self._home = home
        self._workers = workers
        self.budgets = _Unkept(why)
        self._made = Plans(dict(rules), self.limits, self._spare, self.budgets)

    def again(self) -> Admission | None:
        """What is to serve from now on, once the disk has room; None: as before."""
        if not _room(self._home / "admission"):
            return None
        try:
            made = Admission(self._made.endpoints, home=self._home, workers=self._workers)
        except (MeasurementError, OSError):
            return None
        log.warning("the disk has room again: limits are shared by all workers, and budgets are kept")
        return made


class _Unkept(Budgets):
    """Refuses to keep any budget."""

    def __init__(self, why: str) -> None:
        super().__init__(Board(None, 2), 1)
        self._why = why

    def purse(self, owner: str, budget: Budget) -> Purse:
        """Raises MeasurementError, always."""
        raise MeasurementError(f"the {budget.period}'s budget of {owner} cannot be kept: {self._why}")


def _full(error: Exception) -> bool:
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, OSError) and cause.errno in _FULL


def _room(folder: Path) -> bool:
    """Whether both files could be begun. Looked at first, so that no try that must fail takes a worker's seat."""
    probe = folder / f"room-{id(folder):x}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_bytes(bytes(2 * CHUNK))
        finally:
            probe.unlink(missing_ok=True)
    except OSError:
        return False
    return True

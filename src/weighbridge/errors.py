"""Every error a person may meet, and the exit code a command ends with.

WeighbridgeError            one line: where, what, and the mend
├── UsageError              exit 2: bad usage, configuration or input file
├── CriterionFailed         exit 1: measured, and a criterion is not met
├── MeasurementError        exit 3: could not measure (provider, network, disk)
└── TransportError          exit 3: one HTTP call failed; `weighbridge.transport.faults` has its subclasses
"""

from __future__ import annotations

from typing import ClassVar


class WeighbridgeError(Exception):
    """Base of all our errors. `str(error)` is one line a person can act on.

    `where` names the place ("weighbridge.yaml:12", "samples.jsonl:7", "https://host:443"), `what` says what is
    wrong, and `mend` what to do about it.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        if self.mend:
            line = f"{line.rstrip('.')}. {self.mend}"
        return " ".join(line.split())

    def lines(self) -> list[str]:
        """Every problem this error stands for, one line each."""
        return [str(self)]


class UsageError(WeighbridgeError):
    """Bad usage, configuration or input: nothing was measured, and the mend is in the user's hands."""

    exit_code = 2


class CriterionFailed(WeighbridgeError):
    """Measured, and a criterion the user set is not met."""

    exit_code = 1


class MeasurementError(WeighbridgeError):
    """It could not be measured: a provider, the network or the disk stood in the way."""


class TransportError(WeighbridgeError):
    """One HTTP call failed below the level of HTTP status codes."""

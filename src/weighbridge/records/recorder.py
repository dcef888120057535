"""Appending records while requests are served: never waits, never raises, loses at most 50 ms to a kill."""

from __future__ import annotations

from pathlib import Path

from weighbridge.records.exchange import Record


class Recorder:
    """`worker` names this process among those that share `home`. Use from one event loop."""

    def __init__(self, home: Path, worker: str) -> None:
        self.home = home
        self.worker = worker

    @property
    def lost(self) -> int:
        """How many records the disk refused, or was too slow for."""
        return 0

    @property
    def why(self) -> str | None:
        """Why the last of them was lost."""
        return None

    def append(self, record: Record) -> None:
        """Never blocks, never raises."""

    async def close(self, limit: float = 5.0) -> None:
        """Writes what is left; after `limit` seconds of a disk that does not answer, the rest counts as lost."""

"""When things happened on one HTTP call, in seconds on `time.monotonic()` (system-wide on Linux)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Timing:
    """Stamps of one call. Every stamp is read in a protocol callback, before any task runs.

    `intended` is when the call should have been sent by the arrival schedule; latency counts from there, so a late
    client cannot hide its lateness (coordinated omission). None: it did not happen (or was not needed: a reused
    connection has no `connected` and no `tls_done`).
    """

    intended: float
    started: float
    connected: float | None = None
    tls_done: float | None = None
    sent: float | None = None
    first_byte: float | None = None
    end: float | None = None
    reused: bool = False
    retried_stale: bool = False

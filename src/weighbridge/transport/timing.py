"""When things happened on one HTTP call, in seconds on `time.monotonic()` (system-wide on Linux)."""

from __future__ import annotations


class Timing:
    """Stamps of one call. Every stamp is read in a protocol callback, before any task runs.

    `intended` is when the call should have been sent by the arrival schedule; latency counts from there, so a late
    client cannot hide its lateness (coordinated omission). None: it did not happen (or was not needed: a reused
    connection has no `connected` and no `tls_done`).
    """

    __slots__ = (
        *("connected", "end", "first_byte", "intended", "retried_stale", "reused", "sent", "started", "tls_done"),
    )

    def __init__(
        self,
        intended: float,
        started: float,
        *,
        sent: float | None = None,
        first_byte: float | None = None,
        end: float | None = None,
        retried_stale: bool = False,
    ) -> None:
        self.intended = intended
        self.started = started
        self.connected: float | None = None
        self.tls_done: float | None = None
        self.sent = sent
        self.first_byte = first_byte
        self.end = end
        self.reused = False
        self.retried_stale = retried_stale

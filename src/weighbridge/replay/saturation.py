"""Was it the client? A measurement is only as good as the clock's reader was punctual."""

from __future__ import annotations

import asyncio
from time import monotonic

import msgspec

_PROBE_S = 0.05
_LATE_S = 0.010


class Saturation(msgspec.Struct, frozen=True):
    """Seconds. `lateness_p99`: how late requests left against their schedule (open loop only: a closed loop has none).
    `loop_lag_p99`: how late the event loop ran a timer. `saturated` where either would show in the figures."""

    lateness_p99: float
    loop_lag_p99: float
    saturated: bool

    @property
    def verdict(self) -> str:
        said = f"loop lag P99 {self.loop_lag_p99 * 1000:.1f} ms, lateness P99 {self.lateness_p99 * 1000:.1f} ms"
        if self.saturated:
            return f"client saturated: {said}; latencies are inflated, send less at once or measure from more machines"
        return f"client not saturated: {said}"


class Watch:
    """Measures loop lag with a timer, and lateness as it is told."""

    def __init__(self) -> None:
        self._lags: list[float] = []
        self._late: list[float] = []
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = monotonic() + _PROBE_S
        self._timer = loop.call_later(_PROBE_S, self._probe)

    def _probe(self) -> None:
        self._lags.append(max(0.0, monotonic() - self._due))
        self.start()

    def late(self, seconds: float) -> None:
        self._late.append(seconds)

    def stop(self) -> Saturation:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lag, late = _p99(self._lags), _p99(self._late)
        return Saturation(late, lag, saturated=lag > _LATE_S or late > _LATE_S)


def _p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))] if values else 0.0

"""How the targets are doing, as seen by this worker. The clock is passed in: monotonic seconds."""

from __future__ import annotations

from typing import Final

from weighbridge.routing.breaker import Breaker
from weighbridge.routing.latency import Ewma, Recent
from weighbridge.wire.failure import ErrorClass

COOL_FIRST: Final = 1.0
"""Seconds a target rests after a rate limit that does not say how long; twice as long each time in a row …"""
COOL_MOST: Final = 30.0
"""… but never longer than this."""
TOLD_MOST: Final = 3600.0
"""The longest `retry_after` that is believed, in seconds: a garbled header must not bench a target for ever."""
CLIENTS_FAULT: Final[frozenset[ErrorClass]] = frozenset({"invalid_request", "content_filter", "context_length"})
"""Says nothing about the target."""


class TargetHealth:
    """One target. `ready_at` is when it may be sent to again (0 or past: now), kept current by every event, because it
    is read far more often than it changes."""

    __slots__ = ("_cool_until", "_rate_limits", "breaker", "in_flight", "ready_at", "recent", "total", "ttft")

    def __init__(self) -> None:
        self.in_flight = 0
        self.ready_at = 0.0
        self.breaker = Breaker()
        self.ttft = Ewma()
        self.total = Ewma()
        self.recent = Recent()
        self._cool_until = 0.0
        self._rate_limits = 0

    def started(self, now: float) -> None:
        self.in_flight += 1
        if self.breaker.opened:
            self.breaker.started(now)
            self._settle()

    def first_token(self, now: float, ttft: float) -> None:
        self.ttft.add(ttft, now)
        self.recent.add(ttft)
        if self.breaker.opened:
            self.breaker.succeeded(now, now - ttft)
            self._settle()

    def given_up(self, now: float, total: float | None) -> None:
        self.in_flight = max(0, self.in_flight - 1)
        self.breaker.released(now, now - (total or 0.0))
        self._settle()

    def succeeded(self, now: float, ttft: float | None, total: float | None) -> None:
        self.in_flight = max(0, self.in_flight - 1)
        if ttft is not None:
            self.ttft.add(ttft, now)
            self.recent.add(ttft)
        if total is not None:
            self.total.add(total, now)
        self.breaker.succeeded(now, now - (total or 0.0))
        if now >= self._cool_until:
            self._rate_limits = 0
        self._settle()

    def failed(
        self, now: float, error_class: ErrorClass, retry_after: float | None, ttft: float | None, total: float | None
    ) -> None:
        self.in_flight = max(0, self.in_flight - 1)
        began = now - (total or 0.0)
        if error_class in CLIENTS_FAULT:
            self.breaker.answered(now, began)
        elif error_class == "rate_limit":
            self.breaker.answered(now, began)
            self._cool(now, retry_after)
        else:
            # Each time-out has cost somebody seconds, so it takes fewer of them.
            self.breaker.failed(now, began, strikes=2.0 if error_class == "timeout" else 1.0)
            if retry_after is not None and retry_after > 0:
                self._cool(now, retry_after)
            self._waited(now, error_class, ttft)
        self._settle()

    def _waited(self, now: float, error_class: ErrorClass, seconds: float | None) -> None:
        """A time-out is a time to first token of at least so long. Left out, a target that became slower would look as
        fast as its fastest answers, and a limit taken from those would never let it recover."""
        if error_class == "timeout" and seconds is not None:
            self.ttft.add(seconds, now)
            self.recent.add(seconds)

    def _cool(self, now: float, retry_after: float | None) -> None:
        """Every rate limit counts (litellm#32574), but those to requests sent before it was known are one piece of news
        and do not double the rest each."""
        if now >= self._cool_until:
            self._rate_limits += 1
        if retry_after is not None and retry_after > 0:
            rest = min(retry_after, TOLD_MOST)
        else:
            rest = min(COOL_MOST, COOL_FIRST * 2.0 ** min(self._rate_limits - 1, 10))
        self._cool_until = max(self._cool_until, now + rest)

    def _settle(self) -> None:
        self.ready_at = max(self._cool_until, self.breaker.until)


class Health:
    """The health of every target of a worker, by name; a target nobody has asked about yet is healthy.

    Pair every `started` with one `ended`.
    """

    __slots__ = ("_targets",)

    def __init__(self) -> None:
        self._targets: dict[str, TargetHealth] = {}

    def of(self, target: str) -> TargetHealth:
        """The record itself, for those who look it up once."""
        known = self._targets.get(target)
        if known is None:
            known = self._targets[target] = TargetHealth()
        return known

    def started(self, target: str, now: float) -> None:
        """An attempt is on its way: just before it is sent, no await since `Course.next` or `resume` returned."""
        self.of(target).started(now)

    def first_token(self, target: str, now: float, ttft: float) -> None:
        """Told early, so that a long stream need not end before the target is known to be back. `ended` then has no
        `ttft`."""
        self.of(target).first_token(now, ttft)

    def ended(
        self,
        target: str,
        now: float,
        *,
        ok: bool | None,
        error_class: ErrorClass | None = None,
        retry_after: float | None = None,
        ttft: float | None = None,
        total: float | None = None,
    ) -> None:
        """The attempt is over. `ok` None: we gave it up (client gone, hedge lost); it says nothing of the target.

        `ttft` (streams only) and `total` are seconds from sending. Of a stream that timed out before its first token,
        `ttft` is the time waited for it. `total` of a failure is no latency but tells when the attempt began, so that
        stragglers of an outage are not held against a target that is back. A failure without an `error_class` counts as
        `network`.
        """
        record = self.of(target)
        if ok is None:
            record.given_up(now, total)
        elif ok:
            record.succeeded(now, ttft, total)
        else:
            record.failed(now, error_class or "network", retry_after, ttft, total)

    def available(self, target: str, now: float) -> bool:
        """Whether the target may be sent to now: it does not cool down and its breaker lets one through."""
        return now >= self.of(target).ready_at

    def ready_at(self, target: str) -> float:
        """When it may be sent to again, monotonic seconds; 0 where nothing ever stood against it."""
        return self.of(target).ready_at

    def in_flight(self, target: str) -> int:
        return self.of(target).in_flight

    def p95(self, target: str) -> float | None:
        """The 95th percentile of recent times to first token in seconds; None before there are enough of them."""
        return self.of(target).recent.p95()

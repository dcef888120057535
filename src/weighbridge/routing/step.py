"""What a course decides: try a target, or stop."""

from __future__ import annotations

from typing import Literal

import msgspec

from weighbridge.wire.failure import Failure

Mode = Literal["fresh", "prefill", "restart"]


class Bounds(msgspec.Struct, frozen=True, gc=False):
    """How long this attempt may take, in seconds from when it is sent: the policy's limits as they are for this target
    now, none longer than the time left. `first_token` is that of a stream, or the head of a reply that is not streamed.
    `min_speed` is in tokens per second (None: any)."""

    connect: float
    first_token: float
    gap: float
    total: float
    min_speed: float | None = None

    def within(self, left: float) -> Bounds:
        """The same, none of them longer than `left` seconds."""
        return Bounds(
            connect=min(self.connect, left),
            first_token=min(self.first_token, left),
            gap=min(self.gap, left),
            total=min(self.total, left),
            min_speed=self.min_speed,
        )


class Try(msgspec.Struct, frozen=True, gc=False):
    """Send to `target` (a candidate's name) in `after` seconds (0: now). `attempt` counts from 1 within the exchange.

    `reason` says why this target, for the record: "priority", "fallback: rate_limit", "retry: network", "hedge", ….
    `mode` says what is sent: the request; the request with what was delivered as an assistant prefill to be continued;
    or the request again, whose answer may be passed on only if it begins with exactly what was delivered.
    """

    target: str
    after: float
    limits: Bounds
    reason: str
    attempt: int
    mode: Mode = "fresh"


class Stop(msgspec.Struct, frozen=True, gc=False):
    """No more attempts: `failure` is what the client is told, `reason` says why nothing else is tried."""

    failure: Failure
    reason: str

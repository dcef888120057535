"""What a course decides on, and what it decides: try a target, or stop. One of each is made for every request, so they
are plain classes."""

from __future__ import annotations

from typing import Final, Literal

from weighbridge.wire.failure import Failure

Mode = Literal["fresh", "prefill", "restart"]


_NOTHING: Final[frozenset[str]] = frozenset()


class Features:
    """What of a request its route depends on: what it `needs` ("tools", "images", …), how large its input is in tokens
    (an estimate; 0: unknown), and whether the answer is streamed."""

    __slots__ = ("needs", "stream", "tokens")

    def __init__(self, needs: frozenset[str] = _NOTHING, tokens: int = 0, stream: bool = True) -> None:
        self.needs = needs
        self.tokens = tokens
        self.stream = stream


class Bounds:
    """How long this attempt may take, in seconds from when it is sent: the policy's limits as they are for this target
    now, none longer than the time left. `first_token` is that of a stream, or the head of a reply that is not streamed.
    `min_speed` is in tokens per second (None: any)."""

    __slots__ = ("connect", "first_token", "gap", "min_speed", "total")

    def __init__(
        self, connect: float, first_token: float, gap: float, total: float, min_speed: float | None = None
    ) -> None:
        self.connect = connect
        self.first_token = first_token
        self.gap = gap
        self.total = total
        self.min_speed = min_speed

    def within(self, left: float) -> Bounds:
        """The same, none of them longer than `left` seconds."""
        return Bounds(
            min(self.connect, left),
            min(self.first_token, left),
            min(self.gap, left),
            min(self.total, left),
            self.min_speed,
        )


class Try:
    """Send to `target` (a candidate's name) in `after` seconds (0: now). `attempt` counts from 1 within the exchange.

    `reason` says why this target, for the record: "priority", "fallback: rate_limit", "retry: network", "hedge", ….
    `mode` says what is sent: the request; the request with what was delivered as an assistant prefill to be continued;
    or the request again, whose answer may be passed on only if it begins with exactly what was delivered.
    """

    __slots__ = ("after", "attempt", "limits", "mode", "reason", "target")

    def __init__(
        self, target: str, after: float, limits: Bounds, reason: str, attempt: int, mode: Mode = "fresh"
    ) -> None:
        self.target = target
        self.after = after
        self.limits = limits
        self.reason = reason
        self.attempt = attempt
        self.mode: Mode = mode


class Stop:
    """No more attempts: `failure` is what the client is told, `reason` says why nothing else is tried."""

    __slots__ = ("failure", "reason")

    def __init__(self, failure: Failure, reason: str) -> None:
        self.failure = failure
        self.reason = reason

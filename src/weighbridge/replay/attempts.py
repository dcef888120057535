"""Trying again: which failures may pass, how long to wait, and when to give up."""

from __future__ import annotations

import random

import msgspec

from weighbridge.wire.failure import ErrorClass, Failure

RETRYABLE: frozenset[ErrorClass] = frozenset({"rate_limit", "capacity", "timeout", "network", "protocol"})
"""What may pass by itself. The rest would fail the same way again: the request, the key or the content is at fault."""


class Retries(msgspec.Struct, frozen=True):
    """`most` further attempts after the first. Waits are full-jitter: uniform in [0, base·2ⁿ], at most `cap` seconds
    (Brooker, "Exponential Backoff and Jitter", 2015). No wait goes beyond `deadline` seconds from the intended
    start."""

    most: int = 2
    base: float = 0.5
    cap: float = 30.0
    deadline: float = 600.0

    def wait(self, failure: Failure, attempt: int, since: float, dice: random.Random) -> float | None:
        """Seconds to wait before attempt `attempt` + 1 (attempts count from 0), None to give up.

        A provider that says when to come back is believed: sooner is hammering, and the jitter comes on top.
        """
        if attempt >= self.most or failure.error_class not in RETRYABLE:
            return None
        wait = dice.uniform(0.0, min(self.cap, self.base * 2**attempt))
        if failure.retry_after is not None:
            wait = failure.retry_after + dice.uniform(0.0, min(0.25, self.base))
        return wait if since + wait < self.deadline else None

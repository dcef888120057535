"""How the targets are doing, as seen by this worker. The clock is passed in: monotonic seconds."""

from __future__ import annotations

from weighbridge.wire.failure import ErrorClass


class Health:
    """The health of every target of a worker, by name; a target nobody has asked about yet is healthy.

    Pair every `started` with one `ended`.
    """

    def started(self, target: str, now: float) -> None:
        """An attempt is on its way: just before it is sent, no await since `Course.next` or `resume` returned."""
        raise NotImplementedError

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

        `ttft` and `total` are seconds from sending; a failure's times are not counted.
        """
        raise NotImplementedError

    def available(self, target: str, now: float) -> bool:
        """Whether the target may be sent to now: it does not cool down and its breaker lets one through."""
        raise NotImplementedError

    def ready_at(self, target: str) -> float:
        """When it may be sent to again, monotonic seconds; 0 where it may now."""
        raise NotImplementedError

    def in_flight(self, target: str) -> int:
        raise NotImplementedError

    def p95(self, target: str) -> float | None:
        """The 95th percentile of recent times to first token in seconds; None before there are enough of them."""
        raise NotImplementedError

"""What a worker counts of the requests that ended, by endpoint, target and outcome."""

from __future__ import annotations

from typing import Final

from weighbridge.records.exchange import Exchange

BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds: upper ends of a histogram's buckets. One more bucket lies above them all."""

Key = tuple[str, str, str]
"""Endpoint, target (empty: nobody answered) and outcome."""


class Histogram:
    """How many times fell into each bucket, and their sum in seconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        place = 0
        for bound in BOUNDS:  # most times are short, so most searches are
            if seconds <= bound:
                break
            place += 1
        self.counts[place] += 1
        self.total += seconds


class Counts:
    """Of one label set."""

    __slots__ = ("attempts", "cost", "input", "output", "requests", "total", "ttft")

    def __init__(self) -> None:
        self.requests = 0
        self.attempts = 0
        self.input = 0
        self.output = 0
        self.cost = 0.0
        self.total = Histogram()
        self.ttft = Histogram()


class Counting:
    """`add` is on the request's path: a dict look-up and a few additions."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: dict[Key, Counts] = {}

    def add(
        self,
        key: Key,
        attempts: int,
        given: int | None,
        made: int | None,
        cost: float | None,
        ttft: float | None,
        total: float | None,
    ) -> None:
        """One exchange: `given` and `made` are tokens in and out, `cost` is USD, times are seconds."""
        counts = self.counts.get(key)
        if counts is None:
            counts = self.counts[key] = Counts()
        counts.requests += 1
        counts.attempts += attempts
        if given is not None:
            counts.input += given
        if made is not None:
            counts.output += made
        if cost is not None:
            counts.cost += cost
        if total is not None:
            counts.total.add(total)
        if ttft is not None:
            counts.ttft.add(ttft)

    def note(self, record: Exchange) -> None:
        """One exchange, by its record. Of a cached answer nothing was counted anew."""
        cached = record.cache is not None
        self.add(
            (record.endpoint if record.outcome != "refused" else "", record.route.target or "", record.outcome),
            len(record.attempts),
            None if cached else record.usage.input,
            None if cached else record.usage.output,
            record.cost,
            record.ttft,
            record.total,
        )

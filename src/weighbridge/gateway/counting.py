"""What a worker counts of the requests that ended, by endpoint, target and outcome."""

from __future__ import annotations

from typing import Final

from weighbridge.records.exchange import Exchange

BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds: upper ends of a histogram's buckets. One more bucket lies above them all."""

Key = tuple[str, str, str]


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

    def add(self, record: Exchange) -> None:
        self.requests += 1
        self.attempts += len(record.attempts)
        if record.cache is None:  # of a cached answer, nothing was counted anew
            usage = record.usage
            self.input += usage.input or 0
            self.output += usage.output or 0
        cost, total, ttft = record.cost, record.total, record.ttft
        if cost is not None:
            self.cost += cost
        if total is not None:
            self.total.add(total)
        if ttft is not None:
            self.ttft.add(ttft)


class Counting:
    """`note` is on the request's path: a dict look-up and a few additions."""

    def __init__(self) -> None:
        self.counts: dict[Key, Counts] = {}

    def note(self, record: Exchange) -> None:
        outcome = record.outcome
        key = (record.endpoint if outcome != "refused" else "", record.route.target or "", outcome)
        counts = self.counts.get(key)
        if counts is None:
            counts = self.counts[key] = Counts()
        counts.add(record)

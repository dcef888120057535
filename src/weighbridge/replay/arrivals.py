"""When requests are sent: a closed loop, or an open one whose arrivals no slow provider can hold back."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True, slots=True)
class Closed:
    """`concurrency` requests in flight; the next is meant to leave when one of them ends. They begin spread over `ramp`
    seconds: begun all at once, they keep step for the whole run, and every reply comes in a burst of them."""

    concurrency: int
    ramp: float = 0.0

    def __str__(self) -> str:
        ramped = f", begun over {self.ramp:g} s" if self.ramp else ""
        return f"closed loop, {self.concurrency} at a time{ramped}"


@dataclass(frozen=True, slots=True)
class Constant:
    """One request every 1/`rate` seconds."""

    rate: float

    def offsets(self) -> Iterator[float]:
        """Seconds from the run's start, rising, without end."""
        number = 0
        while True:
            yield number / self.rate
            number += 1

    def __str__(self) -> str:
        return f"constant, {self.rate:g}/s"


@dataclass(frozen=True, slots=True)
class Poisson:
    """Exponential gaps of mean 1/`rate` seconds, drawn by `seed`: what independent users make."""

    rate: float
    seed: int = 0

    def offsets(self) -> Iterator[float]:
        dice = random.Random(self.seed)  # noqa: S311 - a load, not a secret
        at = 0.0
        while True:
            yield at
            at += dice.expovariate(self.rate)

    def __str__(self) -> str:
        return f"Poisson, {self.rate:g}/s"


@dataclass(frozen=True, slots=True)
class Trace:
    """Recorded arrivals in rising seconds, sped up by `speed`, with `each` requests at every one of them (one for each
    candidate); after the last, the trace begins again."""

    times: Sequence[float]
    speed: float = 1.0
    each: int = 1

    @property
    def lap(self) -> float:
        """Seconds that the trace takes once, with a usual gap before it begins again."""
        span = self.times[-1] - self.times[0]
        return (span + span / max(1, len(self.times) - 1)) / self.speed

    def at(self, number: int) -> float:
        """When request `number` is due."""
        laps, place = divmod(number // self.each, len(self.times))
        return laps * self.lap + (self.times[place] - self.times[0]) / self.speed

    def offsets(self) -> Iterator[float]:
        return map(self.at, count())

    def __str__(self) -> str:
        return f"recorded arrivals at {self.speed:g} × speed"


Open = Constant | Poisson | Trace
Arrivals = Closed | Open

"""What one (candidate, sample, repeat) came to: one line of the journal."""

from __future__ import annotations

import msgspec

from weighbridge.wire.answer import Answer, Usage
from weighbridge.wire.failure import Failure


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One call to one provider. Times are seconds; `started` counts from the run's start, `took` to end or failure.
    `cost` is USD, None where the price or the usage is unknown."""

    started: float
    took: float
    status: int | None = None
    failure: Failure | None = None
    usage: Usage = Usage()
    cost: float | None = None


class Result(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`answer` is None exactly where the last attempt failed: a failed request is a failed sample, and its latency is
    censored. `intended` is seconds from the run's start. `cost` adds up every attempt, None where any is unknown."""

    candidate: str
    sample: str
    repeat: int
    intended: float
    attempts: tuple[Attempt, ...]
    answer: Answer | None = None
    cost: float | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        return (self.candidate, self.sample, self.repeat)

    @property
    def failure(self) -> Failure | None:
        return None if self.answer is not None else self.attempts[-1].failure

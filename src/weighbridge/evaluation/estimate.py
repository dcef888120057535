"""A figure with its uncertainty, in a form that JSON, a table and a chart can all show."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

Beyond = Literal["", "high", "value", "low"]


class Estimate(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`value` with its interval [`low`, `high`] at `confidence` (two-sided), from `n` results.

    A `value` of None is not known or not estimable, and `why` says so in words. `beyond` names the smallest of low,
    value and high that lies beyond `limit` (the time-out, in seconds) because requests failed: from there on nothing
    but "more than the limit" is known, and those fields are None.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    confidence: float = 0.95
    method: str = ""
    why: str = ""
    beyond: Beyond = ""
    limit: float | None = None

    @property
    def known(self) -> bool:
        return self.value is not None or self.beyond in ("value", "low")

    @property
    def upper(self) -> float:
        """The upper end, +inf where it is beyond the limit or unbounded."""
        return math.inf if self.high is None else self.high

    @property
    def lower(self) -> float:
        """The lower end; +inf where all of it is beyond the limit, -inf where there is none."""
        if self.low is not None:
            return self.low
        return math.inf if self.beyond == "low" else -math.inf


def censored(value: float, low: float, high: float, **rest: object) -> Estimate:
    """An Estimate from numbers of which the upper ones may be +inf."""
    beyond: Beyond = ""
    for name, number in (("high", high), ("value", value), ("low", low)):
        if math.isinf(number) and number > 0:
            beyond = name  # type: ignore[assignment]  # one of the three literals above
    finite = {"value": value, "low": low, "high": high}
    kept = {name: number if math.isfinite(number) else None for name, number in finite.items()}
    return msgspec.convert({**kept, "beyond": beyond, **rest}, Estimate)

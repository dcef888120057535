"""Latency quantiles: order statistics with exact intervals, failures at +inf, and no P99 from sixty results."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from weighbridge.stats.estimate import checked, checked_level
from weighbridge.stats.special import binomial_cdf


class Quantile(NamedTuple):
    """`value` of the `q`-quantile within [`low`, `high`] at `level`; any of them is +inf where it lies among the
    `censored`. Where `why` is not empty, the quantile was refused and the numbers are NaN."""

    q: float
    value: float
    low: float
    high: float
    n: int
    censored: int
    level: float
    why: str = ""

    def describe(self, limit: float | None = None, unit: str = "s") -> str:
        """In words: "P99 > 60 s (the time-out)" where it lies among the failures."""
        name = f"P{self.q * 100:g}"
        if self.why:
            return f"{name} {self.why}"
        if math.isinf(self.value):
            bound = f"the time-out ({limit:g} {unit})" if limit is not None else "the time-out"
            return f"{name} > {bound}"
        return f"{name} {self.value:.4g} {unit} [{self.low:.4g}, {self.high:.4g}]"


def least_n(q: float, level: float = 0.95) -> int:
    """The fewest results from which the `q`-quantile has an upper bound at one-sided confidence `level`: the largest of
    n lies above it with probability 1 - q^n, so n ≥ ln(1 - level)/ln q. 299 for P99 and 59 for P95 at 95 %."""
    if not 0 < q < 1:
        raise ValueError(f"a quantile must lie between 0 and 1, not {q}")
    tail = max(q, 1 - q)
    return math.ceil(math.log(1 - checked_level(level)) / math.log(tail) - 1e-12)


def quantile(values: ArrayLike, q: float, level: float = 0.95) -> Quantile:
    """The `q`-quantile of `values`, (n,), +inf where a request failed.

    The value is the order statistic ⌈qn⌉ (type 1 of Hyndman and Fan 1996: always something that was measured). The
    interval is exact and distribution-free: from order statistics whose ranks are binomial (David and Nagaraja 2003,
    7.1). Each end has confidence (1 + level)/2 where n allows; the upper end of a high quantile, where it does not,
    is the maximum at one-sided `level`. Fewer than `least_n` results are refused. Clusters are ignored: with few
    conversations the truth is wider.
    """
    array = checked(values, finite=False)
    if (array == -math.inf).any():
        raise ValueError("values hold -inf")
    n = len(array)
    censored = int(np.isinf(array).sum())
    if n < least_n(q, level):
        why = f"not estimable from {n} result{'s' if n != 1 else ''} (needs {least_n(q, level)})"
        return Quantile(q, math.nan, math.nan, math.nan, n, censored, level, why)
    ordered = np.sort(array)
    low, high = _ranks(n, q, (1 - level) / 2)
    return Quantile(
        q,
        float(ordered[min(n, max(1, math.ceil(q * n - 1e-9))) - 1]),
        float(ordered[low - 1]) if low >= 1 else 0.0,
        float(ordered[high - 1]) if high <= n else float(ordered[-1]),
        n,
        censored,
        level,
    )


def _ranks(n: int, q: float, tail: float) -> tuple[int, int]:
    """Ranks (1-based) of the order statistics that bound the quantile, each missing it with at most `tail`; rank 0 or
    n + 1 where none does."""
    low = 0
    high = n + 1
    left, right = 0, n  # the largest k with P(B ≤ k - 1) ≤ tail
    while left < right:
        middle = (left + right + 1) // 2
        if binomial_cdf(middle - 1, n, q) <= tail:
            left = middle
        else:
            right = middle - 1
    low = left
    left, right = 1, n + 1  # the smallest k with P(B ≥ k) ≤ tail
    while left < right:
        middle = (left + right) // 2
        if 1.0 - binomial_cdf(middle - 1, n, q) <= tail + 1e-15:
            right = middle
        else:
            left = middle + 1
    high = left
    return low, high
